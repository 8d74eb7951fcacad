"""Translations: what is missing or outdated, side by side with the German text, out to offices and back."""

import base64
import binascii
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit, forms
from portal.accounts.permissions import Permission
from portal.catalogue.models import EntryVersion
from portal.catalogue.translating import exchange, machine, saving, xliff, xlsx
from portal.catalogue.translating.figures import mismatch
from portal.catalogue.translating.index import Line, TranslationIndex, chosen, facets, totals
from portal.catalogue.translating.machine import Drafts, TranslatorError
from portal.catalogue.translating.saving import Problem, Refused, Wish
from portal.catalogue.translating.texts import (
    ENTITIES,
    OPEN_STATES,
    STATES,
    Item,
    Subject,
    Suggestion,
    UnknownText,
    earlier_german,
    earlier_texts,
    known_translations,
    subject,
)
from portal.catalogue.vocabulary import SOURCE_LANGUAGE
from portal.web import mail
from portal.web.admin.differences import DiffLine, word_pieces
from portal.web.admin.editing.wording import label
from portal.web.admin.guard import me, needs, typed_before
from portal.web.admin.paging import Paging
from portal.web.admin.rendering import render, say
from portal.web.admin.times import moment
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.languages import Language
from portal.web.public.presenting import language_name
from portal.web.texts import N_, gettext, listing, ngettext

LARGEST_FILE = 5 * 1024 * 1024
_UNPACKED = 60 * 1024 * 1024
ROWS_SHOWN = 200


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/translations", "translations", translations)
    bp.add_url_rule("/translations/next", "next_translation", next_translation)
    bp.add_url_rule("/translations/exchange", "translation_exchange", translation_exchange)
    bp.add_url_rule("/translations/export", "export_translations", export_translations, methods=["POST"])
    bp.add_url_rule("/translations/import", "import_translations", import_translations, methods=["POST"])
    bp.add_url_rule(
        "/translations/<language>/<entity>/<slug>",
        "translate_entry",
        translate_entry,
        methods=["GET", "POST"],
    )


# Words.

STATE_NAMES: Mapping[str, str] = {
    "missing": N_("Missing"),
    "outdated": N_("Outdated"),
    "machine": N_("Machine draft"),
    "unchecked": N_("Not checked"),
    "checked": N_("Checked"),
}
_STATE_TAGS = {
    "missing": "bad-tag",
    "outdated": "wait",
    "machine": "wait",
    "unchecked": "",
    "checked": "open",
}
_FILTERS: Mapping[str, str] = {"open": N_("To translate"), **STATE_NAMES, "any": N_("All")}
ENTITY_NAMES: Mapping[str, str] = {
    "service": N_("Offers"),
    "location": N_("Places"),
    "organization": N_("Organizations"),
    "taxonomy_term": N_("Words of the portal"),
}
_LAST: Mapping[str, str] = {
    "description": N_("Note"),
    "name": N_("Name"),
    "title": N_("Function"),
    "department": N_("Department"),
    "details": N_("Details"),
}
_OF_TERMS: Mapping[str, str] = {
    "name": N_("Name"),
    "short_name": N_("Short name"),
    "description": N_("Explanation"),
    "say": N_("What to say on the phone"),
    "elsewhere": N_("How to find it in another place"),
    "remote": N_("How to reach it without a phone call"),
}


def field_label(entity: str, path: str) -> str:
    """ "Phones 2: Note" for `phones.1.description`."""
    first, *rest = path.split(".")
    if entity == "taxonomy_term" and first in _OF_TERMS:
        return gettext(_OF_TERMS[first])
    if not rest or not rest[0].isdigit():
        return label(path)
    words = f"{label(first)} {int(rest[0]) + 1}"
    if len(rest) == 1:
        return words
    return f"{words}: {field_label('', '.'.join(rest[1:])) if len(rest) > 2 else gettext(_LAST.get(rest[1], rest[1]))}"


def problem_words(problem: Problem) -> str:
    values = problem.values
    if problem.code == "figures":
        return _figures_words(values["missing"], values["extra"])
    texts = {
        "conflict": gettext(
            "Somebody else has changed this meanwhile. Your text stands below, the new state beside it. Save again to keep yours."
        ),
        "too_long": gettext("At most %(most)s characters.", most=values.get("most", "")),
        "gone": gettext("This text is no longer in the entry."),
        "unknown_id": gettext("There is no such text, or it is not yours to translate."),
        "twice": gettext("This text is in the file twice."),
        "source_changed": gettext("The German text has changed since the export."),
        "empty": gettext("The translation is empty. It would take away the one that is there."),
        "formula": gettext("The cell holds a formula. Only text can be taken over."),
        "markup": gettext("The text holds markup that our texts do not have."),
    }
    return texts.get(problem.code, problem.code)


def _figures_words(missing: Sequence[str], extra: Sequence[str]) -> str:
    parts = []
    if missing:
        parts.append(
            gettext(
                "Numbers of the German text that are not in the translation: %(list)s.", list=listing(missing)
            )
        )
    if extra:
        parts.append(
            gettext(
                "Numbers of the translation that are not in the German text: %(list)s.", list=listing(extra)
            )
        )
    return " ".join(parts)


_TRANSLATOR_WORDS: Mapping[str, str] = {
    "off": N_("The address of the translation server is not right. See the settings."),
    "unreachable": N_("The translation server cannot be reached at the moment."),
    "timeout": N_("The translation server took too long. Please try again later."),
    "refused": N_("The translation server refuses us. The key may be wrong."),
    "limit": N_("The translation server has had enough for now. Please try again later."),
    "language": N_("The translation server does not know this language."),
    "answer": N_("The answer of the translation server cannot be used."),
}
_FILE_WORDS: Mapping[str, str] = {
    "nothing": N_("There is no text in the file."),
    "not_xml": N_("This is no XML file. It may have been damaged on its way."),
    "not_xliff": N_("This is no XLIFF 2 file."),
    "version": N_("This is XLIFF %(version)s. Please ask for XLIFF 2.0 or 2.1."),
    "source_language": N_("The source language of the file is not German."),
    "language": N_("The file is for another language (%(language)s)."),
    "no_id": N_("The file has texts without an id, so nobody knows where they belong."),
    "no_source": N_("The file has texts without their German text."),
    "too_many": N_("The file has too many texts."),
    "too_large": N_("The file is too large."),
    "not_xlsx": N_("This is no Excel file (.xlsx). It may have been damaged on its way."),
    "unknown": N_("Please choose an .xlf or .xlsx file."),
}


# Whose entries, which languages.


def _languages() -> dict[str, Language]:
    return {code: one for code, one in current_portal().languages.items() if code != SOURCE_LANGUAGE}


def translation_index() -> TranslationIndex:
    """One per process; it follows the catalogue's revision."""
    known = current_app.extensions.get("translation_index")
    languages = tuple(_languages())
    if not isinstance(known, TranslationIndex) or known.languages != languages:
        known = TranslationIndex(current_portal().region.slug, languages)
        current_app.extensions["translation_index"] = known
    return known


def is_counted() -> bool:
    """Whether `numbers_of_states` answers at once. If not, counting begins beside this request."""
    index = translation_index()
    if not index.is_read and not index.is_busy:
        sessions = current_portal().store.sessions

        def read() -> None:
            with sessions() as session:
                index.lines(session)

        mail.in_background(read)
    return index.is_read


def numbers_of_states() -> dict[str, Counter[str]]:
    """Language → how many entries the list shows for each state."""
    lines = _lines()
    return {code: facets(lines, code).states for code in _languages()}


def _may(found: Line | Subject) -> bool:
    powers = me().powers
    if found.entity == "taxonomy_term":
        return powers.may_everywhere(Permission.TRANSLATE)
    return powers.may_for(Permission.TRANSLATE, organization_id=found.organization_id, areas=found.areas)


def _lines() -> list[Line]:
    """Those that the user may translate."""
    lines = translation_index().lines(current_session())
    if me().powers.may_everywhere(Permission.TRANSLATE):
        return list(lines)
    return [line for line in lines if _may(line)]


def _within() -> set[tuple[str, str]] | None:
    if me().powers.may_everywhere(Permission.TRANSLATE):
        return None
    return {(line.entity, line.slug) for line in _lines()}


@dataclass(frozen=True, slots=True)
class Asked:
    """The filter of the list; it goes along from entry to entry."""

    language: str
    state: str
    entity: str
    words: str

    @classmethod
    def read(cls, language: str = "") -> "Asked":
        languages = _languages()
        wanted = language or request.args.get("language", "")
        state, entity = request.args.get("state", ""), request.args.get("kind", "")
        return cls(
            wanted if wanted in languages else next(iter(languages), ""),
            state if state in _FILTERS else "open",
            entity if entity in ENTITIES else "",
            request.args.get("q", "").strip()[:100],
        )

    def values(self, **changes: str) -> dict[str, Any]:
        found = {"language": self.language, "state": self.state, "kind": self.entity, "q": self.words}
        return {name: value for name, value in {**found, **changes}.items() if value}

    def filters(self) -> dict[str, Any]:
        """Without the language, where that stands in the path."""
        return {name: value for name, value in self.values().items() if name != "language"}

    def chosen(self, lines: Sequence[Line], *, state: str | None = None) -> list[Line]:
        return chosen(lines, self.language, state=state or self.state, entity=self.entity, words=self.words)


# The list.


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    organization: str
    kind: str
    url: str
    numbers: tuple[int, ...]
    public: bool


@needs(Permission.TRANSLATE)
def translations() -> Response:
    asked = Asked.read()
    if not asked.language:
        return render("admin/translations.html", asked=asked, languages=(), rows=())
    seen = facets(_lines(), asked.language, state=asked.state, entity=asked.entity, words=asked.words)
    paging = Paging.read(len(seen.found))
    address = partial(url_for, "admin.translations")
    return render(
        "admin/translations.html",
        fragment="list",
        asked=asked,
        languages=[
            (language_name(code), address(**asked.values(language=code)), code == asked.language)
            for code in _languages()
        ],
        language=language_name(asked.language),
        states=[
            (gettext(name), address(**asked.values(state=state)), seen.states[state], state == asked.state)
            for state, name in _FILTERS.items()
        ],
        kinds=[
            (
                gettext(name),
                address(**asked.values(kind=entity)),
                seen.entities[entity],
                entity == asked.entity,
            )
            for entity, name in {"": N_("Everything"), **ENTITY_NAMES}.items()
        ],
        state_names=[gettext(STATE_NAMES[state]) for state in STATES],
        rows=[
            Row(
                line.name,
                line.organization,
                gettext(ENTITY_NAMES[line.entity]),
                _address(asked, line),
                line.counts[asked.language],
                line.public,
            )
            for line in seen.found[paging.offset : paging.offset + paging.size]
        ],
        paging=paging,
        total=ngettext("%(num)s entry", "%(num)s entries", len(seen.found)),
        fields=seen.fields,
        field_total=seen.fields.total(),
        next_url=url_for("admin.next_translation", **asked.values()) if seen.found else "",
        address=address(language=asked.language),
    )


def _address(asked: Asked, line: Line) -> str:
    return url_for(
        "admin.translate_entry",
        language=asked.language,
        entity=line.entity,
        slug=line.slug,
        **asked.filters(),
    )


@needs(Permission.TRANSLATE)
def next_translation() -> BaseResponse:
    """On to the next entry of the list; `after` is the one that is done (entity and slug)."""
    asked = Asked.read()
    if not asked.language:
        return redirect(url_for("admin.translations"), code=303)
    entity, _, slug = request.args.get("after", "").partition("/")
    lines = _lines()
    fitting: dict[tuple[str, str], Line] = {(line.entity, line.slug): line for line in asked.chosen(lines)}
    fitting.pop((entity, slug), None)
    if not fitting:
        say(gettext("That was the last one of this list."))
        return redirect(url_for("admin.translations", **asked.values()), code=303)
    keys: list[tuple[str, str]] = [(line.entity, line.slug) for line in lines]
    start = keys.index((entity, slug)) + 1 if (entity, slug) in keys else 0
    key = next(key for key in [*keys[start:], *keys[:start]] if key in fitting)
    return redirect(_address(asked, fitting[key]), code=303)


# One entry.


@dataclass(frozen=True, slots=True)
class FieldRow:
    name: str
    """Field path; also what its fields in the form are called."""
    label: str
    german: str
    text: str
    rows: int
    state: str
    state_name: str
    tag: str
    checked: bool
    seen: str
    error: str
    theirs: str | None
    """What somebody else wrote meanwhile."""
    warning: str
    difference: tuple[DiffLine, ...]
    """Of the German text, for an outdated translation."""
    suggestion: Suggestion | None
    suggestion_name: str
    earlier: tuple[tuple[int, str, str, str], ...]
    """Number, text, when and by whom."""


@needs(Permission.TRANSLATE)
def translate_entry(language: str, entity: str, slug: str) -> BaseResponse:
    if language not in _languages():
        abort(404)
    session, region = current_session(), current_portal().region.slug
    try:
        found = subject(session, region, entity, slug)
    except UnknownText:
        abort(404)
    if not _may(found):
        abort(404)
    asked = Asked.read(language)
    if request.method == "POST":
        return _send(found, asked)
    return _page(found, asked, typed_before() or {})


def _send(found: Subject, asked: Asked) -> BaseResponse:
    form = request.form
    if "take" in form:
        return _page(found, asked, _taken(found, asked.language, dict(form.items())))
    session, portal = current_session(), current_portal()
    region = portal.region.slug
    wishes = [
        Wish(name, form[f"text.{name}"], f"checked.{name}" in form, form.get(f"seen.{name}", ""))
        for name in dict.fromkeys(
            [*found.german, *(key.removeprefix("text.") for key in form if key.startswith("text."))]
        )
        if f"text.{name}" in form
    ]
    try:
        changed = saving.save(
            session, region, found.entity, found.slug, asked.language, wishes, author=me(), now=portal.now()
        )
    except UnknownText:
        abort(404)
    except Refused as refused:
        session.rollback()
        fresh = subject(session, region, found.entity, found.slug)
        return _page(fresh, asked, form, refused.problems, status=422)
    if changed:
        _log("translation.saved", found, asked.language, fields=list(changed))
    forms.discard(session, me().user.id, request.path)
    session.commit()
    here = url_for(
        "admin.translate_entry",
        language=asked.language,
        entity=found.entity,
        slug=found.slug,
        **asked.filters(),
    )
    wanted = form.get("do", "save")
    if wanted == "machine":
        _draft(found, asked.language)
        return redirect(here, code=303)
    if changed:
        say(ngettext("%(num)s text is saved.", "%(num)s texts are saved.", len(changed)))
    else:
        say(gettext("Nothing was changed."), "info")
    if wanted == "next":
        after = f"{found.entity}/{found.slug}"
        return redirect(url_for("admin.next_translation", after=after, **asked.values()), code=303)
    return redirect(here, code=303)


def _log(action: str, found: Subject, language: str, **details: object) -> None:
    portal = current_portal()
    audit.record(
        current_session(),
        action,
        now=portal.now(),
        actor=me(),
        region=portal.region.slug,
        entity=found.entity,
        entity_id=found.id,
        entity_name=found.name,
        language=language,
        **details,
    )


def _draft(found: Subject, language: str) -> None:
    session, portal = current_session(), current_portal()
    region = portal.region.slug
    try:
        translator = _translator()
        if translator is None:
            abort(404)
        made = machine.draft(
            session,
            region,
            subject(session, region, found.entity, found.slug),
            language,
            translator,
            names=machine.kept_names(session, region),
            author=me(),
            now=portal.now(),
        )
    except TranslatorError as error:
        session.rollback()
        say(gettext(_TRANSLATOR_WORDS[error.code]), "wrong")
        return
    except UnknownText:
        session.rollback()
        abort(404)
    if made.fields:
        _log("translation.drafted", found, language, fields=list(made.fields))
    session.commit()
    _say_drafts(made)


def _translator() -> machine.Translator | None:
    settings = current_portal().settings
    return machine.translator(settings.translator_url, settings.translator_key)


def _say_drafts(made: Drafts) -> None:
    if made.fields:
        say(
            ngettext(
                "%(num)s machine draft. Please read it: until then the public page says that nobody has.",
                "%(num)s machine drafts. Please read them: until then the public page says that nobody has.",
                len(made.fields),
            )
        )
    spoilt = [field for field, why in made.skipped.items() if why != "name_only"]
    if spoilt:
        say(
            ngettext(
                "%(num)s text has no draft, because the machine changed a name or a number.",
                "%(num)s texts have no draft, because the machine changed names or numbers.",
                len(spoilt),
            ),
            "info",
        )
    elif not made.fields:
        say(gettext("There is nothing that a machine should translate. Names stay as they are."), "info")


def _taken(found: Subject, language: str, typed: dict[str, str]) -> dict[str, str]:
    """The form as it was sent, with a suggestion or an older text in one field; nothing is saved."""
    what, _, rest = typed.get("take", "").partition("|")
    session, region = current_session(), current_portal().region.slug
    text: str | None = None
    if what == "known":
        name = rest
        suggested = known_translations(session, region, language, found.items(language)).get(name)
        text = suggested.text if suggested else None
    else:
        number, _, name = rest.partition("|")
        for version in earlier_texts(session, found, language).get(name, []):
            if str(version.number) == number:
                text = str(version.record["text"])
    if text is not None:
        typed[f"text.{name}"] = text
        typed.pop(f"checked.{name}", None)
    return typed


def _page(
    found: Subject,
    asked: Asked,
    typed: Mapping[str, str],
    problems: Mapping[str, Problem] | None = None,
    *,
    status: int = 200,
) -> Response:
    session, region = current_session(), current_portal().region.slug
    problems = problems or {}
    language = _languages()[asked.language]
    items = found.items(asked.language)
    german_before = earlier_german(session, found, items)
    known = known_translations(session, region, asked.language, items)
    versions = earlier_texts(session, found, asked.language)
    rows = [
        _field_row(
            found,
            item,
            asked.language,
            typed,
            problems.get(item.field),
            german_before.get(item.field),
            known.get(item.field),
            versions.get(item.field, []),
        )
        for item in items
    ]
    orphans = [
        (field_label(found.entity, name), typed.get(f"text.{name}", ""))
        for name, problem in problems.items()
        if problem.code == "gone"
    ]
    can_draft = bool(current_portal().settings.translator_url) and bool(
        machine.wanting(found, asked.language)
    )
    values = asked.values()
    return render(
        "admin/translations_entry.html",
        status=status,
        found=found,
        kind=gettext(ENTITY_NAMES[found.entity]),
        asked=asked,
        language=language,
        language_name=language_name(asked.language),
        rows=rows,
        open_rows=[row for row in rows if row.state in OPEN_STATES],
        problems=[(row.name, row.label, row.error) for row in rows if row.error],
        orphans=orphans,
        can_draft=can_draft,
        list_url=url_for("admin.translations", **values),
        edit_url=_edit_url(found),
        action=url_for(
            "admin.translate_entry",
            language=asked.language,
            entity=found.entity,
            slug=found.slug,
            **asked.filters(),
        ),
        others=[
            (
                language_name(code),
                url_for("admin.translate_entry", language=code, entity=found.entity, slug=found.slug),
            )
            for code in _languages()
            if code != asked.language
        ],
    )


def _edit_url(found: Subject) -> str:
    endpoint = f"admin.edit_{found.entity}"
    return url_for(endpoint, slug=found.slug) if endpoint in current_app.view_functions else ""


def _field_row(
    found: Subject,
    item: Item,
    language: str,
    typed: Mapping[str, str],
    problem: Problem | None,
    german_before: str | None,
    suggestion: Suggestion | None,
    versions: Sequence[EntryVersion],
) -> FieldRow:
    was_sent = f"text.{item.field}" in typed
    text = typed.get(f"text.{item.field}", item.text)
    conflict = problem is not None and problem.code == "conflict"
    figures = mismatch(item.german, text, language) if text else None
    return FieldRow(
        item.field,
        field_label(found.entity, item.field),
        item.german,
        text,
        min(12, 1 + max(len(item.german), len(text)) // 55 + item.german.count("\n")),
        item.state,
        gettext(STATE_NAMES[item.state]),
        _STATE_TAGS[item.state],
        f"checked.{item.field}" in typed if was_sent else item.state == "checked",
        # After a conflict the page shows the new state, so the next save is made from that one.
        typed.get(f"seen.{item.field}", item.seen) if was_sent and not conflict else item.seen,
        problem_words(problem) if problem is not None else "",
        item.text if conflict else None,
        _figures_words(figures.missing, figures.extra) if figures and problem is None else "",
        tuple(word_pieces(german_before, item.german)) if german_before is not None else (),
        suggestion if suggestion is not None and suggestion.text != text else None,
        gettext(STATE_NAMES[suggestion.status]) if suggestion is not None else "",
        tuple(
            (
                version.number,
                str(version.record["text"]),
                moment(version.at),
                version.author_name or gettext("from the content files"),
            )
            for version in _other_texts(versions, item.text)
        ),
    )


def _other_texts(versions: Sequence[EntryVersion], current: str) -> list[EntryVersion]:
    """The newest of each text that differs from what stands there now; at most five."""
    found: dict[str, EntryVersion] = {}
    for version in versions:
        text = str(version.record["text"])
        if text != current:
            found.setdefault(text, version)
    return list(found.values())[:5]


# Out and back.


@needs(Permission.TRANSLATE)
def translation_exchange() -> Response:
    return _exchange_page()


def _exchange_page(error: str = "", *, status: int = 200) -> Response:
    asked = Asked.read()
    lines = _lines() if asked.language else []
    return render(
        "admin/translations_exchange.html",
        status=status,
        languages=[
            (
                code,
                language_name(code),
                sum(totals(lines, code)["all"][state] for state in OPEN_STATES),
            )
            for code in _languages()
        ],
        chosen=request.form.get("language", asked.language),
        error=error,
        largest=LARGEST_FILE // (1024 * 1024),
    )


def _headings() -> list[str]:
    return [
        gettext("ID (please leave as it is)"),
        gettext("Entry"),
        gettext("Field"),
        gettext("German"),
        gettext("Translation"),
        gettext("State"),
        gettext("Comment"),
    ]


def _state_words() -> dict[str, str]:
    return {state: gettext(name) for state, name in STATE_NAMES.items()}


@needs(Permission.TRANSLATE)
def export_translations() -> BaseResponse:
    languages = _languages()
    code = request.form.get("language", "")
    kind = request.form.get("format", "")
    if code not in languages or kind not in ("xliff", "xlsx"):
        abort(400)
    session, portal = current_session(), current_portal()
    region = portal.region.slug
    entity, slug = request.form.get("entity", ""), request.form.get("slug", "")
    entry = (entity, slug) if entity else None
    within = _within()
    if entry is not None and within is not None and entry not in within:
        abort(404)
    try:
        found = exchange.units(
            session,
            region,
            code,
            only="all" if request.form.get("only") == "all" else "open",
            entry=entry,
            may=within,
        )
    except UnknownText:
        abort(404)
    if not found:
        say(gettext("Nothing is missing or outdated in this language. So there is nothing to send."), "info")
        return redirect(url_for("admin.translation_exchange", language=code), code=303)
    right_to_left = languages[code].dir == "rtl"
    if kind == "xliff":
        body = xliff.write(found, region=region, language=code, right_to_left=right_to_left)
        content_type, ending = "application/xliff+xml", "xlf"
    else:
        body = xlsx.write(
            found,
            language=code,
            right_to_left=right_to_left,
            headings=_headings(),
            states=_state_words(),
            fields={unit.field: field_label(unit.entity, unit.field) for unit in found},
        )
        content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        ending = "xlsx"
    audit.record(
        session,
        "translation.exported",
        now=portal.now(),
        actor=me(),
        region=region,
        language=code,
        format=kind,
        texts=len(found),
    )
    session.commit()
    day = portal.now().astimezone(portal.timezone).date().isoformat()
    response = Response(body, content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="anlauf-{region}-{code}-{day}.{ending}"'
    return response


@needs(Permission.TRANSLATE)
def import_translations() -> BaseResponse:
    """First the dry run; then, with its digest, the real thing."""
    code = request.form.get("language", "")
    if code not in _languages():
        abort(400)
    session, portal = current_session(), current_portal()
    region = portal.region.slug
    upload = request.files.get("file")
    if upload is not None:
        body = upload.stream.read(LARGEST_FILE + 1)
        upload.close()
    else:
        body = _unpacked(request.form.get("content", ""))
    if not body:
        return _exchange_page(gettext("Please choose a file."), status=422)
    try:
        if len(body) > (LARGEST_FILE if upload is not None else _UNPACKED):
            raise exchange.FileProblem("too_large", "too large")
        incoming = _read(body, code)
    except exchange.FileProblem as problem:
        return _exchange_page(gettext(_FILE_WORDS[problem.code]) % problem.values, status=422)
    applies = request.form.get("do") == "apply"
    if applies:
        exchange.hold(session, region)
    planned = exchange.plan(session, region, code, incoming, may=_within())
    leave_out = "leave_out" in request.form
    faulty = len(planned.of("faulty"))
    if (
        applies
        and planned.digest == request.form.get("digest")
        and planned.writes
        and (leave_out or not faulty)
    ):
        written = exchange.apply(
            session, region, planned, author=me(), now=portal.now(), leave_out_faulty=leave_out
        )
        audit.record(
            session,
            "translation.imported",
            now=portal.now(),
            actor=me(),
            region=region,
            language=code,
            texts=written,
            left_out=faulty,
        )
        session.commit()
        say(ngettext("%(num)s text is taken over.", "%(num)s texts are taken over.", written))
        return redirect(url_for("admin.translations", language=code, state="any"), code=303)
    session.rollback()
    error = ""
    if applies and planned.digest != request.form.get("digest"):
        error = gettext("Something has changed meanwhile. Please look again before you take it over.")
    elif applies and faulty:
        error = gettext(
            "Some rows are faulty, so nothing was taken over. Tick that you want to leave them out."
        )
    return render(
        "admin/translations_import.html",
        status=422 if error else 200,
        code=code,
        language=_languages()[code],
        language_name=language_name(code),
        counts=planned.counts(),
        faulty=[
            (row.where, row.name, problem_words(row.problem) if row.problem else "", row.german, row.after)
            for row in planned.of("faulty")[:ROWS_SHOWN]
        ],
        writes=[
            (
                row.name,
                field_label(row.key[0], row.key[2]) if row.key else "",
                row.german,
                row.before,
                row.after,
                gettext(STATE_NAMES[row.status]),
            )
            for row in [*planned.of("new"), *planned.of("changed")][:ROWS_SHOWN]
        ],
        shown=ROWS_SHOWN,
        can_write=planned.writes,
        content=base64.b64encode(zlib.compress(body, 6)).decode("ascii"),
        digest=planned.digest,
        error=error,
    )


def _unpacked(text: str) -> bytes:
    """What the dry run put into its page."""
    try:
        packed = zlib.decompressobj()
        return packed.decompress(base64.b64decode(text, validate=True), _UNPACKED)
    except (binascii.Error, ValueError, zlib.error):
        return b""


def _read(body: bytes, code: str) -> list[exchange.Incoming]:
    if body.startswith(b"PK"):
        return xlsx.read(body, language=code, states=_state_words())
    if body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") or body[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return xliff.read(body, language=code)
    raise exchange.FileProblem("unknown", "neither XLIFF nor XLSX")
