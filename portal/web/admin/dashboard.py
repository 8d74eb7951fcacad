"""What needs me today. Every number leads to the list that shows just these."""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Blueprint, Response, abort, redirect, url_for
from sqlalchemy import ColumnElement, func, select
from sqlmodel import col
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import forms
from portal.accounts.models import Letter
from portal.accounts.permissions import Permission
from portal.accounts.posting import GIVEN_UP_AFTER
from portal.catalogue import addresses_check, overview, proposals, quality, reports
from portal.catalogue.models import Proposal
from portal.catalogue.vocabulary import DANGER_KINDS
from portal.referral.queries import Pile
from portal.web.admin.failing_notices import failing_notices
from portal.web.admin.guard import me, needs
from portal.web.admin.lists import scope
from portal.web.admin.losing import Line, places_words
from portal.web.admin.paging import Paging
from portal.web.admin.reach import organizations_for, services_for
from portal.web.admin.referral_watch import waiting
from portal.web.admin.referral_words import PILES
from portal.web.admin.referrals import my_items
from portal.web.admin.rendering import area_of, render
from portal.web.admin.review import queue
from portal.web.admin.times import moment
from portal.web.admin.translations import is_counted, numbers_of_states
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.public import presenting
from portal.web.responses import wants_fragment
from portal.web.texts import N_, gettext

MOST_MISSES = 8
ANSWERS_SHOWN = timedelta(days=30)
"""How long an author reads here what became of a proposal."""


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/", "dashboard", dashboard)
    bp.add_url_rule("/letters", "letters", letters)


@dataclass(frozen=True, slots=True)
class Figure:
    number: int
    label: str
    url: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    figures: tuple[Figure, ...]
    """Only those that are not zero."""


@dataclass(frozen=True, slots=True)
class KeptLine:
    label: str
    url: str
    at: str


@dataclass(frozen=True, slots=True)
class ProposalLine:
    name: str
    state: str
    tag: str
    answer: str
    url: str


@needs(Permission.SIGN_IN)
def dashboard() -> BaseResponse:
    session, user = current_session(), me()
    if wants_fragment():
        return _languages_alone()
    sees = user.may(Permission.SEE_CATALOGUE)
    answers = user.may(Permission.REFERRALS) and current_portal().referrals is not None
    groups = [group for group in _groups() if group.figures] if sees else []
    if answers:
        groups = [group for group in (_referrals(),) if group.figures] + groups
    translates = user.may(Permission.TRANSLATE)
    counted = translates and is_counted()
    languages = _languages() if counted else ()
    misses = None
    if user.powers.may_everywhere(Permission.EDIT):
        misses = overview.open_misses(session, scope().region, limit=MOST_MISSES)
    if user.may(Permission.STATISTICS) and not (sees or translates or answers):
        return redirect(url_for("admin.statistics"), code=303)
    coming = "" if sees or translates or answers else _coming()
    dead_ends = _dead_ends() if sees else []
    kept = _kept()
    own = _own_proposals() if sees and not user.may(Permission.EDIT) else []
    return render(
        "admin/dashboard.html",
        user=user,
        sees=sees,
        groups=groups,
        dead_ends=dead_ends,
        coming=coming,
        kept=kept,
        proposals=own,
        misses=misses,
        language_name=presenting.language_name,
        languages=languages,
        languages_wait=translates and not counted,
        all_translated=False,
        done=not groups
        and not dead_ends
        and not kept
        and not languages
        and not (misses and misses.total)
        and (counted or not translates),
    )


def _coming() -> str:
    """For whom there is nothing to do yet."""
    if me().may(Permission.REFERRALS):
        return gettext(
            "What you pass on to other offices will stand here. Until then the public pages show you every offer."
        )
    return gettext("You have no role yet. Please ask whoever invited you.")


def _referrals() -> Group:
    """What waits for the teams of the one who is signed in."""
    numbers = Counter(item.pile for item in my_items())
    inbox = url_for("admin.referrals")
    return Group(
        gettext("Referrals"),
        tuple(
            Figure(numbers[pile], gettext(PILES[pile][0]), f"{inbox}#{pile}", gettext(PILES[pile][1]))
            for pile in (Pile.OVERDUE, Pile.NEW, Pile.ANSWERED)
            if numbers[pile]
        ),
    )


def _dead_ends() -> list[Line]:
    """Kinds of contact and places for which the questionnaire has nobody to name; counted once for each revision."""
    catalogue = current_portal().catalogue
    reach: quality.Reach = catalogue.cached(("reach", catalogue.today), lambda: quality.reach(catalogue))
    places: dict[str, list[str]] = {}
    for kind, place in reach.dead:
        places.setdefault(kind, []).append(place)
    return [
        Line(presenting.term_label("contact_kinds", kind), places_words(tuple(found)), kind in DANGER_KINDS)
        for kind, found in sorted(places.items(), key=lambda pair: pair[0] not in DANGER_KINDS)
    ]


def _languages_alone() -> Response:
    """The page asks for them again until they are counted."""
    if not me().may(Permission.TRANSLATE):
        abort(403)
    counted = is_counted()
    return render(
        "admin/dashboard.html",
        fragment="translations",
        languages=_languages() if counted else (),
        languages_wait=not counted,
        all_translated=counted,
    )


def _languages() -> tuple[Figure, ...]:
    found = []
    for code, states in numbers_of_states().items():
        name = presenting.language_name(code)
        for state, words, why in (
            ("missing", gettext("Not translated: %(language)s", language=name), ""),
            (
                "outdated",
                gettext("Outdated: %(language)s", language=name),
                gettext("The German text has changed since."),
            ),
        ):
            url = url_for("admin.translations", language=code, state=state)
            found.append(Figure(states[state], words, url, why))
    return tuple(figure for figure in found if figure.number)


def _groups() -> list[Group]:
    session, user = current_session(), me()
    edits = user.may(Permission.EDIT)
    # Whoever may change entries is told of those; an editor of all that belong to the own organization.
    found = overview.figures(session, scope(Permission.EDIT if edits else Permission.SEE_CATALOGUE))
    region = scope().region

    def listed(attention: str, state: str = "published") -> str:
        return url_for("admin.services", attention=attention, state=state)

    people: list[Figure] = []
    if user.may(Permission.WATCH) and current_portal().referrals is not None:
        people.append(
            Figure(
                len(waiting()),
                gettext("Referrals that need you"),
                url_for("admin.referral_watch"),
                gettext("Nobody answers, or nobody knows the right desk."),
            )
        )
    if edits:
        people += [
            Figure(
                len(queue()),
                gettext("To review"),
                url_for("admin.review"),
                gettext("Somebody proposed a change and waits for an answer."),
            ),
            Figure(
                reports.number(session, region, conditions=_reach()),
                gettext("Reported by visitors"),
                url_for("admin.reports"),
                gettext("Somebody stood before a closed door, or called in vain."),
            ),
        ]
    trust = [
        Figure(
            found.due,
            gettext("To be confirmed"),
            url_for("admin.confirmations") if edits else listed("due"),
            gettext("Nobody has said for a long time that this is still right."),
        ),
        Figure(
            found.never,
            gettext("Never confirmed"),
            listed("never"),
            gettext("“Ask again on …” today, and their offices get a mail.")
            if edits
            else gettext("Nobody has ever said that this is right."),
        ),
        Figure(
            sum(
                addresses_check.numbers_broken(
                    session, region, organizations=organizations_for(Permission.SEE_CATALOGUE)
                ).values()
            ),
            gettext("Dead addresses"),
            url_for("admin.links"),
            gettext("Web pages, mailboxes and numbers that lead nowhere."),
        ),
        Figure(
            found.ends_soon,
            gettext("Funding ends in 90 days"),
            listed("ends_soon"),
            gettext("They disappear by themselves unless you enter a new day."),
        ),
    ]
    gaps = [
        Figure(
            found.no_phone, gettext("Without phone"), listed("no_phone"), gettext("Nobody can call there.")
        ),
        Figure(
            found.no_hours,
            gettext("Without hours"),
            listed("no_hours"),
            gettext("Nobody knows when somebody is there."),
        ),
        Figure(
            found.drafts,
            gettext("Drafts"),
            url_for("admin.services", state="draft"),
            gettext("The public does not see them yet."),
        ),
    ]
    machine = []
    if user.may(Permission.WATCH):
        machine.append(
            Figure(
                _number_of_failing() + len(failing_notices()),
                gettext("Mails that do not go out"),
                url_for("admin.letters"),
                gettext("Somebody waits for a mail."),
            )
        )
    return [
        Group(gettext(title), tuple(figure for figure in figures if figure.number))
        for title, figures in (
            (N_("People wait for an answer"), people),
            (N_("Is it still right?"), trust),
            (N_("What is missing"), gaps),
            (N_("Technology"), machine),
        )
    ]


def _reach() -> list[ColumnElement[bool]]:
    return services_for(Permission.EDIT)


_ENTRY_PAGE = re.compile(r"/admin/(service|organization|location)s/([a-z0-9-]+)")


def _kept() -> list[KeptLine]:
    """Forms that were typed and not saved, called by their entry where it has a name."""
    session = current_session()
    found = []
    for form in forms.all_kept(session, me().user.id):
        page = _ENTRY_PAGE.fullmatch(form.path)
        label = area_of(form.path)
        if page and page[2] == "new":
            label = gettext("A new entry")
        elif page:
            names = overview.names(session, scope().region, page[1], [page[2]])
            label = names.get(page[2], page[2])
        found.append(KeptLine(label, form.path, moment(form.kept_at)))
    return found


_STATES = {
    "draft": (N_("Not sent yet"), "wait"),
    "in_review": (N_("Waits for a coordinator"), "wait"),
    "accepted": (N_("Taken over"), "open"),
    "rejected": (N_("Not taken over"), "bad-tag"),
}


def _own_proposals() -> list[ProposalLine]:
    session, now = current_session(), current_portal().now()
    found = []
    for proposal in proposals.of_author(session, scope().region, me().user.id):
        if proposal.state not in _STATES or _is_past(proposal, now - ANSWERS_SHOWN):
            continue
        words, tag = _STATES[proposal.state]
        known = overview.names(session, proposal.region, proposal.entity, [proposal.slug])
        found.append(
            ProposalLine(
                str(proposal.record.get("name") or proposal.slug),
                gettext(words),
                tag,
                proposal.decision_comment,
                url_for(f"admin.edit_{proposal.entity}", slug=proposal.slug) if known else "",
            )
        )
    return found


def _is_past(proposal: Proposal, limit: datetime) -> bool:
    return proposal.decided_at is not None and proposal.decided_at < limit


# Mails that fail.


def _failing() -> list[ColumnElement[bool]]:
    """Tried at least once and not out yet; also those that were given up."""
    return [col(Letter.sent_at).is_(None), col(Letter.tries) > 0, col(Letter.failure).is_not(None)]


def _number_of_failing() -> int:
    """Only administrators see those to the people who sign in."""
    if not me().may(Permission.USERS):
        return 0
    return (
        current_session().execute(select(func.count()).select_from(Letter).where(*_failing())).scalar() or 0
    )


@needs(Permission.WATCH)
def letters() -> Response:
    """Without their text: links in it open things. Before them what concerns referrals."""
    number = _number_of_failing()
    paging = Paging.read(number)
    rows = (
        current_session()
        .execute(
            select(Letter)
            .where(*_failing())
            .order_by(col(Letter.written_at))
            .limit(paging.size if number else 0)
            .offset(paging.offset)
        )
        .scalars()
    )
    notices = () if paging.offset else failing_notices()
    return render(
        "admin/dashboard_letters.html",
        paging=paging,
        rows=[
            {
                "recipient": mail.recipient,
                "subject": mail.subject,
                "written": moment(mail.written_at),
                "tries": mail.tries,
                "failure": mail.failure,
                "next": moment(mail.next_try_at) if mail.tries < GIVEN_UP_AFTER else "",
            }
            for mail in (*notices, *rows)
        ],
    )
