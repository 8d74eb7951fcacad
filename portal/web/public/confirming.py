"""The page behind the link in the letter to an organization: is this offer still right?

It needs no account: the link is the key, for one offer and one answer. Looking never changes anything, because mail
programs open links too. The German texts are shown in every language, because they are what is to be confirmed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from babel.dates import format_date
from flask import Response, g, redirect, request, url_for
from sqlmodel import Session
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit
from portal.accounts.tokens import token_hash
from portal.catalogue import editing, queries, reviewing
from portal.catalogue.editing import Entry, EntryProblem, InvalidEntry
from portal.catalogue.models import Confirmation
from portal.catalogue.queries import ServiceView, Text
from portal.web.current import current_language, current_portal
from portal.web.public import offers
from portal.web.public.confirmation import Links
from portal.web.public.views import Bit, ErrorLine, OfferPage
from portal.web.responses import render
from portal.web.security import refuse_cross_site
from portal.web.texts import gettext as _

SPARE_ROWS = 2
"""Empty rows for more phone numbers."""
MOST_ROWS = 30
LONGEST_REMARK = 2000


@dataclass(frozen=True, slots=True)
class Office:
    """Whoever answers by the link, for history and log."""

    name: str
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that can be answered."""

    session: Session
    question: Confirmation
    entry: Entry
    view: ServiceView

    @property
    def office(self) -> Office:
        return Office(self.view.organization.name)


def _with_question(answer: Callable[[Asked], BaseResponse], token: str) -> BaseResponse:
    """Call `answer` with the question of the link, or say why there is none."""
    portal = current_portal()
    with portal.store.sessions() as session:
        try:
            if not Links(portal.settings.secret_key).is_ours(token):
                raise reviewing.UnknownLink("link")
            question = reviewing.question_of(session, token_hash(token), now=portal.now())
            entry = reviewing.entry_of(session, question)
            view = queries.service_by_slug(session, question.region, entry.slug)
            if view is None:
                raise reviewing.NoLongerThere(entry.slug)
            return answer(Asked(session, question, entry, view))
        except reviewing.UnknownLink:
            return _closed("unknown", status=404)
        except reviewing.NoLongerThere:
            return _closed("withdrawn", status=410)
        except reviewing.LinkExpired as error:
            return _closed("expired", status=410, day=_local(error.question.expires_at))
        except reviewing.AlreadyAnswered as error:
            said = error.question
            return _closed(
                "thanks" if "thanks" in request.args else "answered",
                status=200,
                day=_local(said.answered_at or portal.now()),
                answer=said.answer or "",
            )


def _closed(state: str, *, status: int, day: date | None = None, answer: str = "") -> Response:
    words = format_date(day, "long", locale=current_language().locale) if day else ""
    return render(
        "public/confirm_closed.html",
        status=status,
        index=False,
        state=state,
        day=words,
        answer=answer,
        controller=current_portal().region.controller,
    )


def _local(moment: datetime) -> date:
    return moment.astimezone(current_portal().timezone).date()


# Looking and the two short answers.


@dataclass(frozen=True, slots=True)
class Facts:
    """What is to be confirmed; German texts stay German."""

    page: OfferPage
    name: Bit
    organization: Bit
    description: Bit
    how_to_start: Bit
    bring: tuple[Bit, ...]
    ends: str
    email: str


def facts(view: ServiceView) -> Facts:
    return Facts(
        page=offers.offer_page(view),
        name=_german(view.name),
        organization=_german(view.organization.name),
        description=_german(view.description),
        how_to_start=_german(view.application_process),
        bring=tuple(_german(document) for document in view.required_documents),
        ends=format_date(view.valid_to, "long", locale=current_language().locale) if view.valid_to else "",
        email=view.email or view.organization.email or "",
    )


def _german(text: str | Text | None) -> Bit:
    words = str(getattr(text, "text", text) or "")
    return Bit(words) if g.lang == "de" else Bit(words, "de", "ltr")


def confirm(token: str) -> BaseResponse:
    def show(asked: Asked) -> Response:
        return render(
            "public/confirm.html",
            index=False,
            facts=facts(asked.view),
            answer_url=url_for("public.confirm_answer", token=token),
            correct_url=url_for("public.confirm_correct", token=token),
            longest=LONGEST_REMARK,
        )

    return _with_question(show, token)


def confirm_answer(token: str) -> BaseResponse:
    refuse_cross_site()

    def answer(asked: Asked) -> BaseResponse:
        said = request.form.get("answer")
        now = current_portal().now()
        if said == "right":
            reviewing.answer_right(
                asked.session, asked.question, author=asked.office, today=_local(now), now=now
            )
        elif said == "gone":
            reviewing.answer_gone(
                asked.session, asked.question, author=asked.office, now=now, remarks=_remark("remarks")
            )
        else:
            return redirect(url_for("public.confirm", token=token), code=303)
        return _done(asked, said, token, now=now)

    return _with_question(answer, token)


def _done(asked: Asked, said: str, token: str, *, now: datetime) -> BaseResponse:
    audit.record(
        asked.session,
        "confirmation.answered",
        now=now,
        actor=asked.office,
        region=asked.question.region,
        entity="service",
        entity_id=asked.question.service_id,
        entity_name=asked.view.name,
        answer=said,
    )
    asked.session.commit()
    return redirect(url_for("public.confirm", token=token, thanks=1), code=303)


def _remark(name: str) -> str:
    return request.form.get(name, "").replace("\r\n", "\n").strip()[:LONGEST_REMARK]


# Something is different.


@dataclass(frozen=True, slots=True)
class PhoneRow:
    number: str
    note: str
    error: str = ""


@dataclass(slots=True)
class Correction:
    """The form: the facts an office knows best, as text."""

    base_hash: str
    description: str
    how_to_start: str
    phones: list[PhoneRow]
    email: str
    website: str
    bring: str
    ends: str
    hours: str = ""
    remarks: str = ""

    @classmethod
    def of(cls, entry: Entry) -> "Correction":
        record = entry.record
        return cls(
            base_hash=entry.hash,
            description=record.description,
            how_to_start=record.application_process or "",
            phones=[PhoneRow(phone.number, phone.description or "") for phone in record.phones],
            email=str(record.email or ""),
            website=record.url or "",
            bring="\n".join(record.required_documents),
            ends=record.valid_to.isoformat() if record.valid_to else "",
        )

    @classmethod
    def sent(cls) -> "Correction":
        form = request.form
        rows = zip(form.getlist("number")[:MOST_ROWS], form.getlist("note")[:MOST_ROWS], strict=False)
        return cls(
            base_hash=form.get("base", ""),
            **{name: _text(name) for name in ("description", "how_to_start", "email", "website", "bring", "ends")},
            phones=[PhoneRow(number.strip(), note.strip()) for number, note in rows],
            hours=_remark("hours"),
            remarks=_remark("remarks"),
        )  # fmt: skip

    def to_record(self, base: Any) -> tuple[Any, dict[int, int]]:
        """The offer with what was changed, and for each of its phones the row of the form.

        White space alone changes nothing. Raises InvalidEntry.
        """
        values = editing.plain(base)
        values["description"] = _changed(base.description, self.description)
        values["application_process"] = _changed(base.application_process, self.how_to_start) or None
        values["email"] = _changed(base.email, self.email) or None
        values["url"] = _changed(base.url, self.website) or None
        lines = [line.strip() for line in self.bring.splitlines() if line.strip()]
        if lines != [" ".join(document.split()) for document in base.required_documents]:
            values["required_documents"] = lines
        values["valid_to"] = _read_day(self.ends)
        phones: list[dict[str, Any]] = []
        rows: dict[int, int] = {}
        for index, row in enumerate(self.phones):
            if not row.number:
                continue
            known = values["phones"][index] if index < len(values["phones"]) else {}
            rows[len(phones)] = index
            phones.append({**known, "number": row.number, "description": row.note or None})
        values["phones"] = phones
        return editing.parsed("service", values), rows

    def all_remarks(self) -> str:
        """What cannot be taken over by itself, in the language of the office that reads it."""
        hours = f"Öffnungszeiten: {self.hours}" if self.hours else ""
        return "\n\n".join(part for part in (hours, self.remarks) if part)


def _text(name: str) -> str:
    return request.form.get(name, "").replace("\r\n", "\n").strip()


def _changed(before: str | None, after: str) -> str:
    """The text before when only white space differs."""
    return str(before or "") if str(before or "").split() == after.split() else after


def _read_day(text: str) -> str | None:
    """Also as Germans write it. Raises InvalidEntry."""
    if not text:
        return None
    for form in ("%Y-%m-%d", "%d.%m.%Y"):
        try:
            return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 (a day has no time zone)
        except ValueError:
            continue
    raise InvalidEntry([EntryProblem("valid_to", "shape.date", "not a day", {})])


def correct(token: str) -> BaseResponse:
    return _with_question(lambda asked: _form(asked, token, Correction.of(asked.entry)), token)


def corrected(token: str) -> BaseResponse:
    refuse_cross_site()

    def answer(asked: Asked) -> BaseResponse:
        now = current_portal().now()
        sent = Correction.sent()
        base = reviewing.seen_by_author(asked.session, asked.entry, sent.base_hash)
        rows: dict[int, int] = {}
        try:
            record, rows = sent.to_record(base.record)
            reviewing.answer_corrected(
                asked.session,
                asked.question,
                record,
                base=base,
                author=asked.office,
                today=_local(now),
                now=now,
                remarks=sent.all_remarks(),
            )
        except InvalidEntry as error:
            asked.session.rollback()
            return _form(asked, token, sent, _problems(error, rows or _rows(sent)))
        except reviewing.NothingChanged:
            asked.session.rollback()
            words = _(
                "You have not changed anything. Is everything still right? Then go back and confirm it with one tap."
            )
            return _form(asked, token, sent, {"description": words})
        return _done(asked, "corrected", token, now=now)

    return _with_question(answer, token)


def _rows(sent: Correction) -> dict[int, int]:
    filled = [index for index, row in enumerate(sent.phones) if row.number]
    return dict(enumerate(filled))


FIELDS: Mapping[str, str] = {
    "description": "description",
    "application_process": "how_to_start",
    "email": "email",
    "url": "website",
    "required_documents": "bring",
    "valid_to": "ends",
}


def _problems(error: InvalidEntry, rows: Mapping[int, int]) -> dict[str, str]:
    """Field of the form → what to do about it."""
    words = {
        "description": _("Please write in a few sentences what you offer."),
        "how_to_start": _("This text is too long. Please write it in fewer words."),
        "email": _("This is not a complete e-mail address, such as name@example.org."),
        "website": _("This is not a complete web address. It begins with https://"),
        "bring": _("Please write one thing in each line, and nothing twice."),
        "ends": _("Please write a day, for example 31.12.2027. It must not lie before the beginning of the offer."),
    }  # fmt: skip
    found: dict[str, str] = {}
    for problem in error.problems:
        parts = problem.field.split(".")
        if parts[0] == "phones":
            if problem.code == "twice" or len(parts) < 2:
                found.setdefault("phones", _("The same number stands there twice."))
            else:
                row = rows.get(int(parts[1]), 0)
                found[f"number-{row}"] = _("This number cannot be right. Please write it with the area code.")
        else:
            name = FIELDS.get(parts[0], "remarks")
            found[name] = words.get(
                name, _("We cannot take this over here. Please write to us or call us, we do it for you.")
            )
    return found


def _form(
    asked: Asked, token: str, values: Correction, problems: Mapping[str, str] | None = None
) -> Response:
    problems = problems or {}
    filled = [row for row in values.phones if row.number or row.note]
    rows = values.phones if problems else filled
    spare = SPARE_ROWS - sum(not (row.number or row.note) for row in rows)
    shown = [
        PhoneRow(row.number, row.note, problems.get(f"number-{index}", ""))
        for index, row in enumerate([*rows, *[PhoneRow("", "")] * max(spare, 0)])
    ]
    page = offers.offer_page(asked.view)
    openings = [*page.openings, *(opening for site in page.sites for opening in site.openings)]
    return render(
        "public/confirm_correct.html",
        status=422 if problems else 200,
        index=False,
        name=_german(asked.view.name),
        organization=_german(asked.view.organization.name),
        form=values,
        phones=shown,
        openings=openings,
        problems=problems,
        errors=[ErrorLine(name if name != "phones" else "number-0", text) for name, text in problems.items()],
        action=url_for("public.confirm_corrected", token=token),
        back_url=url_for("public.confirm", token=token),
        longest=LONGEST_REMARK,
    )
