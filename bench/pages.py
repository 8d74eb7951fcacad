"""Bytes of the first view, and requests per second against a bare Flask.

The first view is what the browser needs to paint: the HTML (the style is in it) with its headers, compressed. Rates come
from wrk with 16 connections; portal and bare server take turns in every round, and the median ratio is shown.
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
from urllib.parse import urlsplit

from bench.servers import BARE, PORTAL, prepared, server

GOALS = {"start": 6000, "question": 6000, "offer": 6000, "result": 9000, "search": 9000}


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default="harz")
    parser.add_argument("--place", default="Wernigerode")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only-bytes", action="store_true")
    given = parser.parse_args()
    with prepared(given.region) as env, server(PORTAL, env) as (portal, _), server(BARE, env) as (bare, _):
        print(f"{'page':10} {'de':>7} {'ar':>7}  goal (bytes with headers, as a browser asks)")
        ways = {}
        for lang in ("de", "ar"):
            visitor = Visitor(portal, lang)
            pages = visitor.to_result(given.place)
            _, html = visitor.get(f"/{lang}/offers")
            offer = re.search(rf'href="(/{lang}/offers/[a-z0-9-]+)"', html)
            assert offer
            anonymous = {"start": f"/{lang}/", "search": f"/{lang}/offers", "offer": offer[1]}
            ways[lang] = {**pages, **{page: (path, "") for page, path in anonymous.items()}}
        for page, goal in GOALS.items():
            sizes = [weight(portal, *ways[lang][page]) for lang in ("de", "ar")]
            print(f"{page:10} {sizes[0]:7} {sizes[1]:7}  {goal} {'ok' if max(sizes) <= goal else 'ABOVE'}")
        if given.only_bytes:
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
