"""Anonymous pages kept as bytes, in front of Flask.

A page comes here only when its view said so (`anonymous` in `responses.py`): nothing in it depends on a
cookie, and its address holds nothing somebody typed. Kept until the minute turns, because "open now" is on
it, or until the catalogue changes.
"""

import gzip
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import brotli

Environ = dict[str, Any]
Start = Callable[..., Any]

MARK = "X-Anlauf-Keep"
"""Internal response header: the middleware keeps the page and removes the header."""


@dataclass(slots=True)
class _Page:
    headers: list[tuple[str, str]]
    etag: str
    plain: bytes
    until: float
    for_strangers: bool
    """Its view looks at the cookie (`Vary: Cookie`): whoever brings one may get another page."""
    packed: dict[str, bytes] = field(default_factory=dict)

    def body(self, encoding: str) -> bytes:
        if not encoding:
            return self.plain
        if encoding not in self.packed:
            self.packed[encoding] = compress(self.plain, encoding, thorough=True)
        return self.packed[encoding]


def accepted(header: str) -> str:
    """The content coding to answer with: "br", "gzip" or "" (RFC 9110 §12.5.3; q=0 refuses)."""
    codings = {}
    for part in header.split(","):
        name, _, q = part.partition(";")
        codings[name.strip().lower()] = q.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    for coding in ("br", "gzip"):
        if codings.get(coding, False):
            return coding
    return ""


def compress(data: bytes, encoding: str, *, thorough: bool) -> bytes:
    """`thorough` is for bytes that are sent many times."""
    if encoding == "br":
        return brotli.compress(data, mode=brotli.MODE_TEXT, quality=11 if thorough else 5)
    return gzip.compress(data, 9 if thorough else 1, mtime=0)


class PageCache:
    """WSGI middleware. `revision` returns a value that changes with the catalogue; it must be cheap."""

    def __init__(
        self,
        app: Callable[[Environ, Start], Iterable[bytes]],
        *,
        seconds: int,
        revision: Callable[[], object],
        capacity: int = 1500,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._seconds = seconds
        self._revision = revision
        self._seen: object = None
        self._capacity = capacity
        self._clock = clock
        self._pages: OrderedDict[tuple[str, str, bool], _Page] = OrderedDict()
        self._lock = Lock()
        self.hits = 0

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD") or environ.get("SCRIPT_NAME") or environ["PATH_INFO"] == "/healthz":
            return self._app(environ, start_response)
        now = self._clock()
        revision = self._revision()
        if revision != self._seen:
            with self._lock:
                self._pages.clear()
                self._seen = revision
        key = (environ["PATH_INFO"], environ.get("QUERY_STRING", ""), _wants_fragment(environ))
        page = self._pages.get(key)
        if page is not None and page.until > now and not (page.for_strangers and environ.get("HTTP_COOKIE")):
            self.hits += 1
            return self._answer(page, environ, start_response)
        return self._fetch(key, now, environ, start_response)

    def _fetch(
        self, key: tuple[str, str, bool], now: float, environ: Environ, start_response: Start
    ) -> Iterable[bytes]:
        began: list[Any] = []

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], Any]:
            began[:] = [status, headers, exc_info]
            return lambda data: None

        head = environ["REQUEST_METHOD"] == "HEAD"
        revision = self._seen
        result = self._app({**environ, "REQUEST_METHOD": "GET"} if head else environ, start)
        status, headers, exc_info = began
        if not status.startswith("200") or not any(name == MARK for name, _ in headers):
            start_response(status, headers, *([exc_info] if exc_info else []))
            if not head:
                return result
            _close(result)
            return []
        try:
            plain = b"".join(result)
        finally:
            _close(result)
        etag = '"' + hashlib.sha256(plain).hexdigest()[:20] + '"'
        kept = [(n, v) for n, v in headers if n not in (MARK, "Content-Length", "Set-Cookie")]
        varies = ",".join(value.lower() for name, value in headers if name.lower() == "vary")
        page = _Page(
            kept,
            etag,
            plain,
            until=min(now + self._seconds, (now // 60 + 1) * 60),
            for_strangers="cookie" in varies,
        )
        with self._lock:
            if self._seen == revision:
                # Otherwise the catalogue changed while the page was made, and it may show the old state.
                self._pages[key] = page
            while len(self._pages) > self._capacity:
                self._pages.popitem(last=False)
        return self._answer(page, environ, start_response)

    def _answer(self, page: _Page, environ: Environ, start_response: Start) -> Iterable[bytes]:
        encoding = accepted(environ.get("HTTP_ACCEPT_ENCODING", ""))
        etag = page.etag if not encoding else f'{page.etag[:-1]}-{encoding}"'
        headers = [*page.headers, ("ETag", etag)]
        if encoding:
            headers.append(("Content-Encoding", encoding))
        if etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            start_response(
                "304 Not Modified", [h for h in headers if h[0] not in ("Content-Type", "Content-Encoding")]
            )
            return []
        body = page.body(encoding)
        headers.append(("Content-Length", str(len(body))))
        start_response("200 OK", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _close(result: Iterable[bytes]) -> None:
    """PEP 3333: what the application returned is closed by whoever iterates it."""
    close = getattr(result, "close", None)
    if close:
        close()


def _wants_fragment(environ: Environ) -> bool:
    return (
        environ.get("HTTP_HX_REQUEST") == "true"
        and environ.get("HTTP_HX_BOOSTED") != "true"
        and environ.get("HTTP_HX_HISTORY_RESTORE_REQUEST") != "true"
    )
