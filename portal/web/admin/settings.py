"""Settings of the region that may differ from its file: each part is saved by itself and can be put back."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from babel.numbers import format_decimal
from email_validator import EmailNotValidError, validate_email
from flask import Blueprint, Response, abort, redirect, request, url_for
from pydantic import ValidationError
from sqlalchemy import select
from sqlmodel import col
from werkzeug.wrappers import Response as BaseResponse

from portal.accounts import audit, forms
from portal.accounts.models import AuditEvent
from portal.accounts.permissions import Permission
from portal.catalogue import region_settings
from portal.catalogue.checking import theme_contrasts
from portal.catalogue.models import Region
from portal.catalogue.records import RegionFile, Theme, Ukraine
from portal.catalogue.region_settings import LOGO, RegionChangeRefused
from portal.catalogue.revision import text_hash
from portal.web.admin.guard import me, needs, typed_before
from portal.web.admin.rendering import render, say
from portal.web.admin.times import moment
from portal.web.current import current_language, current_portal
from portal.web.database import current_session
from portal.web.languages import available
from portal.web.public.presenting import language_name
from portal.web.texts import N_, gettext

_SECTIONS: Mapping[str, tuple[str, ...]] = {
    "names": ("name", "portal_name"),
    "colours": ("theme",),
    "logo": (LOGO,),
    "helplines": ("helplines",),
    "searches": ("example_searches",),
    "languages": ("languages",),
    "controller": ("controller",),
    "switches": ("switches",),
}
"""Part of the page → fields of `Region.overrides`."""
TITLES = {
    "names": N_("Names"),
    "colours": N_("Colours"),
    "logo": N_("Logo"),
    "helplines": N_("Order of “help now”"),
    "searches": N_("Example searches"),
    "languages": N_("Languages"),
    "controller": N_("Who runs the portal"),
    "switches": N_("Law in motion"),
}
COLOURS = {
    "action": N_("Buttons and links, light"),
    "action_dark": N_("Buttons and links, dark"),
    "warm": N_("Warm accent, light"),
    "warm_dark": N_("Warm accent, dark"),
}
GROUNDS = {
    "white": N_("on white"),
    "paper": N_("on paper"),
    "the dark card": N_("on the dark card"),
    "the dark paper": N_("on the dark paper"),
    "the dark button's text": N_("with the dark button's text"),
}
SWITCH_VALUES = {
    "off": N_("Not in force: the Jobcenter pays"),
    "on": N_("In force: the social welfare office pays"),
    "unknown": N_("Not known: show both"),
}
LOGO_PROBLEMS = {
    "logo_large": N_("The drawing is larger than 2 kB once cleaned. It stands on every page, so it has to be small. Please ask for a simpler one."),
    "logo_unsafe": N_("The drawing holds more than shapes, for example a picture, letters, a script or a colour gradient. Please have it saved as plain paths."),
    "logo_no_svg": N_("This is not an SVG drawing. Photos and PNG files are too heavy for every page."),
    "logo_no_size": N_("The drawing does not say how large it is (viewBox is missing)."),
    "logo_empty": N_("There is nothing to see in this drawing."),
}  # fmt: skip


def register(bp: Blueprint) -> None:
    bp.add_url_rule("/settings", "settings", settings, methods=["GET", "POST"])
    bp.add_url_rule("/settings/contrast", "settings_contrast", contrast, methods=["POST"])


@dataclass
class Shown:
    """A field as the form macros want it."""

    name: str
    data: Any = ""
    errors: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"s-{self.name}"


class Form(dict[str, Shown]):
    """Fields by name; a field that nobody filled is empty."""

    def __missing__(self, name: str) -> Shown:
        self[name] = Shown(name)
        return self[name]


Changes = dict[str, Any]
_Reader = Callable[[Form, RegionFile], Changes]


@needs(Permission.SETTINGS)
def settings() -> BaseResponse:
    if not me().powers.may_everywhere(Permission.SETTINGS):
        abort(403)
    return _save() if request.method == "POST" else _page()


def _now() -> tuple[RegionFile, dict[str, Any], RegionFile]:
    """Settings in force, overrides and those of the files; from the database, not from this process's copy."""
    session, slug = current_session(), current_portal().region.slug
    row = session.execute(
        select(col(Region.settings), col(Region.overrides)).where(col(Region.slug) == slug)
    ).one()
    return region_settings.merged(row[0], row[1]), dict(row[1] or {}), RegionFile.model_validate(row[0])


def _seen(section: str, region: RegionFile, overrides: Mapping[str, Any]) -> str:
    """Changes with what the part of the page says."""
    values = region.model_dump(mode="json")
    return text_hash(
        json.dumps([values.get(name, overrides.get(name)) for name in _SECTIONS[section]], sort_keys=True)
    )


def _clean(text: str, longest: int = 200) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:longest]


def _save() -> BaseResponse:
    section = request.form.get("section", "")
    if section not in _SECTIONS:
        abort(400)
    session, portal = current_session(), current_portal()
    slug, now = portal.region.slug, portal.now()
    region, overrides, _files = _now()
    if request.form.get("do") == "reset":
        gone = region_settings.reset(session, slug, _SECTIONS[section], now=now)
        return _done(section, gone, {name: overrides.get(name) for name in gone}, "settings.reset")
    form = _typed(request.form.to_dict(flat=False))
    if request.form.get("seen") != _seen(section, region, overrides):
        message = gettext(
            "Somebody has changed this meanwhile. What you typed stands here; save again to take it."
        )
        return _page(section, form, problem=message, status=422)
    if section == "logo":
        return _save_logo(form)
    changes = _READERS[section](form, region)
    if any(shown.errors for shown in form.values()):
        return _page(section, form, status=422)
    before = region.model_dump(mode="json")
    try:
        changed = region_settings.save(session, slug, changes, now=now)
    except RegionChangeRefused as refused:
        session.rollback()
        return _page(
            section, form, problem=gettext("This does not fit: %(what)s", what=str(refused)), status=422
        )
    return _done(section, changed, {name: before[name] for name in changed}, "settings.saved")


def _done(section: str, changed: Sequence[str], before: Mapping[str, Any], action: str) -> BaseResponse:
    session, portal = current_session(), current_portal()
    if not changed:
        session.rollback()
        say(gettext("Nothing was changed: it stands there just so."), "info")
    else:
        audit.record(
            session,
            action,
            now=portal.now(),
            actor=me(),
            region=portal.region.slug,
            entity="region",
            entity_name=gettext(TITLES[section]),
            fields=list(changed),
            # Names and addresses of people do not belong into the log.
            before=json.dumps(
                {name: value for name, value in before.items() if name not in ("controller", LOGO)},
                ensure_ascii=False,
            ),
        )
        forms.discard(session, me().user.id, request.path)
        session.commit()
        say(gettext("Saved. The public pages show it within a second or two."))
    return redirect(f"{url_for('admin.settings')}#{section}", code=303)


def _typed(fields: Mapping[str, Sequence[str]]) -> Form:
    form = Form()
    for name, values in fields.items():
        form[name].data = values[-1] if values else ""
    form["languages"].data = list(fields.get("languages", ()))
    return form


# What each part means.


def _names(form: Form, _region: RegionFile) -> Changes:
    changes = {}
    for name, longest in (("name", 80), ("portal_name", 40)):
        changes[name] = _clean(form[name].data, longest + 1)
        if not changes[name]:
            form[name].errors.append(gettext("Please enter a name."))
        elif len(changes[name]) > longest:
            form[name].errors.append(gettext("At most %(number)s characters.", number=longest))
    return changes


def _theme(form: Form) -> Theme | None:
    """None when a colour is no colour, which is then said at its field."""
    values = {name: str(form[name].data).strip().lower() for name in COLOURS}
    try:
        return Theme.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            form[str(problem["loc"][0])].errors.append(
                gettext("A colour is written as # and six digits or letters from a to f.")
            )
        return None


def _colours(form: Form, _region: RegionFile) -> Changes:
    theme = _theme(form)
    if theme is None:
        return {}
    for found in theme_contrasts(theme):
        if not found.is_enough and not form[found.name].errors:
            form[found.name].errors.append(
                gettext(
                    "Too little contrast %(ground)s: %(ratio)s, needed are %(needed)s.",
                    ground=gettext(GROUNDS[found.on]),
                    ratio=_ratio(found.ratio),
                    needed=_ratio(found.needed),
                )
            )
    return {"theme": theme.model_dump()}


def _ratio(value: float) -> str:
    """Rounded down, so that 7:1 is never less than that."""
    number = format_decimal(int(value * 10) / 10, locale=current_language().locale)
    return f"{number}:1"


def _helplines(form: Form, _region: RegionFile) -> Changes:
    """Numbers order them; without a number a helpline follows behind the others."""
    placed = []
    for index, (slug, _name) in enumerate(_all_helplines()):
        name = f"helpline.{slug}"
        typed = str(form[name].data).strip()
        if not typed:
            continue
        if not (typed.isascii() and typed.isdigit() and len(typed) < 4):
            form[name].errors.append(gettext("Please enter a number, or nothing."))
            continue
        placed.append((int(typed), index, slug))
    return {"helplines": [slug for _place, _index, slug in sorted(placed)]}


def _all_helplines() -> list[tuple[str, str]]:
    """Slug and name, in the order of the page "help now"."""
    return [(view.slug, view.name) for view in current_portal().catalogue.helplines]


def _searches(form: Form, _region: RegionFile) -> Changes:
    lines = [_clean(line, 61) for line in str(form["example_searches"].data).splitlines()]
    wanted = list(dict.fromkeys(line for line in lines if line))
    if len(wanted) > 8:
        form["example_searches"].errors.append(gettext("At most eight examples."))
    if any(len(line) > 60 for line in wanted):
        form["example_searches"].errors.append(gettext("An example has at most 60 characters."))
    return {"example_searches": wanted}


def _languages(form: Form, region: RegionFile) -> Changes:
    known = available(current_portal().settings.translations_dir)
    chosen = [code for code in form["languages"].data if code in known]
    if "de" not in chosen:
        form["languages"].errors.append(gettext("German cannot be left out: all texts are made from it."))
    order = [*region.languages, *known]
    return {"languages": sorted(chosen, key=order.index)}


def _controller(form: Form, _region: RegionFile) -> Changes:
    name, email = _clean(form["controller_name"].data), _clean(form["controller_email"].data)
    address = [_clean(line) for line in str(form["controller_address"].data).splitlines()]
    phone = _clean(form["controller_phone"].data)
    if not name:
        form["controller_name"].errors.append(gettext("The imprint needs a name."))
    if email:
        try:
            validate_email(email, check_deliverability=False, test_environment=True)
        except EmailNotValidError:
            form["controller_email"].errors.append(gettext("This is not a complete e-mail address."))
    confirmed = form["controller_confirmed"].data == "y"
    if confirmed and not (email and any(address)):
        form["controller_confirmed"].errors.append(
            gettext("For this the imprint needs at least an address and an e-mail.")
        )
    return {
        "controller": {
            "name": name,
            "address": [line for line in address if line],
            "email": email or None,
            "phone": phone or None,
            "confirmed": confirmed,
        }
    }


def _switches(form: Form, region: RegionFile) -> Changes:
    value = str(form["ukraine_asylblg"].data)
    if value not in {choice.value for choice in Ukraine}:
        form["ukraine_asylblg"].errors.append(gettext("Please choose one."))
    return {"switches": {**region.model_dump(mode="json")["switches"], "ukraine_asylblg": value}}


_READERS: Mapping[str, _Reader] = {
    "names": _names,
    "colours": _colours,
    "helplines": _helplines,
    "searches": _searches,
    "languages": _languages,
    "controller": _controller,
    "switches": _switches,
}


def _save_logo(form: Form) -> BaseResponse:
    session, portal = current_session(), current_portal()
    upload = request.files.get("logo")
    body = upload.stream.read(100_001) if upload is not None else b""
    if not body:
        form["logo"].errors.append(gettext("Please choose a file."))
        return _page("logo", form, status=422)
    try:
        region_settings.set_logo(session, portal.region.slug, body, now=portal.now())
    except RegionChangeRefused as refused:
        form["logo"].errors.append(gettext(LOGO_PROBLEMS[refused.code]))
        return _page("logo", form, status=422)
    return _done("logo", ["logo"], {}, "settings.saved")


# The page.


@dataclass(frozen=True, slots=True)
class Figure:
    label: str
    ratio: str
    needed: str
    enough: bool


def _figures(theme: Theme) -> list[Figure]:
    return [
        Figure(
            f"{gettext(COLOURS[found.name])}, {gettext(GROUNDS[found.on])}",
            _ratio(found.ratio),
            _ratio(found.needed),
            found.is_enough,
        )
        for found in theme_contrasts(theme)
    ]


@needs(Permission.SETTINGS)
def contrast() -> Response:
    """The figures for colours that are not saved yet."""
    form = _typed(request.form.to_dict(flat=False))
    theme = _theme(form)
    return render(
        "admin/settings_contrast.html", fragment="figures", figures=_figures(theme) if theme else []
    )


def _filled(region: RegionFile) -> Form:
    form = Form()
    values: dict[str, Any] = {
        "name": region.name,
        "portal_name": region.portal_name,
        **region.theme.model_dump(),
        "example_searches": "\n".join(region.example_searches),
        "languages": list(region.languages),
        "controller_name": region.controller.name,
        "controller_address": "\n".join(region.controller.address),
        "controller_email": region.controller.email or "",
        "controller_phone": region.controller.phone or "",
        "controller_confirmed": "y" if region.controller.confirmed else "",
        "ukraine_asylblg": region.switches["ukraine_asylblg"].value,
        **{f"helpline.{slug}": str(place) for place, slug in enumerate(region.helplines, 1)},
    }
    for name, value in values.items():
        form[name].data = value
    return form


def _page(section: str = "", typed: Form | None = None, *, problem: str = "", status: int = 200) -> Response:
    region, overrides, _files = _now()
    form = _filled(region)
    if typed is None:
        kept = typed_before()
        section = str(kept.get("section", "")) if kept is not None else ""
        typed = _typed(kept.to_dict(flat=False)) if kept is not None and section in _SECTIONS else None
    if typed is not None:
        # A tick that is not sent is a tick taken away.
        own = _FIELDS[section]
        form.update(
            {name: typed[name] for name in {*typed, *own} if name in own or name.startswith("helpline.")}
        )
    declared = available(current_portal().settings.translations_dir)
    theme = _theme(_copy(form))
    return render(
        "admin/settings.html",
        status=status,
        form=form,
        section=section,
        problem_text=problem,
        titles=[(name, gettext(title)) for name, title in TITLES.items()],
        seen={name: _seen(name, region, overrides) for name in _SECTIONS},
        own={name: any(part in overrides for part in parts) for name, parts in _SECTIONS.items()},
        colours=[(name, gettext(label)) for name, label in COLOURS.items()],
        figures=_figures(theme) if theme else [],
        helplines=[(f"helpline.{slug}", name) for slug, name in _all_helplines()],
        languages=[(code, language_name(code), complete) for code, complete in declared.items()],
        running=tuple(current_portal().languages),
        wanted=region.languages,
        switch_values=[(value, gettext(label)) for value, label in SWITCH_VALUES.items()],
        has_logo=LOGO in overrides,
        changes=_last_changes(),
    )


_FIELDS: Mapping[str, tuple[str, ...]] = {
    "names": ("name", "portal_name"),
    "colours": tuple(COLOURS),
    "logo": ("logo",),
    "helplines": (),
    "searches": ("example_searches",),
    "languages": ("languages",),
    "controller": (
        "controller_name",
        "controller_address",
        "controller_email",
        "controller_phone",
        "controller_confirmed",
    ),
    "switches": ("ukraine_asylblg",),
}


def _copy(form: Form) -> Form:
    """To try values without leaving messages at the fields."""
    return Form({name: Shown(name, shown.data) for name, shown in form.items()})


def _last_changes() -> list[tuple[str, str, str, bool]]:
    """When, who, which part, and whether it was put back."""
    rows = current_session().execute(
        select(
            col(AuditEvent.at),
            col(AuditEvent.actor_name),
            col(AuditEvent.entity_name),
            col(AuditEvent.action),
        )
        .where(
            col(AuditEvent.region) == current_portal().region.slug,
            col(AuditEvent.action).in_(("settings.saved", "settings.reset")),
        )
        .order_by(col(AuditEvent.at).desc())
        .limit(10)
    )
    return [(moment(row[0]), row[1], row[2], row[3] == "settings.reset") for row in rows]
