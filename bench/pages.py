"""Bytes of the first view, seconds on a narrow line, and requests per second against a bare Flask.

The first view is what the browser needs to paint: the HTML (the style is in it) with its headers, compressed. The narrow
lines are made by Chromium (Debian package `chromium`). Rates come from wrk with 16 connections; portal and bare server
take turns in every round, and the median ratio is shown.
"""

import argparse
import http.cookiejar
import re
import shutil
import statistics
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from bench.servers import BARE, PORTAL, prepared, server

FIRST_FLIGHT = 14_600
"""The promise for every page; ten segments (RFC 6928)."""
PAGES = ("start", "question", "result", "search", "offer", "help-now", "topics")
LINES = {"64 kbit/s, 400 ms": (8000, 400), "2G: 50 kbit/s, 600 ms": (6250, 600)}
"""Name → bytes per second both ways, and milliseconds there and back."""
SLOWEST = 3.0
"""Seconds until a page can be read and used on 2G."""


class Visitor:
    """A young person's way to the result, with cookies and without scripts."""

    def __init__(self, address: str, lang: str) -> None:
        self.address, self.lang = address, lang
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.jar))

    def get(self, path: str) -> tuple[str, str]:
        with self.opener.open(self.address + path) as response:
            return response.url[len(self.address) :], response.read().decode()

    def answer(self, path: str, html: str, values: list[tuple[str, str]]) -> tuple[str, str]:
        token = re.search(r'name="csrf_token" value="([^"]+)"', html.split("<main", 1)[1])
        assert token
        data = urllib.parse.urlencode([("csrf_token", token[1]), *values]).encode()
        with self.opener.open(self.address + path.split("?")[0], data) as response:
            return response.url[len(self.address) :], response.read().decode()

    def to_result(self, place: str) -> dict[str, tuple[str, str]]:
        """Page → path and cookie: the question with the tiles as it is asked, and the result."""
        path, html = self.get(f"/{self.lang}/check")
        found: dict[str, tuple[str, str]] = {}
        for _ in range(9):
            path = path.split("?")[0]
            name = path.rsplit("/", 1)[1]
            if name == "result":
                found["result"] = (path, self.cookie)
                break
            if name == "topic":
                found["question"] = (path, self.cookie)
            if name == "place":
                values = [("place", place)]
            else:
                options = re.findall(r'name="answer"[^>]*value="([^"]+)"', html)
                wanted = [o for o in options if o in ("me", "training_place", "age_15_17")]
                values = [
                    ("answer", (wanted or [o for o in options if o not in ("dont_know", "no_answer")])[0])
                ]
            path, html = self.answer(path, html, values)
        return found

    @property
    def cookie(self) -> str:
        return "; ".join(f"{c.name}={c.value}" for c in self.jar)


def weight(address: str, path: str, cookie: str = "") -> int:
    """Bytes on the wire of one answer: status line, headers and body."""
    connection = HTTPConnection(urlsplit(address).netloc)
    headers = {"Accept-Encoding": "gzip, deflate, br", **({"Cookie": cookie} if cookie else {})}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    head = len(f"HTTP/1.1 {response.status} {response.reason}\r\n") + 2
    head += sum(len(f"{name}: {value}\r\n".encode()) for name, value in response.getheaders())
    assert response.status == 200, f"{path}: {response.status}"
    return head + len(body)


def rate(url: str, seconds: int, cookie: str = "") -> float:
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-H", "Accept-Encoding: br, gzip"]
    if cookie:
        command += ["-H", f"Cookie: {cookie}"]
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found and "Non-2xx" not in output, output
    return float(found[1])


def languages_of(portal: str) -> list[str]:
    """As the start page offers them."""
    _, html = Visitor(portal, "de").get("/de/")
    menu = html.partition('id="languages"')[2].partition("</nav>")[0]
    return re.findall(r'href="/([a-z-]+)/"', menu)


def ways_of(portal: str, lang: str, place: str) -> dict[str, tuple[str, str]]:
    """Page → path and cookie."""
    visitor = Visitor(portal, lang)
    found = visitor.to_result(place)
    _, html = visitor.get(f"/{lang}/offers")
    offer = re.search(rf'href="(/{lang}/offers/[a-z0-9-]+)"', html)
    assert offer
    anonymous = {
        "start": f"/{lang}/",
        "search": f"/{lang}/offers",
        "offer": offer[1],
        "help-now": f"/{lang}/help-now",
        "topics": f"/{lang}/topics",
    }
    return {**found, **{page: (path, "") for page, path in anonymous.items()}}


def print_weights(portal: str, ways: dict[str, dict[str, tuple[str, str]]]) -> None:
    print(f"first view in bytes with headers, in {len(ways)} languages; at most {FIRST_FLIGHT}")
    print(f"{'page':10} {'de':>7} {'most':>7}  in")
    for page in PAGES:
        sizes = {lang: weight(portal, *pages[page]) for lang, pages in ways.items()}
        heaviest = max(sizes, key=lambda lang: sizes[lang])
        verdict = "" if sizes[heaviest] <= FIRST_FLIGHT else "  ABOVE"
        print(f"{page:10} {sizes['de']:7} {sizes[heaviest]:7}  {heaviest}{verdict}")
    kept = {lang: weight(portal, f"/{lang}/kept.json") for lang in ways}
    heaviest = max(kept, key=lambda lang: kept[lang])
    print(
        f"{'for later':10} {kept['de']:7} {kept[heaviest]:7}  {heaviest} (fetched by the worker while somebody reads)"
    )


def print_narrow_lines(portal: str, ways: dict[str, dict[str, tuple[str, str]]]) -> None:
    """From the touch to the first and to the last thing painted and ready, on an empty cache."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("\nno Chromium: narrow lines are not measured")
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (throughput, latency) in LINES.items():
            print(f"\n{name}: seconds to the first paint and until it can be used (slowest of the languages)")
            for page in PAGES:
                times = {
                    lang: narrow(browser, portal, pages[page], throughput, latency)
                    for lang, pages in ways.items()
                }
                slowest = max(times, key=lambda lang: times[lang][1])
                painted, ready = times[slowest]
                verdict = "" if ready <= SLOWEST else "  ABOVE"
                print(f"{page:10} {painted:6.1f} {ready:6.1f}  {slowest}{verdict}")
        browser.close()


def narrow(
    browser: Any, portal: str, way: tuple[str, str], throughput: int, latency: int
) -> tuple[float, float]:
    path, cookie = way
    context = browser.new_context(viewport={"width": 360, "height": 740}, service_workers="block")
    try:
        if cookie:
            name, _, value = cookie.partition("=")
            context.add_cookies([{"name": name, "value": value, "url": portal}])
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        conditions = {"downloadThroughput": throughput, "uploadThroughput": throughput, "latency": latency}
        session.send("Network.emulateNetworkConditions", {"offline": False, **conditions})
        page.goto(portal + path, wait_until="domcontentloaded", timeout=60_000)
        painted, ready = page.evaluate(
            """async () => {
                const paint = () => performance.getEntriesByName("first-contentful-paint")[0];
                while (!paint()) await new Promise(done => setTimeout(done, 20));
                const whole = performance.getEntriesByType("navigation")[0];
                return [paint().startTime, Math.max(paint().startTime, whole.domInteractive)];
            }"""
        )
        return painted / 1000, ready / 1000
    finally:
        context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default="harz")
    parser.add_argument("--place", default="Wernigerode")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only-bytes", action="store_true")
    parser.add_argument("--no-rates", action="store_true", help="bytes and narrow lines only")
    given = parser.parse_args()
    with prepared(given.region) as env, server(PORTAL, env) as (portal, _), server(BARE, env) as (bare, _):
        ways = {lang: ways_of(portal, lang, given.place) for lang in languages_of(portal)}
        print_weights(portal, ways)
        if given.only_bytes:
            return
        print_narrow_lines(portal, ways)
        if given.no_rates:
            return
        if not shutil.which("wrk"):
            sys.exit("wrk is not installed; the rates need it")
        asked = {
            "start (kept)": ways["de"]["start"],
            "search (kept)": ways["de"]["search"],
            "offer (kept)": ways["de"]["offer"],
            "search, typed": ("/de/offers?q=ausbildung", ""),
            "question (fresh)": ways["de"]["question"],
            "result (fresh)": ways["de"]["result"],
        }
        ratios: dict[str, list[float]] = {name: [] for name in asked}
        rates: dict[str, list[float]] = {name: [] for name in [*asked, "bare"]}
        for _ in range(given.rounds):
            for name, (path, cookies) in asked.items():
                base = rate(bare + "/", given.seconds)
                got = rate(portal + path, given.seconds, cookies)
                rates["bare"].append(base)
                rates[name].append(got)
                ratios[name].append(got / base)
        print(f"\n{'requests per second':20} {'median':>8}  share of bare Flask (median, lowest)")
        print(f"{'bare Flask':20} {statistics.median(rates['bare']):8.0f}")
        for name in asked:
            low = min(ratios[name])
            print(
                f"{name:20} {statistics.median(rates[name]):8.0f}  {statistics.median(ratios[name]):.0%} ({low:.0%})"
            )


if __name__ == "__main__":
    main()
