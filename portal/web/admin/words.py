"""Words that were searched for in vain: a synonym is missing, an offer is missing, or neither."""

import re

from flask import Blueprint, Response, abort, redirect, request, url_for
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit
from portal.accounts.permissions import Permission
from portal.catalogue import miss_decisions, region_settings
from portal.catalogue.miss_decisions import AlreadyDecided
from portal.catalogue.region_settings import RegionChangeRefused
from portal.catalogue.search.analysis import LANGUAGES
from portal.web.admin.guard import me, needs, safe_path
from portal.web.admin.paging import Paging, short_date
from portal.web.admin.rendering import render, say
from portal.web.current import current_language, current_portal
from portal.web.database import current_session
from portal.web.public.presenting import language_name
from portal.web.texts import N_, gettext

SHOWN = {
    miss_decisions.OPEN: N_("Not decided yet"),
    "synonym": N_("Added as synonyms"),
    "missing": N_("An offer is missing"),
    "ignored": N_("Left aside"),
}
_ID = re.compile(r"\(([a-z][a-z0-9_]*)\)\s*$")


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/words", "search_misses", search_misses)
    bp.add_url_rule("/words/decide", "decide_miss", decide_miss, methods=["POST"])


def _for_the_county() -> None:
    if not me().powers.may_everywhere(Permission.EDIT):
        abort(403)


@needs(Permission.EDIT)
def search_misses() -> Response:
    _for_the_county()
    return _page(request.args.get("show", ""))


def _page(state: str, *, wrong: tuple[str, str] | None = None, status: int = 200) -> Response:
    """`wrong`: language and term of the row whose concept was not found."""
    session, region = current_session(), current_portal().region.slug
    state = state if state in SHOWN else miss_decisions.OPEN
    numbers = miss_decisions.numbers(session, region)
    paging = Paging.read(numbers[state])
    labels = concept_labels()
    return render(
        "admin/words.html",
        fragment="list",
        status=status,
        state=state,
        chips=[
            (gettext(label), url_for("admin.search_misses", show=name), numbers[name], name == state)
            for name, label in SHOWN.items()
        ],
        rows=[
            {
                "term": line.term,
                "lang": line.language,
                "language": language_name(line.language),
                "count": line.count,
                "since": short_date(line.first_day),
                "last": short_date(line.last_day),
                "concept": labels.get(line.concept or "", line.concept or ""),
                "wrong": wrong == (line.language, line.term),
                "typed": request.form.get("concept", "") if wrong == (line.language, line.term) else "",
            }
            for line in miss_decisions.listed(session, region, state, limit=paging.size, offset=paging.offset)
        ],
        concepts=sorted(labels.values(), key=str.casefold),
        paging=paging,
        back=request.full_path.rstrip("?") if request.method == "GET" else url_for("admin.search_misses"),
    )


def concept_labels() -> dict[str, str]:
    """Id → "Wohngeld (wohngeld)", with a mark at those that open the box for emergencies."""
    language = current_language().code
    found = {}
    for concept in current_portal().search.concepts:
        label = concept.label.get(language) or concept.label["de"]
        urgent = f", {gettext('opens “help now”')}" if concept.urgent else ""
        found[concept.id] = f"{label}{urgent} ({concept.id})"
    return found


def concept_of(typed: str) -> str | None:
    """Chosen from the list, or typed: its id, or the only concept with this name."""
    labels = concept_labels()
    match = _ID.search(typed)
    if match and match.group(1) in labels:
        return match.group(1)
    wanted = " ".join(typed.split()).casefold()
    if wanted in labels:
        return wanted
    same = [id_ for id_, label in labels.items() if label.rpartition(" (")[0].casefold() == wanted]
    return same[0] if len(same) == 1 else None


@needs(Permission.EDIT)
def decide_miss() -> BaseResponse:
    _for_the_county()
    session, portal = current_session(), current_portal()
    region, now = portal.region.slug, portal.now()
    language, term = request.form.get("language", "")[:20], request.form.get("term", "")[:100]
    decision = request.form.get("decision", "")
    concept = None
    if decision == "synonym":
        concept = concept_of(request.form.get("concept", ""))
        if concept is None:
            return _page(miss_decisions.OPEN, wrong=(language, term), status=422)
    elif decision not in ("missing", "ignored", "open"):
        abort(400)
    try:
        if decision == "open":
            before = miss_decisions.reopen(session, region, language, term)
            if before.decision == "synonym" and before.concept:
                region_settings.remove_word(
                    session, region, before.concept, _word_language(language), term, now=now
                )
            words = gettext("“%(term)s” waits for a decision again.", term=term)
        else:
            if concept is not None:
                region_settings.add_word(session, region, concept, _word_language(language), term, now=now)
            miss_decisions.decide(
                session, region, language, term, decision, concept=concept, by=me().user.id, now=now
            )
            words = {
                "synonym": gettext(
                    "“%(term)s” is now a synonym. In a moment the search knows it.", term=term
                ),
                "missing": gettext("Noted: an offer for “%(term)s” is missing.", term=term),
                "ignored": gettext("“%(term)s” is left aside.", term=term),
            }[decision]
    except (AlreadyDecided, IntegrityError):
        session.rollback()
        say(gettext("Somebody else has just decided about this word."), "info")
    except RegionChangeRefused:
        session.rollback()
        say(gettext("There are too many own synonyms. Please take some back."), "wrong")
    else:
        audit.record(
            session,
            "word.reopened" if decision == "open" else "word.decided",
            now=now,
            actor=me(),
            region=region,
            entity="search_miss",
            entity_name=term,
            decision=decision,
            concept=concept,
        )
        session.commit()
        say(words)
    return redirect(safe_path(request.form.get("back", "")) or url_for("admin.search_misses"), code=303)


def _word_language(language: str) -> str:
    """Of the word lists; what is searched for on a page in a language without any counts as German."""
    return language if language in LANGUAGES else "de"
