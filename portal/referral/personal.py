"""What is sealed. These objects exist only in memory while somebody who may reads them; their repr says nothing."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, StringConstraints

from portal.referral.models import Channel
from portal.referral.sealing import CannotOpen, Sealer

OWN_WORDS_AT_MOST = 1000
"""Characters."""
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=120)]
OwnWords = Annotated[str, StringConstraints(strip_whitespace=True, max_length=OWN_WORDS_AT_MOST)]


class _Sealed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    __str__ = __repr__

    def seal(self, sealer: Sealer, field: str) -> bytes:
        return sealer.seal(field, self.model_dump_json())

    @classmethod
    def open(cls, sealer: Sealer, field: str, sealed: bytes | None) -> Self:
        """Raises CannotOpen."""
        if sealed is None:
            raise CannotOpen("nothing is sealed here")
        return cls.model_validate_json(sealer.open(field, sealed))


class Line(_Sealed):
    """One thing that is told, as it is shown: in the reader's language and in German."""

    key: str
    """What it is: `name`, `phone`, `answer:topic`, `own_words` …; consents name these."""
    label: str
    label_de: str
    value: str
    value_de: str
    """The same as `value` for what the person typed: nobody translates it."""


class Person(_Sealed):
    """The form of the young person."""

    name: Short = ""
    """As they want to be called; may stay empty."""
    channels: tuple[Channel, ...] = (Channel.PAGE,)
    """In the order of their wish."""
    phone: Short = ""
    """E.164."""
    mail: Short = ""
    messenger: Short = ""
    """Service and name, as typed."""
    times: tuple[Literal["morning", "midday", "afternoon", "evening"], ...] = ()
    speaks: Short = ""
    """Language they would like to speak, as a path code."""
    interpreter: bool = False
    leave_message: bool = False
    """Voice mail, or a word to somebody else who answers: safe?"""
    say_who: bool = False
    """May the caller say from which office?"""
    own_words: OwnWords = ""
    answers: tuple[Line, ...] = ()
    """Those answers of the questionnaire that they ticked; none by default."""


class Agreed(_Sealed):
    """A consent, word for word."""

    statement: str
    """In the reader's language."""
    statement_de: str
    lines: tuple[Line, ...]
    """Exactly what is sent; the team sees this and nothing else."""


class Meeting(_Sealed):
    start_at: datetime
    minutes: int
    place: Short = ""
    """An address, "by phone", or a link."""
    note: OwnWords = ""


class Situation(_Sealed):
    """Of a hand-over slip."""

    language: str
    lines: tuple[Line, ...]
    service_name: str
    accompanied: bool = False
    """Someone comes along."""
    interpreter: bool = False


class CaseSheet(_Sealed):
    """Anonymous by its form: `case_talk` refuses names, phone numbers and addresses it recognises."""

    title: Short
    question: OwnWords = ""
    situation: Annotated[str, StringConstraints(strip_whitespace=True, max_length=4000)] = ""
    tried: OwnWords = ""
    next_steps: tuple[Short, ...] = ()
