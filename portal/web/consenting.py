"""What a young person agrees to, in words: the same text is shown, bound to the form, stored and sent.

Receiver, data, purpose, time, freedom to refuse and way back: Art. 7, 9 (2) a and 13 GDPR, § 67b (2) SGB X.
Every sentence is made twice, in the reader's language and in German, which is what the office reads.
"""

import hashlib
import hmac
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import phonenumbers
from flask import g, has_request_context, request

from portal.catalogue.direction import with_brackets_in_order
from portal.catalogue.models import Organization, Service
from portal.catalogue.queries import ServiceView
from portal.referral.actions import CONSENT_HOLDS
from portal.referral.choosing import Desk
from portal.referral.models import Channel, ConsentKind
from portal.referral.personal import Agreed, Line, Person
from portal.web.current import begin, current_language, current_portal
from portal.web.languages import GERMAN, unmarked
from portal.web.public import presenting
from portal.web.texts import N_, day, listing
from portal.web.texts import gettext as _

TEXT_VERSION = "2026-11"
"""Of the sentences below. Changed with them: a consent names the wording it was given to."""
CHANNELS = {
    Channel.PHONE: N_("Call me"),
    Channel.SMS: N_("By text message (SMS)"),
    Channel.MAIL: N_("By email"),
    Channel.MESSENGER: N_("By messenger"),
    Channel.PAGE: N_("Only through my private page"),
}
TIMES = {
    "morning": N_("in the morning"),
    "midday": N_("around midday"),
    "afternoon": N_("in the afternoon"),
    "evening": N_("in the evening"),
}
NAME = N_("How they may call me")
PHONE = N_("Phone number")
MAIL = N_("Email address")
MESSENGER = N_("Messenger and name")
REACH = N_("How they can reach me")
WHEN = N_("When")
LANGUAGE = N_("Language")
INTERPRETER = N_("I need an interpreter")
NOT_ME = N_("If I do not answer the phone myself")
MESSAGE = {True: N_("You may leave a message."), False: N_("Please do not leave a message.")}
SAY_WHO = {True: N_("You may say who is calling."), False: N_("Please do not say who is calling.")}
OWN_WORDS = N_("In my own words")
TICKED_BEFORE = frozenset(
    {
        "channels",
        "phone",
        "mail",
        "messenger",
        "times",
        "language",
        "interpreter",
        "leave_message",
        "say_who",
    }
)
"""Lines of a further consent that are ticked when it is asked for: how to get in touch, without which nobody can help.

Everything else waits for the young person's tick. The name, too: it says who somebody is, to people they have never
met, and a call, a mail or the private page reaches them without it.
"""

# NOTE: All of these are what a young person declares: "I" is that person, "they" are the people at the office.
RECEIVES = N_("I agree that %(office)s receives exactly what stands here, and nothing else.")
PURPOSES = {
    ConsentKind.REFERRAL: N_("They may use it only to contact me and to help me."),
    ConsentKind.HANDOVER: N_(
        "They take over and help me from now on. The office I had before sees nothing of it any more."
    ),
    ConsentKind.JOINT: N_("They help me together with the office that helps me already."),
}
UNTIL = N_("They may use it until %(day)s at the latest. Then everything is erased.")
FREE = N_("I may say no. Then I have no disadvantage, and I can still call or go there.")
TAKE_BACK = N_(
    "I can take this back at any time, with my code at %(address)s. Then everything is erased at once."
)
TAKE_BACK_JOINT = N_(
    "I can take this back at any time, with my code at %(address)s. Then they see nothing any more."
)


def compose(kind: ConsentKind, desk: Desk, lines: Sequence[Line], *, language: str, now: datetime) -> Agreed:
    """The consent to send `lines` to `desk`. It changes when the desk, a line or the day does."""
    return Agreed(
        statement=_statement(kind, desk, language, now),
        statement_de=_statement(kind, desk, GERMAN, now),
        lines=tuple(lines),
    )


def ticked(agreed: Agreed, keys: Collection[str]) -> Agreed:
    """The same words for fewer lines."""
    return agreed.model_copy(update={"lines": tuple(line for line in agreed.lines if line.key in keys)})


def lines_of(person: Person, *, language: str) -> tuple[Line, ...]:
    """Everything the form holds, as it is told."""
    own, german = _worded(person, language, language), _worded(person, language, GERMAN)
    made = {
        key: Line(key=key, label=label, label_de=german[key][0], value=value, value_de=german[key][1])
        for key, (label, value) in own.items()
    }
    words = made.pop("own_words", None)
    return (*made.values(), *((words,) if words else ()), *person.answers)


def fingerprint(agreed: Agreed) -> str:
    """Binds the text that was shown to the form that agrees to it."""
    key = current_portal().settings.secret_key.encode()
    return hmac.new(key, agreed.model_dump_json().encode(), hashlib.sha256).hexdigest()[:32]


def desk_name(desk: Desk, language: str) -> tuple[str, str]:
    """Office and offer; German where there is no translation."""
    found: ServiceView | None = next(iter(current_portal().catalogue.services((desk.service_id,))), None)
    if found is not None:
        office, offer = found.organization.text("name", language), found.text("name", language)
        return office.text if office else "", offer.text if offer else ""
    with current_portal().store.sessions() as session:
        organization = session.get(Organization, desk.organization_id)
        service = session.get(Service, desk.service_id)
        return organization.name if organization else "", service.name if service else ""


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Everything looked up inside is in that public language, also on a page of the admin part."""
    portal, own, code = current_portal(), current_language(), g.get("lang")
    try:
        spoken = portal.languages.get(language) or portal.languages.get(GERMAN) or own
        begin(portal, spoken)
        g.lang = spoken.code
        yield
    finally:
        begin(portal, own)
        if code is None:
            g.pop("lang", None)
        else:
            g.lang = code


def _statement(kind: ConsentKind, desk: Desk, language: str, now: datetime) -> str:
    portal = current_portal()
    office, offer = desk_name(desk, language)
    until = (now + CONSENT_HOLDS).astimezone(portal.timezone).date()
    with speaking(language):
        sentences = (
            _(RECEIVES, office=office if offer in ("", office) else f"{office} ({offer})"),
            _(PURPOSES[kind]),
            _(UNTIL, day=day(until)),
            _(FREE),
            _(TAKE_BACK_JOINT if kind is ConsentKind.JOINT else TAKE_BACK, address=_private_page(g.lang)),
        )
        text = unmarked("\n".join(sentences))
        return with_brackets_in_order(text) if current_language().dir == "rtl" else text


def _private_page(language: str) -> str:
    """As somebody would type it."""
    base = current_portal().settings.base_url
    if not base and has_request_context():
        base = request.url_root
    # Isolated, left to right in every language.
    return f"\u2066{base.rstrip('/').partition('://')[2]}/{language}/mine\u2069"


def spelled(number: str) -> str:
    """A number in E.164 in groups, as people compare it; empty stays empty."""
    if not number:
        return ""
    return phonenumbers.format_number(
        phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.INTERNATIONAL
    )


def _worded(person: Person, own: str, language: str) -> dict[str, tuple[str, str]]:
    """Key → label and value. What was typed stays as it is."""
    found: dict[str, tuple[str, str]] = {}
    with speaking(language):
        if person.name:
            found["name"] = _(NAME), person.name
        found["channels"] = _(REACH), listing([_(CHANNELS[one]) for one in person.channels])
        if person.phone:
            found["phone"] = _(PHONE), spelled(person.phone)
        if person.mail:
            found["mail"] = _(MAIL), person.mail
        if person.messenger:
            found["messenger"] = _(MESSENGER), person.messenger
        if person.times:
            found["times"] = _(WHEN), listing([_(TIMES[one]) for one in person.times])
        found["language"] = _(LANGUAGE), presenting.language_name(person.speaks or own)
        if person.interpreter:
            found["interpreter"] = _(LANGUAGE), _(INTERPRETER)
        if person.phone:
            found["leave_message"] = _(NOT_ME), _(MESSAGE[person.leave_message])
            found["say_who"] = _(NOT_ME), _(SAY_WHO[person.say_who])
        if person.own_words:
            found["own_words"] = _(OWN_WORDS), person.own_words
    return {key: (unmarked(label), unmarked(value)) for key, (label, value) in found.items()}
