"""Scripts and icons under addresses that change with their content, compressed once."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort

from portal.web.languages import Language, unmarked
from portal.web.rendering import ASSETS
from portal.web.responses import KEPT_PAGES, packed, tagged
from portal.web.texts import N_

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
KEPT_FILES = ("app.js", "saved.js", "clearing.js", "icon.svg")
"""What the kept pages need to work without network."""


class Assets:
    """Files of one folder, by name and by hashed name."""

    def __init__(self, directory: Path = ASSETS) -> None:
        self._bodies: dict[str, tuple[str, dict[str, bytes]]] = {}
        self._names: dict[str, str] = {}
        for path in sorted(directory.iterdir()):
            if path.suffix not in TYPES:
                continue
            body = path.read_bytes()
            if path.suffix == ".js" and ".min" not in path.name:
                body = squeezed(body)
            digest = hashlib.sha256(body).hexdigest()[:10]
            hashed = f"{path.stem}.{digest}{path.suffix}"
            self._names[path.name] = hashed
            self._bodies[hashed] = (TYPES[path.suffix], {"": body})

    def url(self, name: str) -> str:
        """Raises KeyError for a file that does not exist."""
        return f"/static/{self._names[name]}"

    def body(self, name: str) -> bytes:
        return self._bodies[self._names[name]][1][""]

    def answer(self, hashed: str) -> Response:
        found = self._bodies.get(hashed)
        if found is None:
            abort(404)
        response = packed(*found)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def squeezed(script: bytes) -> bytes:
    """Without indentation and lines that are comments. Our own scripts have no text that goes over several lines."""
    lines = (line.strip() for line in script.splitlines())
    return b"\n".join(line for line in lines if line and not line.startswith(b"//")) + b"\n"


def worker_script(assets: Assets, languages: Mapping[str, Language]) -> bytes:
    """The service worker with what it has to know. Any change of it makes browsers take the new one."""
    known: dict[str, Any] = {
        "files": [assets.url(name) for name in KEPT_FILES],
        "pages": KEPT_PAGES,
        "words": {code: last_words(language) for code, language in languages.items()},
    }
    source = json.dumps(known, ensure_ascii=False, separators=(",", ":")).encode()
    body = b"const KNOWN = " + source + b";\n" + assets.body("worker.js")
    version = hashlib.sha256(body).hexdigest()[:10].encode()
    return b'const VERSION = "' + version + b'";\n' + body


def last_words(language: Language) -> list[str]:
    """For the page that stands in when nothing else is there: direction, title, text, and the link to try again."""
    return [language.dir, *(escape(unmarked(language.messages.gettext(text))) for text in _LAST_WORDS)]


_LAST_WORDS: Iterable[str] = (
    N_("You are offline"),
    N_("Calling also works without internet."),
    N_("Try again"),
)


def blueprint(assets: Assets, languages: Mapping[str, Language]) -> Blueprint:
    bp = Blueprint("assets", __name__)
    worker_bodies = {"": worker_script(assets, languages)}

    @bp.get("/static/<name>")
    def file(name: str) -> Response:
        return assets.answer(name)

    @bp.get("/apple-touch-icon.png")
    def apple_icon() -> Response:
        """iPhones ask for it here without being told to."""
        response = packed(TYPES[".png"], {"": assets.body("icon-192.png")})
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response

    @bp.get("/worker.js")
    def worker() -> Response:
        """The service worker: it must stand at the root to see every page."""
        # Pages register it as one that may be kept: asking for it with every page would cost a round trip each.
        return tagged(packed(TYPES[".js"], worker_bodies), cache="public, max-age=3600")

    return bp
