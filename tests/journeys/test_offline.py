"""Without network, with hardly any, and what a phone keeps."""

import random
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal.clearing.routing import ELSEWHERE
from portal.web.assets import KEPT_FILES
from portal.web.responses import KEPT_PAGES
from tests.journeys.conftest import Phone, Site
from tests.journeys.lines import Line
from tests.journeys.test_journeys import YOUNG, choose, clean, go, place_of, question

pytestmark = pytest.mark.browser
CASES = yaml.safe_load(
    (Path(__file__).parents[2] / "questionnaires" / "cases.yaml").read_text(encoding="utf-8")
)
FIRST_FLIGHT = 14_600
"""Bytes that arrive within the first round trip (RFC 6928: ten segments)."""


@pytest.fixture
def line(site: Site) -> Iterator[Line]:
    made = Line(site)
    yield made
    made.cut()


def keeps_everything(tab: Phone, lang: str = "de") -> None:
    """Wait until the worker has its pages and will answer for the next; the data of the questions come last."""
    until(
        tab.page,
        """async address => {
            const found = await navigator.serviceWorker.getRegistration();
            return !!found && !!found.active && found.active.state === "activated" && !!await caches.match(address);
        }""",
        f"/{lang}/check/offline.json",
    )


def until(page: Any, script: str, argument: Any = None) -> None:
    """Ask until the answer is yes. `wait_for_function` would take a promise for one."""
    deadline = time.monotonic() + 60
    while not page.evaluate(script, argument):
        assert time.monotonic() < deadline, script
        page.wait_for_timeout(50)


def kept_addresses(tab: Phone) -> list[str]:
    found: list[str] = tab.page.evaluate(
        """async () => {
            const found = [];
            for (const name of await caches.keys())
                for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
            return found;
        }"""
    )
    return found


def test_an_address_still_leads_to_somebody(line: Line, phone: Any) -> None:
    tab = phone(line.site)
    tab.page.goto("/de/")
    keeps_everything(tab)
    line.cut()
    tab.page.goto("/de/topics")
    assert tab.page.inner_text("h1") == "Du bist gerade offline"
    assert tab.page.locator('main a[href="tel:112"]').count() == 1
    tab.picture("offline-de", full=True)
    tab.page.goto("/de/help-now")
    said = tab.page.inner_text("header")
    assert "20. November 2026" in said, "how old it is"
    assert tab.page.locator('main a[href="tel:110"]').count() >= 1
    states = tab.page.locator("main .tag.open, main .tag.wait").all_text_contents()
    always = {"Tag und Nacht", "Am Telefon: Tag und Nacht", "Im Chat: Tag und Nacht"}
    assert set(states) <= always, "what is open now is not true any more"
    tab.page.goto("/")
    assert tab.page.locator("main a.btn[href='/de/check']").count() == 1
    assert "20. November 2026" in tab.page.inner_text("header")
    line.mend()
    tab.page.goto("/de/topics")
    assert tab.page.inner_text("h1") != "Du bist gerade offline"
    assert tab.page.locator(".demo:has-text('20. November 2026')").count() == 0


def test_the_very_last_resort_knows_two_numbers(line: Line, phone: Any) -> None:
    tab = phone(line.site, locale="ar")
    tab.page.goto("/ar/")
    keeps_everything(tab, "ar")
    tab.page.evaluate("caches.keys().then(names => Promise.all(names.map(name => caches.delete(name))))")
    line.cut()
    tab.page.goto("/ar/topics")
    assert tab.page.get_attribute("html", "dir") == "rtl"
    for number in ("112", "110"):
        assert tab.page.locator(f'a[href="tel:{number}"]').is_visible()


def test_what_was_started_is_not_lost(line: Line, phone: Any) -> None:
    tab = phone(line.site)
    tab.page.goto("/de/check")
    choose(tab, "me")
    keeps_everything(tab)
    tab.page.check('main input[name="answer"][value="money"]', force=True)
    line.cut()
    with tab.page.expect_navigation():
        tab.page.click('form#question button:not([type="button"])')
    assert tab.page.inner_text("h1") == "Du bist gerade offline"
    assert "30 Minuten" in tab.page.inner_text("main")
    line.mend()
    tab.page.goto("/de/check")
    assert question(tab) == "topic", "the first answer is still there"


def test_the_questions_work_without_network(line: Line, phone: Any) -> None:
    tab = phone(line.site)
    tab.page.goto("/de/")
    keeps_everything(tab)
    line.cut()
    tab.page.goto("/de/")
    tab.page.click("main a.btn[href='/de/check']")
    tab.page.wait_for_selector("#ask:not([hidden])")
    assert tab.page.inner_text("#text") == "Für wen fragst du?"
    tab.page.click("#ask .btn")
    assert "wähl" in tab.page.inner_text("#choose").lower()
    tick(tab, "Für mich")
    tick(tab, "Ausbildung finden")
    assert tab.page.evaluate("document.activeElement.id") == "text"
    tab.picture("offline-question-de")
    tab.page.click("#before")
    assert tab.page.locator("#options label:has-text('Ausbildung finden') input").is_checked()
    tab.page.click("#ask .btn")
    for _ in range(8):
        if tab.page.locator("#found").is_visible():
            break
        label = tab.page.locator("#options label:has-text('Weiß ich nicht')")
        label.click()
        tab.page.click("#ask .btn")
    assert tab.page.inner_text("#found h2") == "Hier bist du richtig."
    assert "Berufsberatung" in tab.page.inner_text("#found article:first-of-type")
    assert tab.page.locator("#found article a[href^='tel:']").count() >= 1
    assert tab.page.evaluate("document.activeElement.tagName") == "H2"
    tab.picture("offline-result-de", full=True)
    assert tab.page.evaluate("localStorage.length + sessionStorage.length") == 0
    assert tab.page.url.endswith("/de/check")


def tick(tab: Phone, words: str) -> None:
    tab.page.locator(f"#options label:has-text('{words}')").click()
    tab.page.click("#ask .btn")


def test_the_script_routes_as_the_server_does(site: Site, phone: Any) -> None:
    """Reviewed cases and a thousand random answers: same questions, same first contact, same others."""
    portal = site.app.extensions["portal"]
    clearing, switches = portal.clearing, portal.switches
    today: date = portal.now().astimezone(portal.timezone).date()
    chance = random.Random(5)
    questions = {q.id: [option.id for option in q.all_options] for q in clearing.questions}
    most = {q.id: q.max_choices for q in clearing.questions}
    given = [known_answers(case["answers"], questions, most) for case in CASES]
    given += [random_answers(clearing, chance) for _ in range(1000)]
    positions = {q.id: q.position for q in clearing.questions}
    asked = [
        {
            positions[name]: sum(1 << questions[name].index(option) for option in chosen)
            for name, chosen in answers.items()
        }
        for answers in given
    ]
    tab = phone(site)
    tab.page.goto("/de/check/offline")
    outcomes = tab.page.evaluate(
        """async asked => {
            const data = await (await fetch("/de/check/offline.json")).json();
            const { walk, route } = clearing(data);
            return asked.map(given => {
                const path = walk(given), { first, also, safety } = route(path);
                return {
                    steps: path.steps.map(at => data.questions[at].id),
                    next: path.next < 0 ? null : data.questions[path.next].id,
                    audience: path.audience,
                    first: [first.elsewhere ? data.elsewhere : first.kind, first.elsewhere ? first.kind : null,
                            first.elsewhere ? first.elsewhere.reason : (first.rule || data.kinds[first.kind]).reason],
                    urgency: first.rule && first.rule.urgency || "normal",
                    also: also.map(other => other.kind),
                    safety,
                };
            });
        }""",
        asked,
    )
    kinds = set()
    for answers, found in zip(given, outcomes, strict=True):
        path = clearing.walk({name: tuple(chosen) for name, chosen in answers.items()})
        wanted = clearing.route(path, switches=switches, today=today)
        first = wanted.primary
        reason = found["first"][2]
        assert found == {
            "steps": [step.question.id for step in path.steps],
            "next": path.next.id if path.next else None,
            "audience": path.audience,
            "first": [first.kind, first.named_kind, reason],
            "urgency": first.urgency,
            "also": [need.kind for need in wanted.also],
            "safety": wanted.safety,
        }, answers
        own = reason if isinstance(reason, str) else reason.get(path.audience)
        if own is None:
            assert path.audience != "young_person"
        else:
            assert own == portal.catalogue.extras.wordings.get(first.reason, first.reason)
        kinds.add(first.kind)
    assert len(kinds) > 20
    assert ELSEWHERE in kinds


def known_answers(
    source: dict[str, Any], questions: dict[str, list[str]], most: dict[str, int]
) -> dict[str, list[str]]:
    """Without what no page can send; some cases try that."""
    answers = {name: [value] if isinstance(value, str) else value for name, value in source.items()}
    return {
        name: known
        for name, chosen in answers.items()
        if name in questions
        and (known := [option for option in chosen if option in questions[name]])
        and len(known) <= most[name]
    }


def random_answers(clearing: Any, chance: random.Random) -> dict[str, list[str]]:
    """A walk that stops somewhere, and once in a while an early answer changed afterwards."""
    answers: dict[str, list[str]] = {}
    for _ in range(chance.randint(1, 9)):
        path = clearing.walk({name: tuple(chosen) for name, chosen in answers.items()})
        if path.next is None:
            break
        answers[path.next.id] = some_answer(path.next, path.audience, chance)
    if len(answers) > 2 and chance.random() < 0.3:
        name = chance.choice(list(answers)[:2])
        changed = next(q for q in clearing.questions if q.id == name)
        answers[name] = some_answer(changed, path.audience if name != "who" else "young_person", chance)
    return answers


def some_answer(asked: Any, audience: str, chance: random.Random) -> list[str]:
    options = asked.options(audience)
    free = [option.id for option in options if not option.exclusive]
    most = min(asked.max_choices, len(free))
    if most > 1 and chance.random() < 0.7:
        return chance.sample(free, chance.randint(1, most))
    return [chance.choice([option.id for option in options])]


def test_a_contact_is_saved_on_the_phone_and_nowhere_else(line: Line, phone: Any) -> None:
    tab = phone(line.site, locale="ar")
    service = next(
        s for s in line.site.app.extensions["portal"].catalogue.services() if s.phones and s.contact_kinds
    )
    tab.page.goto(f"/ar/offers/{service.slug}")
    keeps_everything(tab, "ar")
    posted: list[str] = []
    cookies: list[str] = []
    tab.page.on("request", lambda r: posted.append(r.url) if r.method != "GET" else None)
    tab.page.on("request", lambda r: cookies.append(r.headers.get("cookie", "")))
    tab.page.locator("[data-keep]").click()
    until(tab.page, "!!localStorage.saved")
    assert posted == []
    assert set(cookies) <= {""}
    tab.page.locator("a[href='/ar/saved']:visible").first.click()
    line.cut()
    tab.page.goto("/ar/saved")
    card = tab.page.locator("#saved > li")
    assert card.count() == 1
    assert card.locator("a[href^='tel:']").first.is_visible()
    assert card.locator("[lang=de]").count() >= 1, "both languages stay on it"
    assert card.locator("[hidden]").count() == 0
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    tab.picture("saved-ar", full=True)
    card.locator("button").click()
    assert card.count() == 0
    assert tab.page.locator("#none").is_visible()
    assert tab.page.evaluate("localStorage.length") == 0


def test_the_result_offers_to_save_its_contact_without_what_was_said(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/check")
    go(tab, {**YOUNG, "place": place_of(site)})
    why = tab.page.inner_text("article.first .why")
    tab.page.locator("[data-keep]").click()
    until(tab.page, "!!localStorage.saved")
    kept = tab.page.evaluate("localStorage.saved")
    assert "Berufsberatung" in kept
    assert why not in kept
    assert "15 bis 17" not in kept
    tab.page.goto("/de/saved")
    assert "20. November 2026" not in tab.page.inner_text("header"), "there is a network"
    tab.picture("saved-de", full=True)
    tab.page.click("#wipe")
    assert tab.page.evaluate("localStorage.length") == 0
    clean(tab)


def test_saving_without_a_line_says_so(line: Line, phone: Any) -> None:
    tab = phone(line.site)
    service = line.site.app.extensions["portal"].catalogue.services()[0]
    tab.page.goto(f"/de/offers/{service.slug}")
    line.cut()
    tab.page.locator("[data-keep]").click()
    assert tab.page.locator("#offline").inner_text().startswith("Gerade kein Netz")
    assert tab.page.evaluate("localStorage.length") == 0


def test_nothing_somebody_said_is_ever_kept(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/de/check")
    go(tab, {**YOUNG, "place": place_of(site)})
    keeps_everything(tab)
    tab.page.reload()
    tab.page.goto(f"/de/offers?q={place_of(site)}")
    assets = {f"/static/{name.split('.')[0]}" for name in KEPT_FILES}
    pages = {f"/de/{page}" for page in (*KEPT_PAGES, "check/offline.json")}
    for address in kept_addresses(tab):
        assert address in pages or address.split(".")[0] in assets, address
    texts = tab.page.evaluate(
        """async addresses => Promise.all(addresses.map(async address => (await caches.match(address)).text()))""",
        sorted(pages - {"/de/check/offline.json"}),
    )
    for text in texts:
        assert "Du hast gesagt" not in text
        assert 'name="csrf_token"' not in text


def test_exit_takes_everything_away(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.context.unroute("**/*")
    tab.context.route(
        "https://www.dwd.de/**", lambda route: route.fulfill(body="<title>Wetter</title>Wetter")
    )
    service = site.app.extensions["portal"].catalogue.services()[0]
    tab.page.goto(f"/de/offers/{service.slug}")
    keeps_everything(tab)
    tab.page.locator("[data-keep]").click()
    until(tab.page, "!!localStorage.saved")
    tab.page.click("form.exit button")
    tab.page.wait_for_url("https://www.dwd.de/**")
    # A page of the portal without its script, so that nothing is kept anew.
    tab.page.goto("/healthz")
    until(tab.page, "caches.keys().then(names => names.length === 0)")
    assert tab.page.evaluate("localStorage.length") == 0


def test_a_new_worker_clears_the_copies_of_the_old_one(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/healthz")
    tab.page.evaluate(
        """async () => {
            await (await caches.open("offline")).put("/de/offline", new Response("old"));
            await (await caches.open("kept-0")).put("/ar/offline", new Response("old"));
        }"""
    )
    tab.page.goto("/de/")
    keeps_everything(tab)
    keeps_everything(tab, "ar")
    names = tab.page.evaluate("caches.keys()")
    assert len(names) == 1
    assert names[0] not in ("offline", "kept-0")


def test_the_app_can_be_installed(site: Site, phone: Any) -> None:
    tab = phone(site)
    tab.page.goto("/ar/")
    session = tab.context.new_cdp_session(tab.page)
    found = session.send("Page.getAppManifest")
    assert found["errors"] == []
    assert found["url"].endswith("/ar/app.webmanifest")
    keeps_everything(tab, "ar")
    tab.page.reload()
    assert session.send("Page.getInstallabilityErrors")["installabilityErrors"] in (
        [],
        # What a private window says, which a test is.
        [{"errorId": "in-incognito", "errorArguments": []}],
    )


@pytest.mark.parametrize("lang", ["de", "ar"])
def test_the_first_view_is_painted_after_one_answer(site: Site, browser: Any, lang: str) -> None:
    """At 64 kbit/s: when something stands on the screen, the page itself is all that was fetched, in one flight."""
    portal = site.app.extensions["portal"]
    slug = portal.catalogue.services()[0].slug
    context = browser.new_context(viewport={"width": 360, "height": 740}, base_url=site.address)
    try:
        for path in (
            "",
            "check/who",
            "check/topic",
            "offers",
            f"offers/{slug}",
            "help-now",
            "topics",
            "saved",
        ):
            page = context.new_page()
            session = context.new_cdp_session(page)
            session.send("Network.enable")
            session.send(
                "Network.emulateNetworkConditions",
                {"offline": False, "latency": 400, "downloadThroughput": 8000, "uploadThroughput": 8000},
            )
            arrived: list[float] = []
            session.on(
                "Network.loadingFinished",
                lambda event, sizes=arrived: sizes.append(event["encodedDataLength"]),
            )
            page.goto(f"/{lang}/{path}", wait_until="commit", timeout=60_000)
            until(page, "performance.getEntriesByName('first-contentful-paint').length > 0")
            seen = page.evaluate(
                """() => {
                    const painted = performance.getEntriesByName("first-contentful-paint")[0].startTime;
                    return performance.getEntriesByType("resource").filter(r => r.responseEnd && r.responseEnd < painted
                        && r.renderBlockingStatus === "blocking").map(r => r.name);
                }"""
            )
            assert seen == [], path
            page.wait_for_load_state("domcontentloaded", timeout=60_000)
            assert arrived, path
            assert arrived[0] <= FIRST_FLIGHT, path
            page.close()
    finally:
        context.close()
