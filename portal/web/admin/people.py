"""Who may sign in: invite, roles, shut out, help those who lost their phone."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from flask import Blueprint, Response, abort, current_app, redirect, request, url_for
from sqlalchemy import func, or_, select
from sqlmodel import col
from werkzeug.wrappers import Response as BaseResponse
from wtforms import StringField

from portal.accounts import audit, forms, users
from portal.accounts.errors import EmailTaken, LastAdministrator
from portal.accounts.models import Role, TokenPurpose, User
from portal.accounts.permissions import Grant, Permission, Powers
from portal.catalogue import models
from portal.web.admin.account import LONGEST_NAME, languages
from portal.web.admin.guard import me, needs, recently_confirmed, typed_before
from portal.web.admin.letters import Letters
from portal.web.admin.rendering import render, say
from portal.web.admin.times import moment
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.languages import ADMIN_LANGUAGES
from portal.web.security import PortalForm
from portal.web.texts import gettext

OF_ONE_ORGANIZATION = (Role.EDITOR, Role.COUNSELLOR)


def register(bp: Blueprint) -> None:
    add = bp.add_url_rule
    add("/people", "people", people)
    add("/people/invite", "invite", invite, methods=["GET", "POST"])
    add("/people/<uuid:user_id>", "person", person, methods=["GET", "POST"])
    add("/people/<uuid:user_id>/roles", "person_roles", person_roles, methods=["GET", "POST"])
    add("/people/<uuid:user_id>/invitation", "invite_again", invite_again, methods=["POST"])
    add("/people/<uuid:user_id>/access", "person_access", person_access, methods=["POST"])
    add(
        "/people/<uuid:user_id>/second-factor", "person_second_factor", person_second_factor, methods=["POST"]
    )


# Words.


def role_names() -> dict[Role, str]:
    return {
        Role.ADMINISTRATOR: gettext("Administrator"),
        Role.COORDINATOR: gettext("Coordinator"),
        Role.EDITOR: gettext("Editor of an organization"),
        Role.COUNSELLOR: gettext("Counsellor"),
        Role.READER: gettext("Statistics only"),
    }


def role_hints() -> dict[Role, str]:
    return {
        Role.ADMINISTRATOR: gettext("May do everything, also let others in and shut them out."),
        Role.COORDINATOR: gettext("Keeps all offers of an area and checks what organizations propose."),
        Role.EDITOR: gettext(
            "Proposes changes of the offers of one organization. A coordinator checks them."
        ),
        Role.COUNSELLOR: gettext("Answers requests to one organization."),
        Role.READER: gettext("Sees numbers, no entries."),
    }


def state_of(user: User, *, has_second_factor: bool) -> tuple[str, str]:
    """Kind and words."""
    if user.disabled_at is not None:
        return "off", gettext("No access")
    if user.password_hash is None:
        return "invited", gettext("Invited, not here yet")
    if has_second_factor:
        return "safe", gettext("Password and second factor")
    return "plain", gettext("Password only")


def areas() -> list[tuple[str, str]]:
    """Areas a role can be limited to: everything, the county, its municipalities."""
    portal = current_portal()
    county = portal.region.county_area
    rows = current_session().execute(
        select(col(models.Place.ags), func.min(col(models.Place.name)))
        .where(col(models.Place.region) == portal.region.slug, col(models.Place.ags).startswith(county))
        .group_by(col(models.Place.ags))
        .order_by(func.min(col(models.Place.name)))
    )
    found = [(str(ags), str(name)) for ags, name in rows]
    every = [("", gettext("Everywhere")), (county, portal.region.name), *found]
    return [
        (area, name)
        for area, name in every
        if users.may_grant(my_grants(), Grant(Role.COORDINATOR, area), county=county)
    ]


@dataclass(frozen=True, slots=True)
class Named:
    """A role of somebody, in words."""

    grant: Grant
    role: str
    where: str
    key: str
    """Value in forms."""


def in_words(grants: Iterable[Grant]) -> list[Named]:
    """For one region and few grants; a list of many people uses `_organization_names` once."""
    grants = tuple(grants)
    return _named(grants, _organization_names(grants), dict(areas()))


def _named(
    grants: Iterable[Grant], organizations: dict[UUID, str], area_names: dict[str, str]
) -> list[Named]:
    names = role_names()
    return [
        Named(
            grant,
            names[grant.role],
            organizations.get(grant.organization_id, gettext("another region"))
            if grant.organization_id
            else area_names.get(grant.area, grant.area or gettext("Everywhere")),
            f"{grant.role.value}|{grant.area}|{grant.organization_id or ''}",
        )
        for grant in grants
    ]


def _organization_names(grants: Iterable[Grant]) -> dict[UUID, str]:
    ids = {grant.organization_id for grant in grants if grant.organization_id}
    if not ids:
        return {}
    rows = current_session().execute(
        select(col(models.Organization.id), col(models.Organization.name)).where(
            col(models.Organization.id).in_(ids)
        )
    )
    return {id_: str(name) for id_, name in rows}


# Whom may I change?


def my_grants() -> tuple[Grant, ...]:
    return me().powers.grants


def county() -> str:
    return current_portal().region.county_area


def is_mine(user: User, grants: Iterable[Grant]) -> bool:
    return users.may_administer(my_grants(), grants, county=county())


def person_or_404(user_id: UUID) -> User:
    """Somebody whose account I may change; whoever may do more than I is not there."""
    session = current_session()
    user = session.get(User, user_id)
    if user is None or not is_mine(user, users.grants_of(session, user.id)):
        abort(404)
    return user


# The list.


@needs(Permission.USERS)
def people() -> Response:
    query = " ".join(request.args.get("q", "").split())[:100]
    found = [
        one
        for one in users.listed(current_session())
        if (not one.grants or Powers.of(one.grants, county=county()).grants)
        and query.casefold() in f"{one.user.name} {one.user.email}".casefold()
    ]
    organizations = _organization_names(grant for one in found for grant in one.grants)
    area_names = dict(areas())
    rows = [
        {
            "user": one.user,
            "roles": _named(one.grants, organizations, area_names),
            "state": state_of(one.user, has_second_factor=one.has_second_factor),
            "last": moment(one.user.last_sign_in_at),
            "mine": is_mine(one.user, one.grants),
        }
        for one in found
    ]
    return render("admin/people.html", fragment="people", rows=rows, query=query)


# Inviting.


class GrantForm(PortalForm):
    role = StringField()
    area = StringField()
    organization = StringField()

    def to_grant(self) -> Grant | None:
        """None when something does not fit; then it stands at the field."""
        try:
            role = Role(self.role.data or "")
        except ValueError:
            self.role.errors = [gettext("Please choose a role.")]
            return None
        if role in OF_ONE_ORGANIZATION:
            id_ = organization_id(self.organization.data or "")
            if id_ is None:
                self.organization.errors = [
                    gettext("This role is for one organization. Please choose it from the list.")
                ]
                return None
            grant = Grant(role, organization_id=id_)
        else:
            area = self.area.data or ""
            if area not in dict(areas()):
                self.area.errors = [gettext("Please choose an area from the list.")]
                return None
            grant = Grant(role, area=area)
        if not users.may_grant(my_grants(), grant, county=county()):
            self.role.errors = [gettext("You may not give this role, because yours does not reach that far.")]
            return None
        return grant


def organization_id(text: str) -> UUID | None:
    """By name or slug, in this region; None when there is none, or more than one of that name."""
    wanted = " ".join(text.split())
    if not wanted:
        return None
    rows = (
        current_session()
        .execute(
            select(col(models.Organization.id))
            .where(
                col(models.Organization.region) == current_portal().region.slug,
                or_(col(models.Organization.slug) == wanted, col(models.Organization.name) == wanted),
            )
            .limit(2)
        )
        .scalars()
        .all()
    )
    return rows[0] if len(rows) == 1 else None


def organization_choices() -> list[tuple[str, str]]:
    """Slug and name; archived ones are left out."""
    rows = current_session().execute(
        select(col(models.Organization.slug), col(models.Organization.name))
        .where(
            col(models.Organization.region) == current_portal().region.slug,
            col(models.Organization.archived_at).is_(None),
        )
        .order_by(col(models.Organization.name))
    )
    return [(str(slug), str(name)) for slug, name in rows]


class InviteForm(GrantForm):
    email = StringField()
    name = StringField()
    language = StringField(default="de")


def checked_email(field: StringField) -> str:
    """Empty when it is none; then it stands at the field."""
    try:
        return validate_email((field.data or "").strip(), check_deliverability=False).normalized
    except EmailNotValidError:
        field.errors = [gettext("This is no complete e-mail address. It looks like name@example.org.")]
        return ""


def checked_name(field: StringField) -> str:
    name = " ".join((field.data or "").split())
    if not name or len(name) > LONGEST_NAME:
        field.errors = [gettext("Please enter the name, as colleagues know it.")]
        return ""
    return name


@needs(Permission.USERS)
@recently_confirmed
def invite() -> BaseResponse:
    if request.method == "GET":
        before = typed_before()
        form = InviteForm(before)
        if before is None:
            form.area.data = county()  # "Everywhere" is for those who mean it.
        return _invite_page(form)
    form = InviteForm()
    email, name, grant = checked_email(form.email), checked_name(form.name), form.to_grant()
    if form.language.data not in ADMIN_LANGUAGES:
        form.language.errors = [gettext("Please choose a language.")]
    if form.errors or grant is None:
        return _invite_page(form, status=422)
    session, now, letters = current_session(), current_portal().now(), _letters()
    try:
        user, token = users.invite(
            session, email=email, name=name, grants=[grant], now=now, language=form.language.data or "de"
        )
    except EmailTaken:
        session.rollback()
        form.email.errors = [gettext("Somebody with this address is in the list already.")]
        return _invite_page(form, status=422)
    letters.invite(session, user, token, now=now)
    forms.discard(session, me().user.id, request.path)
    _record("user.invited", user, role=grant.role.value)
    session.commit()
    letters.deliver_soon()
    say(gettext("The invitation to %(name)s is on its way. The link holds for seven days.", name=user.name))
    return redirect(url_for("admin.person", user_id=user.id), code=303)


def _invite_page(form: InviteForm, *, status: int = 200) -> Response:
    return render("admin/people_invite.html", form=form, status=status, languages=languages(), **_choices())


def _choices() -> dict[str, Any]:
    hints = role_hints()
    return {
        "roles": [
            ("", gettext("Please choose")),
            *((role.value, name) for role, name in role_names().items()),
        ],
        "hints": [(name, hints[role]) for role, name in role_names().items()],
        "areas": areas(),
        "organizations": organization_choices(),
    }


# One person.


class PersonForm(PortalForm):
    name = StringField()
    email = StringField()
    language = StringField()


@needs(Permission.USERS)
def person(user_id: UUID) -> BaseResponse:
    user = person_or_404(user_id)
    if request.method == "GET":
        return _person_page(user, PersonForm(typed_before(), obj=user))
    return _save_person(user)


@recently_confirmed
def _save_person(user: User) -> BaseResponse:
    form = PersonForm()
    email, name = checked_email(form.email), checked_name(form.name)
    if form.language.data not in ADMIN_LANGUAGES:
        form.language.errors = [gettext("Please choose a language.")]
    if form.errors:
        return _person_page(user, form, status=422)
    session, now, letters = current_session(), current_portal().now(), _letters()
    try:
        before = users.set_email(session, user, email)
    except EmailTaken:
        session.rollback()
        form.email.errors = [gettext("Somebody with this address is in the list already.")]
        return _person_page(user, form, status=422)
    changed = [
        field
        for field, value in (("name", name), ("language", form.language.data))
        if getattr(user, field) != value
    ]
    user.name, user.language = name, form.language.data or "de"
    if before != user.email:
        changed.append("email")
        for recipient in (before, user.email):
            letters.changed(session, user, "email", now=now, recipient=recipient)
    forms.discard(session, me().user.id, request.path)
    _record("user.saved", user, fields=changed)
    session.commit()
    letters.deliver_soon()
    say(gettext("Saved."))
    return redirect(url_for("admin.person", user_id=user.id), code=303)


def _person_page(
    user: User, form: PersonForm, *, roles: GrantForm | None = None, status: int = 200
) -> Response:
    session = current_session()
    with session.no_autoflush:
        grants = users.grants_of(session, user.id)
        safe = users.has_second_factor(session, user)
    return render(
        "admin/people_person.html",
        form=form,
        grant_form=roles or GrantForm(formdata=None, data={"area": county()}),
        status=status,
        user=user,
        title=user.name,
        state=state_of(user, has_second_factor=safe),
        safe=safe,
        last=moment(user.last_sign_in_at),
        created=moment(user.created_at),
        grants=in_words(grants),
        myself=user.id == me().user.id,
        languages=languages(),
        **_choices(),
    )


@needs(Permission.USERS)
@recently_confirmed
def person_roles(user_id: UUID) -> BaseResponse:
    """Give a role, or with `remove` take one away. Looked at, it is the person's page."""
    user = person_or_404(user_id)
    if request.method == "GET":
        return redirect(url_for("admin.person", user_id=user.id), code=303)
    session, now = current_session(), current_portal().now()
    grants = list(users.grants_of(session, user.id))
    removed = request.form.get("remove")
    if removed is not None:
        left = [named.grant for named in in_words(grants) if named.key != removed]
        action, role = "user.role_taken", removed.partition("|")[0]
    else:
        form = GrantForm()
        grant = form.to_grant()
        if grant is None:
            return _person_page(user, PersonForm(formdata=None, obj=user), roles=form, status=422)
        left = [*grants, grant]
        action, role = "user.role_given", grant.role.value
    if user.id == me().user.id and not Powers.of(left, county=county()).may(Permission.USERS):
        return _refused(
            user, gettext("You would shut yourself out. Somebody else has to take this role from you.")
        )
    try:
        users.set_grants(session, user, left, now=now)
    except LastAdministrator:
        session.rollback()
        return _refused(user, last_administrator())
    _record(action, user, role=role)
    session.commit()
    say(gettext("Saved."))
    return redirect(url_for("admin.person", user_id=user.id), code=303)


def last_administrator() -> str:
    return gettext(
        "This is the last administrator. Somebody has to be left who can let others in: make somebody else administrator first."
    )


def _refused(user: User, text: str) -> BaseResponse:
    say(text, "wrong")
    return redirect(url_for("admin.person", user_id=user.id), code=303)


@needs(Permission.USERS)
@recently_confirmed
def invite_again(user_id: UUID) -> BaseResponse:
    user = person_or_404(user_id)
    if user.password_hash is not None or user.disabled_at is not None:
        return _refused(user, gettext("Only somebody who is invited and not here yet gets a new invitation."))
    session, now, letters = current_session(), current_portal().now(), _letters()
    token = users.issue_token(session, user, TokenPurpose.INVITATION, now=now)
    letters.invite(session, user, token, now=now)
    _record("user.invited", user)
    session.commit()
    letters.deliver_soon()
    say(gettext("The invitation to %(name)s is on its way. The link holds for seven days.", name=user.name))
    return redirect(url_for("admin.person", user_id=user.id), code=303)


@needs(Permission.USERS)
@recently_confirmed
def person_access(user_id: UUID) -> BaseResponse:
    """Shut out, or let in again."""
    user = person_or_404(user_id)
    session, now = current_session(), current_portal().now()
    if request.form.get("access") == "on":
        users.enable(session, user)
        _record("user.enabled", user)
        session.commit()
        say(gettext("%(name)s can sign in again.", name=user.name))
        return redirect(url_for("admin.person", user_id=user.id), code=303)
    if user.id == me().user.id:
        return _refused(user, gettext("You cannot shut yourself out. Somebody else has to do it."))
    try:
        users.disable(session, user, now=now)
    except LastAdministrator:
        session.rollback()
        return _refused(user, last_administrator())
    _record("user.disabled", user)
    session.commit()
    say(gettext("%(name)s can no longer sign in. All sessions have ended.", name=user.name))
    return redirect(url_for("admin.person", user_id=user.id), code=303)


@needs(Permission.USERS)
@recently_confirmed
def person_second_factor(user_id: UUID) -> BaseResponse:
    """Take away all second factors of somebody who lost phone and codes."""
    user = person_or_404(user_id)
    if user.id == me().user.id:
        return redirect(url_for("admin.security"), code=303)
    session, now, letters = current_session(), current_portal().now(), _letters()
    users.remove_second_factors(session, user, now=now)
    letters.changed(session, user, "second_factor_reset", now=now)
    _record("user.second_factor_reset", user)
    session.commit()
    letters.deliver_soon()
    say(
        gettext(
            "The second factor of %(name)s is gone, and all sessions have ended. At the next sign-in a new one is set up.",
            name=user.name,
        )
    )
    return redirect(url_for("admin.person", user_id=user.id), code=303)


def _record(action: str, user: User, **details: Any) -> None:
    audit.record(
        current_session(),
        action,
        now=current_portal().now(),
        actor=me(),
        entity="user",
        entity_id=user.id,
        entity_name=user.name,
        **details,
    )


def _letters() -> Letters:
    found: Letters = current_app.extensions["letters"]
    return found
