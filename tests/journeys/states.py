"""Every public page in every state, one after the other in one tab.

Addresses come from the table of `tests/web/test_routes.py`, which a new route cannot miss; what only comes about by
doing something is done here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

from flask import abort

from portal.accounts.models import Role, RoleGrant, User
from portal.accounts.tokens import token_hash
from portal.catalogue.models import Confirmation
from portal.referral.models import Team
from portal.web.public import taking
from portal.web.public.confirmation import Links, path
from tests.journeys.conftest import Phone, Site
from tests.journeys.test_journeys import YOUNG, place_of, question
from tests.web.test_routes import PAGES, addresses

SEND = 'form#question button:not([type="button"])'
SEARCHES = (
    "offers?q=ausbildung&free=1",
    "offers?q=beratung&place=00101",
    "offers?q=zzzzqqqq",
    "offers?q=ich+will+nicht+mehr+leben",
)
BROKEN = (403, 405, 410, 413, 429, 500, 503)

State = str
"""What is on the screen, as a person would name it."""


def every_state(tab: Phone, site: Site, lang: str) -> Iterator[State]:
    yield from shown(tab, site, lang)
    yield from searching(tab, site, lang)
    yield from broken(tab, site, lang)
    yield from answering(tab, site, lang)
    yield from reporting(tab, site, lang)
    yield from being_contacted(tab, site, lang)
    yield from confirming(tab, site, lang)


def main_states(tab: Phone, site: Site, lang: str) -> Iterator[State]:
    """One of each kind, for what is too slow to look at everywhere."""
    for address in ("", "help-now", "topics", "sign-language", "nothing-here", offer_address(site)):
        tab.page.goto(f"/{lang}/{address}")
        yield address or "start"
    yield from searching(tab, site, lang)
    yield from answering(tab, site, lang)


def offer_address(site: Site) -> str:
    """The offer with the most to show: phones, houses, hours."""
    services = site.app.extensions["portal"].catalogue.services()
    most = max(services, key=lambda s: (len(s.locations), len(s.phones_at()), len(s.description or "")))
    return f"offers/{most.slug}"


def open_all(tab: Phone) -> None:
    """What is folded is a state of the page, too."""
    tab.page.evaluate("document.querySelectorAll('main details').forEach(d => { d.open = true; })")


def shown(tab: Phone, site: Site, lang: str) -> Iterator[State]:
    """Whole pages that have an address; of those made of entries, the first and the fullest."""
    for endpoint, examples in PAGES.items():
        found = list(addresses(site.app, endpoint, examples, lang))
        wanted = found if endpoint == "public.editorial" else found[:1]
        for address in wanted:
            tab.page.goto(address)
            open_all(tab)
            yield address
    tab.page.goto(f"/{lang}/{offer_address(site)}")
    open_all(tab)
    yield "the offer with the most to show"
    tab.page.goto(f"/{lang}/")
    tab.page.click("a.tool[href='#languages']")
    yield "start, choosing a language"
    tab.page.goto(f"/{lang}/topics")
    tab.page.click("details.menu summary")
    yield "the language menu"


def searching(tab: Phone, site: Site, lang: str) -> Iterator[State]:
    for address in SEARCHES:
        tab.page.goto(f"/{lang}/{address}")
        yield address
    tab.page.goto(f"/{lang}/offers?q=beratung&place=00101")
    for summary in tab.page.locator("details.filter > summary").all():
        summary.click()
    yield "all filters open"
    tab.page.goto(f"/{lang}/offers")
    tab.page.locator("#q").press_sequentially("ber")
    tab.page.wait_for_selector("[role=listbox]:not([hidden]) [role=option]")
    tab.page.keyboard.press("ArrowDown")
    yield "suggestions"
    tab.page.goto(f"/{lang}/offers?place=Xyzhausen")
    yield "a place nobody knows"
    search = site.app.extensions["portal"].search
    search._asked = lambda call: None
    try:
        tab.page.goto(f"/{lang}/offers?q=beratung")
        assert tab.page.locator("#results > .box.info").count() == 1
        yield "limited search"
    finally:
        del search._asked


def broken(tab: Phone, site: Site, lang: str) -> Iterator[State]:
    tab.page.goto(f"/{lang}/nothing-here")
    yield "404"
    for code in BROKEN:
        with failing(site, code):
            # With a query, because the page itself may be kept.
            answer = tab.page.goto(f"/{lang}/topics?{code}")
        assert answer.status == code
        yield str(code)


@contextmanager
def failing(site: Site, code: int) -> Iterator[None]:
    views = site.app.view_functions
    usual = views["public.topics"]
    views["public.topics"] = lambda: abort(code)
    try:
        yield
    finally:
        views["public.topics"] = usual


def answering(tab: Phone, site: Site, lang: str) -> Iterator[State]:
    """Every kind of question, what can go wrong with it, and the results it may lead to."""
    tab.page.goto(f"/{lang}/check")
    yield "the first question"
    send(tab, wait=False)
    tab.page.wait_for_selector("main [data-focus]")
    yield "no answer"
    for step in steps(tab, {**YOUNG, "topic": ("training_place", "money")}, site):
        if step == "place":
            tab.page.fill("#place", "Xyzhausen-Nirgendwo")
            send(tab, wait=False)
            tab.page.wait_for_selector("#place[aria-invalid=true]")
            yield "a place nobody knows, as an answer"
        if step == "topic":
            tab.page.check('main input[value="training_place"]', force=True)
            yield "a tile chosen"
        open_all(tab)
        yield f"question {step}"
    open_all(tab)
    yield "result"
    both = tab.page.locator('main a[href*="both"]')
    if lang != "de" and both.count():
        tab.page.goto(both.first.get_attribute("href"))
        yield "in two languages"
    for name, answers in RESULTS.items():
        tab.context.clear_cookies()
        tab.page.goto(f"/{lang}/check")
        for _step in steps(tab, answers, site):
            pass
        open_all(tab)
        yield name
    site.app.config["PERMANENT_SESSION_LIFETIME"], lifetime = (
        timedelta(seconds=-1),
        site.app.config["PERMANENT_SESSION_LIFETIME"],
    )
    try:
        tab.page.goto(f"/{lang}/result")
        yield "answers expired"
    finally:
        site.app.config["PERMANENT_SESSION_LIFETIME"] = lifetime
    tab.context.clear_cookies()
    tab.page.goto(f"/{lang}/check/topic?c=1")
    yield "no cookie"


RESULTS: dict[str, dict[str, Any]] = {
    "result: not safe": {"who": "me", "topic": "home", "tonight": "no", "safe_now": "unsafe"},
    "result: from elsewhere": {**YOUNG, "place": "outside"},
    "result: a parent": {"who": "my_child", "topic": "school", "age": "age_15_17", "activity": "school"},
    "result: a company": {"who": "company"},
}


def steps(tab: Phone, answers: dict[str, Any], site: Site) -> Iterator[str]:
    """Answer until the result; yields each question before it is answered."""
    for _ in range(12):
        step = question(tab)
        if step == "result":
            return
        yield step
        value = {"place": place_of(site), **answers}.get(step, "dont_know")
        if step == "place" and value not in ("dont_know", "outside"):
            tab.page.fill("#place", value)
            tab.page.keyboard.press("Escape")
        else:
            if not tab.page.locator(f'main input[name="answer"][value="{value}"]').count() and isinstance(
                value, str
            ):
                value = tab.page.locator('main input[name="answer"]').first.get_attribute("value")
            for one in (value,) if isinstance(value, str) else value:
                tab.page.check(f'main input[name="answer"][value="{one}"]', force=True)
        send(tab)
    raise AssertionError(f"no result, still at {tab.page.url}")


def send(tab: Phone, *, wait: bool = True) -> None:
    before = tab.page.url
    tab.page.click(SEND)
    if wait:
        tab.page.wait_for_url(lambda url: url != before)


def reporting(tab: Phone, site: Site, lang: str) -> Iterator[State]:
    tab.page.goto(f"/{lang}/{offer_address(site)}/report")
    tab.page.click("#send")
    tab.page.wait_for_selector("main [data-focus]")
    yield "report without a reason"


def being_contacted(tab: Phone, site: Site, lang: str) -> Iterator[State]:
    """From the button to the private page and out again, and the slip without a name."""
    tab.context.clear_cookies()
    with a_team(site) as slug:
        begin = f"/{lang}/contact-me?desk={slug}"
        tab.page.goto(begin)
        yield "how to reach me"
        press(tab, "main form .btn")
        yield "how to reach me, with mistakes"
        tab.page.check("input[value=under_15]", force=True)
        press(tab, "main form .btn")
        yield "younger than 15"
        tab.page.goto(begin)
        tab.page.check("input[value=older]", force=True)
        for way, typed in (("phone", "0170 1234567"), ("mail", "a@example.org"), ("messenger", "Amal")):
            tab.page.check(f"input[value={way}]", force=True)
            tab.page.fill(f"#{way}", typed)
        press(tab, "main form .btn")
        yield "what to tell"
        tab.page.fill("#own_words", "Ich weiß nicht weiter.")
        press(tab, "main form .btn")
        open_all(tab)
        yield "consent"
        press(tab, "form:has([name=shown]) .btn")
        yield "sent, with the code"
        tab.page.goto(f"/{lang}/mine")
        tab.page.fill('form[action$="/message"] textarea', "Hallo")
        press(tab, 'form[action$="/message"] .btn')
        open_all(tab)
        yield "my page"
        tab.page.goto(f"/{lang}/mine/withdraw")
        yield "no longer wanted?"
        press(tab, "main form .btn")
        yield "everything erased"
        tab.page.goto(f"/{lang}/mine")
        tab.page.fill("#code", "1234")
        press(tab, "main form .btn")
        yield "a code that does not fit"
        tab.page.goto(f"/{lang}/contact-me/tell")
        yield "a draft that has run out"
        tab.page.goto(f"/{lang}/slip")
        tab.page.check("input[value=accompanied]", force=True)
        press(tab, "main form .btn")
        yield "slip"
    tab.context.clear_cookies()


def press(tab: Phone, selector: str) -> None:
    with tab.page.expect_navigation():
        tab.page.locator(selector).first.click()


@contextmanager
def a_team(site: Site, slug: str = "schuldnerberatung") -> Iterator[str]:
    """Somebody takes referrals at one desk, as long as this lasts; yields the desk's service."""
    portal = site.app.extensions["portal"]
    service = portal.catalogue.service(slug)
    name = uuid4().hex
    with portal.store.sessions() as session:
        user = User(email=f"{name}@example.org", name=name, password_hash="x", created_at=site.now)
        session.add(user)
        session.flush()
        grant = RoleGrant(
            user_id=user.id,
            role=Role.COUNSELLOR,
            organization_id=service.organization.id,
            granted_at=site.now,
        )
        team = Team(
            organization_id=service.organization.id,
            region=portal.region.slug,
            accepts=True,
            changed_at=site.now,
        )
        session.add_all((grant, team))
        session.commit()
        taking.forget()
        portal.referrals.limits.clear_all()
        try:
            yield slug
        finally:
            session.delete(team)
            session.delete(grant)
            session.commit()
            taking.forget()


def confirming(tab: Phone, site: Site, lang: str) -> Iterator[State]:
    """What an organization sees behind the link in its letter."""
    still_open = path(a_question(site), lang)
    answered = path(a_question(site, answered_at=site.now, answer="right"), lang)
    pages = {
        "confirmation": (still_open, 200),
        "correction": (f"{still_open}/correct", 200),
        "answered": (answered, 200),
        "thanks": (f"{answered}?thanks=1", 200),
        "expired": (path(a_question(site, expires_at=site.now - timedelta(days=1)), lang), 410),
        "unknown": (path("nothing", lang), 404),
    }
    for name, (address, status) in pages.items():
        answer = tab.page.goto(address)
        assert answer.status == status, name
        open_all(tab)
        yield f"link of a letter: {name}"


def a_question(site: Site, **changes: Any) -> str:
    """The token of a link that was mailed to an organization."""
    portal = site.app.extensions["portal"]
    service = portal.catalogue.services()[0]
    id_ = uuid4()
    token = Links(portal.settings.secret_key).token(id_)
    values = {"asked_at": site.now, "expires_at": site.now + timedelta(days=60), **changes}
    with portal.store.sessions() as session:
        session.add(
            Confirmation(
                id=id_, region=portal.region.slug, service_id=service.id, recipient="office@example.org",
                token_hash=token_hash(token), **values,
            )
        )  # fmt: skip
        session.commit()
    return token
