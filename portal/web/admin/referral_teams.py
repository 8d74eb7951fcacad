"""Which organizations take referrals: their settings, who answers there, and how it goes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from flask import Blueprint, Response, abort, redirect, request, url_for
from sqlalchemy import func, select
from sqlmodel import col
from werkzeug.wrappers import Response as BaseResponse
from wtforms import BooleanField, Field, SelectMultipleField, StringField

from portal.accounts import audit, forms
from portal.accounts.models import Role, RoleGrant, User
from portal.accounts.permissions import Permission
from portal.catalogue.models import Organization, Service
from portal.catalogue.models import Status as EntryStatus
from portal.referral import counts, promise
from portal.referral.lifecycle import LIVE
from portal.referral.models import Outcome, Referral, Team
from portal.web.admin.guard import may_for_organization, me, needs, typed_before
from portal.web.admin.paging import short_date
from portal.web.admin.referral_page import tools_or_404
from portal.web.admin.referral_words import OUTCOMES
from portal.web.admin.rendering import render, say
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.public.presenting import language_name
from portal.web.security import PortalForm
from portal.web.texts import N_, gettext, ngettext

PROMISE_AT_MOST = 20
OPEN_AT_MOST = 999
MEASURED = timedelta(days=365)


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/referrals/teams", "referral_teams", teams)
    bp.add_url_rule("/referrals/teams/<uuid:organization_id>", "referral_team", team, methods=["GET", "POST"])


# -- all teams ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    here: bool
    """False for somebody who was invited and never signed in, or was shut out."""


@dataclass(frozen=True, slots=True)
class TeamLine:
    id: UUID
    name: str
    accepts: bool
    open: int
    people: int
    """Those who can answer."""
    problems: tuple[str, ...]


@needs(Permission.TEAMS)
def teams() -> Response:
    tools_or_404()
    lines = [_team_line(organization) for organization in _organizations()]
    return render(
        "admin/referral_teams.html",
        taking=[line for line in lines if line.accepts],
        others=[line for line in lines if not line.accepts],
        coordinates=me().may(Permission.WATCH),
    )


def _organizations() -> list[Organization]:
    """Those the one who is signed in may set up; what left the catalogue only as long as its team takes referrals."""
    found = current_session().execute(
        select(Organization)
        .outerjoin(Team, col(Team.organization_id) == col(Organization.id))
        .where(
            col(Organization.region) == current_portal().region.slug,
            (col(Organization.status) == EntryStatus.PUBLISHED.value) | col(Team.accepts),
        )
        .order_by(col(Organization.name))
    )
    return [one for one in found.scalars() if may_for_organization(one.id, Permission.TEAMS)]


def _team_line(organization: Organization) -> TeamLine:
    team, people = _team_of(organization.id), _people(organization.id)
    return TeamLine(
        organization.id,
        organization.name,
        team.accepts,
        _number_open(organization.id),
        sum(person.here for person in people),
        tuple(_problems(organization, team, people)) if team.accepts else (),
    )


def _team_of(organization_id: UUID) -> Team:
    """With what holds by default for one that was never set up."""
    found = current_session().get(Team, organization_id)
    return found or Team(
        organization_id=organization_id,
        region=current_portal().region.slug,
        changed_at=current_portal().now(),
    )


def _people(organization_id: UUID) -> list[Person]:
    of_team = select(col(RoleGrant.user_id)).where(
        col(RoleGrant.role) == Role.COUNSELLOR.value, col(RoleGrant.organization_id) == organization_id
    )
    rows = current_session().execute(select(User).where(col(User.id).in_(of_team)).order_by(col(User.name)))
    return [
        Person(user.name, user.disabled_at is None and user.password_hash is not None)
        for user in rows.scalars()
    ]


def _number_open(organization_id: UUID) -> int:
    found = current_session().execute(
        select(func.count())
        .select_from(Referral)
        .where(
            col(Referral.organization_id) == organization_id,
            col(Referral.status).in_([status.value for status in LIVE]),
        )
    )
    return found.scalar() or 0


def _problems(organization: Organization, team: Team, people: Sequence[Person]) -> list[str]:
    """Why a team that wants to take referrals gets none, or nobody answers them."""
    session, today = current_session(), _today()
    found = []
    if not any(person.here for person in people):
        found.append(
            gettext("Nobody can answer: no counsellor of this organization can sign in. So nothing is sent.")
        )
    published = session.execute(
        select(func.count())
        .select_from(Service)
        .where(
            col(Service.organization_id) == organization.id,
            col(Service.status) == EntryStatus.PUBLISHED.value,
        )
    ).scalar()
    if organization.status != EntryStatus.PUBLISHED or not published:
        found.append(gettext("No offer of this organization is public. So nobody can choose it."))
    if team.away_from and team.away_from <= today and (team.away_to is None or today <= team.away_to):
        found.append(
            gettext("Away until %(day)s.", day=short_date(team.away_to))
            if team.away_to
            else gettext("Away without an end.")
        )
    if team.open_at_most is not None and _number_open(organization.id) >= team.open_at_most:
        found.append(gettext("Full: as many referrals are open as you wanted at most."))
    fallback = session.get(Team, team.fallback_organization_id) if team.fallback_organization_id else None
    if team.fallback_organization_id and (fallback is None or not fallback.accepts):
        found.append(gettext("The team that stands in takes no referrals."))
    return found


def _today() -> date:
    return tools_or_404().days.today(current_portal().now())


# -- one team ----------------------------------------------------------------------------------------------------------


class TeamForm(PortalForm):
    accepts = BooleanField()
    email = StringField()
    promise_days = StringField()
    languages = SelectMultipleField(validate_choice=False)
    open_at_most = StringField()
    away_from = StringField()
    away_to = StringField()
    fallback = StringField()

    def read(self, organization_id: UUID) -> dict[str, Any]:
        """What was typed, as the team keeps it; what is wrong stands at the fields."""
        since, until = _day(self.away_from), _day(self.away_to)
        if until and not since:
            _wrong(self.away_from, gettext("Please enter the first day, too."))
        elif since and until and until < since:
            _wrong(self.away_to, gettext("The last day lies before the first one."))
        return {
            "accepts": bool(self.accepts.data),
            "email": _email(self.email),
            "promise_days": _number(self.promise_days, PROMISE_AT_MOST),
            "languages": [code for code in spoken() if code in (self.languages.data or ())],
            "open_at_most": _number(self.open_at_most, OPEN_AT_MOST, may_be_empty=True),
            "away_from": since,
            "away_to": until,
            "fallback_organization_id": _fallback(self.fallback, organization_id),
        }


def _wrong(field: Field, text: str) -> None:
    field.errors = [*field.errors, text]


def _email(field: Field) -> str | None:
    text = (field.data or "").strip()
    if not text:
        return None
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError:
        _wrong(field, gettext("This is no complete e-mail address. It looks like name@example.org."))
        return None


def _number(field: Field, at_most: int, *, may_be_empty: bool = False) -> int | None:
    text = (field.data or "").strip()
    if not text and may_be_empty:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0
    if not 1 <= number <= at_most:
        _wrong(field, gettext("Please enter a number from 1 to %(number)s.", number=at_most))
    return number


def _day(field: Field) -> date | None:
    text = (field.data or "").strip()
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
    except ValueError:
        found = date.min
    if not 1970 < found.year < 9999:
        _wrong(field, gettext("Please enter a day."))
        return None
    return found


def _fallback(field: Field, organization_id: UUID) -> UUID | None:
    chosen = field.data or ""
    if not chosen:
        return None
    found = next((id_ for id_, _name in _possible_fallbacks(organization_id) if str(id_) == chosen), None)
    if found is None:
        _wrong(field, gettext("Please choose a team from the list."))
    return found


def _possible_fallbacks(organization_id: UUID) -> list[tuple[UUID, str]]:
    """Other teams that take referrals, and the one that was chosen before."""
    session = current_session()
    before = _team_of(organization_id).fallback_organization_id
    rows = session.execute(
        select(col(Organization.id), col(Organization.name))
        .join(Team, col(Team.organization_id) == col(Organization.id))
        .where(
            col(Team.region) == current_portal().region.slug,
            col(Team.accepts) | (col(Organization.id) == before),
            col(Organization.id) != organization_id,
        )
        .order_by(col(Organization.name))
    )
    return [(id_, str(name)) for id_, name in rows]


def spoken() -> list[str]:
    """Languages that can be ticked: those of the public pages, without variants, and never German."""
    codes = dict.fromkeys(code.partition("-")[0] for code in current_portal().languages)
    return [code for code in codes if code != "de"]


@needs(Permission.TEAMS)
def team(organization_id: UUID) -> BaseResponse:
    tools_or_404()
    organization = current_session().get(Organization, organization_id)
    if (
        organization is None
        or organization.region != current_portal().region.slug
        or not may_for_organization(organization_id, Permission.TEAMS)
    ):
        abort(404)
    if request.method == "POST":
        return _save(organization)
    before = typed_before()
    form = (
        TeamForm(before) if before is not None else TeamForm(formdata=None, data=_as_typed(organization_id))
    )
    return _page(organization, form)


def _as_typed(organization_id: UUID) -> Mapping[str, Any]:
    kept = _team_of(organization_id)
    return {
        "accepts": kept.accepts,
        "email": kept.email or "",
        "promise_days": str(kept.promise_days),
        "languages": list(kept.languages),
        "open_at_most": "" if kept.open_at_most is None else str(kept.open_at_most),
        "away_from": kept.away_from.isoformat() if kept.away_from else "",
        "away_to": kept.away_to.isoformat() if kept.away_to else "",
        "fallback": str(kept.fallback_organization_id or ""),
    }


def _save(organization: Organization) -> BaseResponse:
    session, now = current_session(), current_portal().now()
    form = TeamForm()
    values = form.read(organization.id)
    if any(field.errors for field in form):
        return _page(organization, form, status=422)
    kept = _team_of(organization.id)
    changed = [name for name, value in values.items() if getattr(kept, name) != value]
    for name in changed:
        setattr(kept, name, values[name])
    kept.changed_at = now
    session.add(kept)
    forms.discard(session, me().user.id, request.path)
    if changed:
        audit.record(
            session,
            "team.saved",
            now=now,
            actor=me(),
            region=organization.region,
            entity="team",
            entity_id=organization.id,
            entity_name=organization.name,
            fields=changed,
        )
    session.commit()
    say(gettext("Saved."))
    return redirect(url_for("admin.referral_team", organization_id=organization.id), code=303)


def _page(organization: Organization, form: TeamForm, *, status: int = 200) -> Response:
    kept, people = _team_of(organization.id), _people(organization.id)
    return render(
        "admin/referral_team.html",
        status=status,
        name=organization.name,
        form=form,
        mistakes=[(field.id, " ".join(field.errors)) for field in form if field.errors],
        people=people,
        problems=_problems(organization, kept, people) if kept.accepts else (),
        spoken=sorted(
            ((code, language_name(code)) for code in spoken()), key=lambda pair: pair[1].casefold()
        ),
        fallbacks=[("", gettext("No team")), *_possible_fallbacks(organization.id)],
        open=_number_open(organization.id),
        groups=_figures(organization.id),
        median=_median(organization.id),
        median_from=promise.SHOWN_FROM_CASES,
        shown_from=counts.SHOWN_FROM,
        invites=me().may(Permission.USERS),
    )


# -- figures -----------------------------------------------------------------------------------------------------------

MEASURES: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (
    (
        N_("Requests"),
        (
            ("requested", N_("Arrived")),
            ("accepted", N_("Accepted")),
            ("rejected", N_("Refused, another desk fits better")),
            ("expired", N_("The consent ran out")),
        ),
    ),
    (
        N_("What came of it, as the team says"),
        (
            *((f"outcome:{outcome}", words) for outcome, words in OUTCOMES.items()),
            (f"outcome:{Outcome.PASSED_ON}", N_("Passed on to another desk")),
        ),
    ),
    (
        N_("Did it work? The young people say"),
        (("worked:yes", N_("Yes")), ("worked:partly", N_("Partly")), ("worked:no", N_("No"))),
    ),
)


def _figures(organization_id: UUID) -> list[tuple[str, list[tuple[str, str]]]]:
    """Of the last twelve months; a small number could point at somebody and is not told."""
    totals = counts.totals(
        current_session(), current_portal().region.slug, {organization_id}, since=_today() - MEASURED
    )
    found = totals.get(organization_id, Counter())
    few = gettext("fewer than %(number)s", number=counts.SHOWN_FROM)

    def told(measure: str) -> str:
        number = counts.shown(found.get(measure, 0))
        return few if number is None else str(number)

    return [
        (gettext(title), [(gettext(words), told(measure)) for measure, words in measures])
        for title, measures in MEASURES
    ]


def _median(organization_id: UUID) -> str:
    days = promise.kept_days(current_session(), current_portal().region.slug, organization_id, today=_today())
    if days is None:
        return ""
    whole = int(days) if days == int(days) else None
    if whole is not None:
        return ngettext("%(num)s working day", "%(num)s working days", whole)
    return gettext("%(days)s working days", days=f"{days:.1f}".replace(".", ","))
