"""The page cache on its own, in front of a small application that counts how often it is asked."""

import gzip
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from wsgiref.util import setup_testing_defaults

import brotli
import pytest

from portal.web.pagecache import MARK, PageCache, accepted, compress

MINUTE = 1_000_020.0
"""A moment at which a minute begins."""


@dataclass
class Site:
    """An application and what it answers with."""

    body: bytes = b"<h1>Start</h1>" * 60
    status: str = "200 OK"
    headers: list[tuple[str, str]] = field(default_factory=lambda: [(MARK, "1")])
    asked: list[str] = field(default_factory=list)
    closed: int = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.asked.append(environ["REQUEST_METHOD"])
        headers = [("Content-Type", "text/html"), ("Content-Length", str(len(self.body))), *self.headers]
        start_response(self.status, headers)
        return Answer(self, [self.body] if environ["REQUEST_METHOD"] != "HEAD" else [])


class Answer(list[bytes]):
    def __init__(self, site: Site, parts: list[bytes]) -> None:
        super().__init__(parts)
        self._site = site

    def close(self) -> None:
        self._site.closed += 1


class Visitor:
    """Asks through the cache; time and revision are plain values to change."""

    def __init__(self, site: Site, **options: Any) -> None:
        self.now = MINUTE
        self.revision: object = 1
        self.cache = PageCache(
            site, **{"seconds": 60, **options}, revision=lambda: self.revision, clock=lambda: self.now
        )

    def get(self, path: str = "/de/", *, method: str = "GET", **headers: str) -> "Seen":
        environ: dict[str, Any] = {
            "PATH_INFO": path.partition("?")[0],
            "QUERY_STRING": path.partition("?")[2],
        }
        setup_testing_defaults(environ)
        environ.update(REQUEST_METHOD=method, SCRIPT_NAME="")
        environ.update({f"HTTP_{name.upper()}": value for name, value in headers.items()})
        seen = Seen()

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            seen.status, seen.headers = status, dict(headers)

        result = self.cache(environ, start)
        seen.body = b"".join(result)
        close = getattr(result, "close", None)
        if close:
            close()
        return seen


class Seen:
    status: str
    headers: dict[str, str]
    body: bytes


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return Visitor(site)


def test_a_marked_page_is_made_once(site, visitor):
    first, second = visitor.get(), visitor.get()
    assert first.body == second.body == site.body
    assert site.asked == ["GET"]
    assert visitor.cache.hits == 1


def test_the_mark_stays_inside(visitor):
    assert MARK not in visitor.get().headers
    assert MARK not in visitor.get().headers


def test_an_unmarked_page_is_made_every_time(site, visitor):
    site.headers = []
    visitor.get()
    visitor.get()
    assert site.asked == ["GET", "GET"]


@pytest.mark.parametrize("status", ["404 NOT FOUND", "500 INTERNAL SERVER ERROR", "302 FOUND"])
def test_only_a_good_answer_is_kept(site, visitor, status):
    site.status = status
    visitor.get()
    assert visitor.get().status == status
    assert len(site.asked) == 2


def test_posts_pass_through_and_do_not_meet_a_kept_page(site, visitor):
    visitor.get()
    visitor.get(method="POST")
    assert site.asked == ["GET", "POST"]


def test_a_cookie_never_gets_into_a_kept_page(site, visitor):
    site.headers.append(("Set-Cookie", "anlauf=answers"))
    assert "Set-Cookie" not in visitor.get().headers
    assert "Set-Cookie" not in visitor.get().headers


def test_a_page_ends_with_its_minute_because_open_now_is_on_it(site, visitor):
    visitor.now = MINUTE + 50
    visitor.get()
    visitor.now = MINUTE + 59.9
    visitor.get()
    assert len(site.asked) == 1
    visitor.now = MINUTE + 60
    visitor.get()
    assert len(site.asked) == 2


def test_a_page_ends_after_its_seconds(site):
    visitor = Visitor(site, seconds=5)
    visitor.get()
    visitor.now += 5
    visitor.get()
    assert len(site.asked) == 2


def test_a_changed_catalogue_empties_the_cache(site, visitor):
    visitor.get()
    site.body = b"<h1>New</h1>" * 60
    visitor.revision = 2
    assert visitor.get().body == site.body


def test_address_query_and_fragment_are_different_pages(site, visitor):
    visitor.get("/de/")
    visitor.get("/en/")
    visitor.get("/de/offers?topic=a")
    visitor.get("/de/offers?topic=b")
    visitor.get("/de/", hx_request="true")
    assert len(site.asked) == 5
    visitor.get("/de/", hx_request="true")
    assert len(site.asked) == 5


@pytest.mark.parametrize("header", ["hx_boosted", "hx_history_restore_request"])
def test_boosted_and_restored_pages_are_whole(site, visitor, header):
    visitor.get("/de/")
    visitor.get("/de/", hx_request="true", **{header: "true"})
    assert len(site.asked) == 1


def test_the_oldest_page_makes_room(site):
    visitor = Visitor(site, capacity=2)
    for path in ("/1", "/2", "/3"):
        visitor.get(path)
    visitor.get("/3")
    assert len(site.asked) == 3
    visitor.get("/1")
    assert len(site.asked) == 4


def test_each_coding_unpacks_to_the_same_page_and_has_its_own_etag(site, visitor):
    plain, br, gz = (visitor.get(accept_encoding=coding) for coding in ("", "br, gzip", "gzip"))
    assert "Content-Encoding" not in plain.headers
    assert (br.headers["Content-Encoding"], gz.headers["Content-Encoding"]) == ("br", "gzip")
    assert plain.body == brotli.decompress(br.body) == gzip.decompress(gz.body) == site.body
    assert len({seen.headers["ETag"] for seen in (plain, br, gz)}) == 3
    for seen in (plain, br, gz):
        assert seen.headers["Content-Length"] == str(len(seen.body))
    assert len(site.asked) == 1


def test_who_has_the_page_already_gets_no_body(visitor):
    etag = visitor.get(accept_encoding="br").headers["ETag"]
    again = visitor.get(accept_encoding="br", if_none_match=f'"other", {etag}')
    assert again.status.startswith("304")
    assert again.body == b""
    assert again.headers["ETag"] == etag
    assert visitor.get(accept_encoding="gzip", if_none_match=etag).status.startswith("200")


def test_a_changed_page_has_another_etag(site, visitor):
    before = visitor.get().headers["ETag"]
    site.body = b"<h1>Later</h1>" * 60
    visitor.now += 60
    assert visitor.get(if_none_match=before).status.startswith("200")


@pytest.mark.parametrize("kept", [True, False])
def test_head_has_the_headers_of_get_and_no_body(site, visitor, kept):
    site.headers = [(MARK, "1")] if kept else []
    head = visitor.get(method="HEAD")
    assert head.body == b""
    get = visitor.get()
    assert head.headers == get.headers
    assert visitor.get(method="HEAD").body == b""


@pytest.mark.parametrize("kept", [True, False])
def test_every_answer_of_the_application_is_closed(site, visitor, kept):
    site.headers = [(MARK, "1")] if kept else []
    visitor.get()
    visitor.get("/en/", method="HEAD")
    assert site.closed == len(site.asked) == 2


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("", ""),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("GZIP", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br; q=0.000, gzip;q=0", ""),
        ("br;q=0.1", "br"),
        ("identity", ""),
        ("bright", ""),
    ],
)
def test_accepted_coding(header, coding):
    assert accepted(header) == coding


@pytest.mark.parametrize("thorough", [True, False])
def test_compression_loses_nothing_and_is_repeatable(thorough):
    data = "Grüße, شكراً ".encode() * 200
    assert brotli.decompress(compress(data, "br", thorough=thorough)) == data
    packed = compress(data, "gzip", thorough=thorough)
    assert gzip.decompress(packed) == data
    assert packed == compress(data, "gzip", thorough=thorough)
