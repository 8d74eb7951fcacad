"""axe-core on every admin page there is, as those who may do most and least in it, by day and by night."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlmodel import select

from portal.accounts.models import Role, User
from tests.journeys.conftest import Phone
from tests.journeys.offices import Office, office, sign_in
from tests.journeys.test_axe import violations
from tests.web.admin.ground import Ground, all_rules, furnish
from tests.web.admin.test_matrix import MATRIX

pytestmark = pytest.mark.browser
NO_PAGES = {
    "admin.audit_csv": "a file",
    "admin.second_factor": "only between password and code; test_admin_sign_in looks at it",
}


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Ground]]:
    with office(tmp_path_factory.mktemp("axe")) as made, made.session() as session:
        user = session.exec(select(User).where(User.email == "ada@example.org")).one()
        own = next(
            s for s in made.portal.catalogue.services()
            if s.organization.slug == "startpunkt-musterkreis" and s.slug != made.portal.region.clearing_desk
        )  # fmt: skip
        ground = furnish(made.portal, session, user, service=own)
        made.portal.catalogue._checked_at = float("-inf")
        yield made, ground


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "role"), [("Ada", Role.ADMINISTRATOR), ("Eda", Role.EDITOR)])
def test_axe_finds_nothing_on_any_page(
    name: str, role: Role, scheme: str, phone: Callable[..., Phone], furnished: tuple[Office, Ground]
) -> None:
    site, ground = furnished
    tab = phone(site, bypass_csp=True, color_scheme=scheme)
    page, problems, seen = tab.page, {}, 0
    page.set_viewport_size(
        {"width": 1280, "height": 900} if scheme == "light" else {"width": 360, "height": 740}
    )
    page.goto("/admin/sign-in")
    if found := violations(tab):
        problems["/admin/sign-in"] = found
    sign_in(page, name)
    app: Flask = site.app.extensions["admin"].app
    for rule in all_rules(app, "GET"):
        row = MATRIX.get(rule.endpoint)
        if rule.endpoint in NO_PAGES or (row and row.roles is not None and role not in row.roles):
            continue
        path = ground.address(app, rule)
        answer = page.goto(path)
        assert answer.status < 500, path
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        seen += 1
        if found := violations(tab):
            problems[path] = found
    assert problems == {}
    assert seen >= 20
    assert tab.foreign == []
