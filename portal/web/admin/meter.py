"""How easy a German text is to read: the figures and findings beside every field whose text the public sees."""

from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Response, current_app, request

from portal.accounts.permissions import Permission
from portal.catalogue import plain_german
from portal.catalogue.plain_german import Finding, Findings, OfficeWords
from portal.web.admin.guard import needs
from portal.web.admin.rendering import render
from portal.web.current import current_portal
from portal.web.texts import N_, gettext, ngettext

LONGEST = 20_000
MOST_SHOWN = 12

LEVELS = {
    "easy": N_("Easy to read"),
    "medium": N_("Could be easier"),
    "hard": N_("Hard to read"),
}
_TAGS = {"easy": "good", "medium": "wait", "hard": "bad-tag"}


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/meter", "meter", meter, methods=["POST"])


@dataclass(frozen=True, slots=True)
class Advice:
    text: str
    """What stands there, shortened."""
    what: str
    instead: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What the fragment shows; None of it when the field is empty."""

    level: str
    tag: str
    figures: str
    advice: tuple[Advice, ...]
    more: int


@needs(Permission.SEE_CATALOGUE)
def meter() -> Response:
    """`field` names the field that was sent with it; without one, the text is `text`."""
    name = request.form.get("field", "") or "text"
    text = request.form.get(name, "")[:LONGEST]
    return render("admin/meter.html", fragment="reading", reading=reading(text), text=text)


def office_words() -> OfficeWords:
    """Read at the first question."""
    kept = current_app.extensions.get("office_words")
    if not isinstance(kept, OfficeWords):
        path: Path = current_portal().settings.content_dir / "plain_german.yaml"
        kept = plain_german.load_office_words(path) if path.exists() else OfficeWords({})
        current_app.extensions["office_words"] = kept
    return kept


def reading(text: str) -> Reading | None:
    if not text.strip():
        return None
    found = plain_german.meter(text, office_words())
    return Reading(
        gettext(LEVELS[found.level]),
        _TAGS[found.level],
        _figures(found),
        tuple(_advice(finding) for finding in found.found[:MOST_SHOWN]),
        max(0, len(found.found) - MOST_SHOWN),
    )


def _figures(found: Findings) -> str:
    words = ngettext("%(num)s word", "%(num)s words", found.words)
    length = gettext("%(number)s per sentence", number=_number(found.words_per_sentence))
    if not found.is_telling:
        return f"{words}, {length}"
    lix = gettext("LIX %(number)s", number=round(found.lix))
    year = gettext("school year %(number)s", number=max(1, round(found.school_year)))
    return f"{words}, {length} · {lix} · {year}"


def _number(value: float) -> str:
    return str(round(value))


def _advice(finding: Finding) -> Advice:
    text = finding.text if len(finding.text) <= 60 else f"{finding.text[:57].rstrip()}…"
    if finding.code == "long_sentence":
        return Advice(
            text,
            ngettext("%(num)s word in one sentence", "%(num)s words in one sentence", finding.number),
            gettext("Make two sentences of it."),
        )
    if finding.code == "long_word":
        return Advice(
            text,
            ngettext("%(num)s letter", "%(num)s letters", finding.number),
            gettext("Is there a shorter word? If not, a hyphen helps."),
        )
    if finding.code == "passive":
        return Advice(text, gettext("Nobody does anything here"), gettext("Say who does it."))
    return Advice(text, gettext("An office word"), gettext("Perhaps: %(words)s", words=finding.suggestion))
