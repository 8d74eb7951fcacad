"""Who is asking, what they may do, and what happens when they may not.

Nothing is open by default: a view that names neither a permission nor `open_to_all` answers 403.
"""

import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlsplit
from uuid import UUID

from flask import Flask, Response, abort, current_app, g, redirect, request, url_for
from flask import session as cookie_session
from flask_login import current_user, login_user, logout_user
from werkzeug.datastructures import MultiDict
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import forms, users
from portal.accounts.models import Role, SignIn, User
from portal.accounts.permissions import Permission, Powers
from portal.catalogue import models
from portal.web.current import current_portal
from portal.web.database import current_session
from portal.web.security import bind_session, check_token, is_from_elsewhere

RECENT = timedelta(minutes=15)
KEEPS = "admin.keep_form"
"""Endpoint that pages send what is being typed to."""
BESIDE = {"admin.meter"}
"""Endpoints that answer beside a form while somebody types: these must never take the page away."""
_UNKEPT = re.compile(r"form_page|csrf_token|credential|code|recovery_code|token|(.+_)?password(_.+)?")
"""Names of fields that are never kept."""

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(slots=True)
class SignedIn:
    """The user of a request, as Flask-Login knows it."""

    user: User
    sign_in: SignIn
    token: str
    powers: Powers

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        return self.token

    @property
    def id(self) -> UUID | None:
        return self.user.id

    @property
    def name(self) -> str:
        return self.user.name

    def may(self, permission: str) -> bool:
        return self.powers.may(Permission(permission))

    @property
    def lacks_second_factor(self) -> bool:
        """The settings ask for one and this sign-in had none: only the own account is open until it is set up."""
        return self.must_have_second_factor and not self.sign_in.second_factor

    @property
    def must_have_second_factor(self) -> bool:
        wanted = current_portal().settings.second_factor
        return wanted == "everybody" or (
            wanted == "administrators" and Role.ADMINISTRATOR in self.powers.roles
        )


def load(token: str) -> SignedIn | None:
    """For Flask-Login."""
    portal = current_portal()
    session = current_session()
    now = portal.now()
    found = users.active_sign_in(session, token, now=now)
    if found is None:
        return None
    sign_in, user = found
    if users.seen(session, sign_in, now=now):
        session.commit()
    powers = Powers.of(users.grants_of(session, user.id), county=portal.region.county_area)
    return SignedIn(user, sign_in, token, powers)


def me() -> SignedIn:
    """The user of this request; 401 turns into the sign-in page."""
    user = current_user._get_current_object()
    if not isinstance(user, SignedIn):
        abort(401)
    return user


def somebody() -> SignedIn | None:
    user = current_user._get_current_object()
    return user if isinstance(user, SignedIn) else None


def language_of_user() -> str:
    user = somebody()
    return user.user.language if user else ""


def needs(permission: Permission) -> Callable[[View], View]:
    """For views: only for those who may do this, for at least something."""

    def mark(view: View) -> View:
        view.needs = permission  # type: ignore[attr-defined]
        return view

    return mark


def open_to_all(view: View) -> View:
    """For the few views that are there before the sign-in."""
    view.needs = None  # type: ignore[attr-defined]
    return view


def without_second_factor(view: View) -> View:
    """For views that set one up: open although the second factor is still missing."""
    view.before_second_factor = True  # type: ignore[attr-defined]
    return view


def recently_confirmed(view: View) -> View:
    """For changes of the account itself: the password must have been given within the last quarter of an hour."""

    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        if current_portal().now() - me().sign_in.confirmed_at > RECENT:
            if request.method != "GET":
                keep_typed()
            cookie_session["after"] = (
                request.full_path.rstrip("?") if request.method == "GET" else form_page()
            )
            return redirect(url_for("admin.confirm_password"), code=303)
        return view(*args, **kwargs)

    return checked  # type: ignore[return-value]


def install(app: Flask) -> None:
    @app.before_request
    def guard() -> BaseResponse | None:
        if request.method == "HEAD":
            # Views ask for GET, and take everything else for something that was sent; this only looks.
            request.method = "GET"
        bind_session(lambda: secrets.token_urlsafe(9))
        if request.endpoint is None or request.endpoint == "static":
            return None
        view = current_app.view_functions[request.endpoint]
        if not hasattr(view, "needs"):
            abort(403)
        permission: Permission | None = view.needs
        if permission is not None:
            refused = _refused(view, permission)
            if refused is not None:
                return refused
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            check_token(request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", ""))
        if any("\0" in text for text in _everything_sent()):
            abort(400)  # No browser sends it, and PostgreSQL cannot keep it.
        return None


def _everything_sent() -> Iterator[str]:
    yield from (str(value) for value in (request.view_args or {}).values())
    for values in (request.args, request.form):
        for name, value in values.items(multi=True):
            yield name
            yield value
    for file in request.files.values():
        yield file.filename or ""


def _refused(view: Any, permission: Permission) -> BaseResponse | None:
    user = somebody()
    if user is None:
        return _to_sign_in()
    if not user.powers.may(permission) and permission is not Permission.SIGN_IN:
        abort(403)
    if user.lacks_second_factor and not hasattr(view, "before_second_factor"):
        return redirect(url_for("admin.security"), code=303)
    return None


def _to_sign_in() -> BaseResponse:
    """What was sent is kept for the one whose session ran out; after the sign-in it stands in the form again."""
    if request.method not in ("GET", "HEAD"):
        cookie_session["typed"] = keep_typed()
    cookie_session["after"] = (
        request.full_path.rstrip("?") if request.method == "GET" and not is_htmx() else form_page()
    )
    target = url_for("admin.sign_in")
    if is_htmx() and request.endpoint in BESIDE:
        return Response(status=204)
    if is_htmx():
        response = Response(status=204)
        response.headers["HX-Redirect"] = target
        return response
    return redirect(target, code=303)


def is_htmx() -> bool:
    return request.headers.get("HX-Request") == "true"


def form_page() -> str:
    """Address of the page with the form that was sent: our forms post to the address they stand on, or name it."""
    named = request.form.get("form_page", "") or _split(request.headers.get("HX-Current-URL", "")).path
    return safe_path(named) or request.path


def safe_path(path: str) -> str:
    """The path when it leads to an admin page of ours; empty otherwise (no open redirect)."""
    parts = _split(path)
    inside = parts.path == "/admin" or parts.path.startswith("/admin/")
    # Browsers go up for ".." before they ask, also where it is written with percent signs.
    upwards = ".." in unquote(parts.path).split("/")
    plain = not parts.scheme and not parts.netloc and "\\" not in path and not path.startswith("//")
    return path if plain and inside and not upwards and all(c.isprintable() for c in path) else ""


def _split(address: str) -> SplitResult:
    """Of what somebody sent, which need not be an address at all."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def keep_typed() -> bool:
    """Keep the fields of this request for the user whose cookie it brings, also when the session ran out.

    Never what another site sends: the user would find its words in the form and take them for their own. And only the
    form of the page itself: a button beside it sends a word or two, which would come back in place of everything.
    """
    if is_from_elsewhere() or (request.path != form_page() and request.endpoint != KEEPS):
        return False
    token = cookie_session.get("_user_id")
    found = users.sign_in_of(current_session(), token) if isinstance(token, str) else None
    fields = typed(request.form.items(multi=True))
    if found is None or not fields:
        return False
    session = current_session()
    forms.keep(session, found[1].id, form_page(), fields, now=current_portal().now())
    session.commit()
    return True


def typed(items: Iterable[tuple[str, str]]) -> list[list[str]]:
    return [[name, value] for name, value in items if not _UNKEPT.fullmatch(name)]


def typed_before() -> MultiDict[str, str] | None:
    """What was kept of the form of this page, to fill it again; None when nothing was, or something is sent now."""
    if request.method != "GET":
        return None
    g.typed_is_shown = True
    found = forms.kept(current_session(), me().user.id, request.path)
    return MultiDict([(name, value) for name, value in found.fields]) if found else None


def typed_and_not_shown() -> list[str]:
    """What was kept of a form whose page does not fill it in again: somebody can copy it from there."""
    if request.method != "GET" or somebody() is None or g.get("typed_is_shown"):
        return []
    found = forms.kept(current_session(), me().user.id, request.path)
    return [value for _name, value in found.fields if " " in value.strip()] if found else []


def begin_session(user: User, *, second_factor: bool) -> str:
    """Sign the user in and say where to go on. The cookie's content is new, so nothing set before is taken along."""
    portal = current_portal()
    session = current_session()
    after = safe_path(str(cookie_session.get("after", "")))
    now = portal.now()
    before = somebody()
    if before is not None:
        users.end_sign_ins(session, before.user.id, now=now, only=before.sign_in.id)
    cookie_session.clear()
    bind_session(lambda: secrets.token_urlsafe(9))
    sign_in, token = users.start_sign_in(session, user, device=device(), second_factor=second_factor, now=now)
    powers = Powers.of(users.grants_of(session, user.id), county=portal.region.county_area)
    login_user(SignedIn(user, sign_in, token, powers))
    return after or url_for(first_page(powers))


def first_page(powers: Powers) -> str:
    """Endpoint after signing in: the inbox for those who would find nothing else on the start page."""
    inbox_only = powers.may(Permission.REFERRALS) and powers.roles <= {Role.COUNSELLOR}
    return "admin.referrals" if inbox_only and current_portal().referrals is not None else "admin.dashboard"


def end_session() -> None:
    logout_user()
    cookie_session.clear()


def device() -> str:
    """Browser and system, to recognise a session by; nothing finer is kept."""
    agent = request.headers.get("User-Agent", "")
    browsers = (
        ("Edg", "Edge"),
        ("OPR", "Opera"),
        ("Firefox", "Firefox"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
    )
    systems = (
        ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "Mac"),
        ("CrOS", "ChromeOS"), ("Linux", "Linux"),
    )  # fmt: skip
    browser = next((name for mark, name in browsers if mark in agent), "?")
    system = next((name for mark, name in systems if mark in agent), "?")
    return f"{browser}, {system}"


# Entries: whoever asks for one they may not see gets 404, as if it were not there.


def own_service_or_404(slug: str, permission: Permission) -> models.Service:
    portal = current_portal()
    service = current_session().get(models.Service, models.entity_id(portal.region.slug, "service", slug))
    if service is None or not may_for_service(service, permission):
        abort(404)
    return service


def may_for_service(service: models.Service, permission: Permission) -> bool:
    from portal.catalogue.rows import table

    area = table(models.ServiceArea)
    areas = current_session().execute(
        area.select().with_only_columns(area.c.area).where(area.c.service_id == service.id)
    )
    return me().powers.may_for(
        permission, organization_id=service.organization_id, areas=[row.area for row in areas]
    )


def own_organization_or_404(slug: str, permission: Permission) -> models.Organization:
    portal = current_portal()
    found = current_session().get(
        models.Organization, models.entity_id(portal.region.slug, "organization", slug)
    )
    if found is None or not may_for_organization(found.id, permission):
        abort(404)
    return found


def may_for_organization(organization_id: UUID, permission: Permission) -> bool:
    """A coordinator for a part of the county has those organizations whose offers all lie in that part."""
    from portal.catalogue.overview import organization_areas

    powers = me().powers
    # Most people need no look at the offers.
    return powers.may_for(permission, organization_id=organization_id) or (
        powers.may(permission)
        and powers.may_for(
            permission,
            organization_id=organization_id,
            areas=organization_areas(current_session(), [organization_id]).get(organization_id, ()),
        )
    )
