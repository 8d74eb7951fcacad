"""Scripts and icons under addresses that change with their content, compressed once."""

import hashlib
from pathlib import Path

from flask import Blueprint, Response, abort, request

from portal.web.pagecache import accepted, compress
from portal.web.rendering import ASSETS

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".png": "image/png",
}


class Assets:
    """Files of one folder, by name and by hashed name."""

    def __init__(self, directory: Path = ASSETS) -> None:
        self._bodies: dict[str, tuple[str, dict[str, bytes]]] = {}
        self._names: dict[str, str] = {}
        for path in sorted(directory.iterdir()):
            if path.suffix not in TYPES:
                continue
            body = path.read_bytes()
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
        content_type, bodies = found
        encoding = "" if content_type == "image/png" else accepted(request.headers.get("Accept-Encoding", ""))
        if encoding not in bodies:
            bodies[encoding] = compress(bodies[""], encoding, thorough=True)
        response = Response(bodies[encoding], content_type=content_type)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.headers["Vary"] = "Accept-Encoding"
        if encoding:
            response.headers["Content-Encoding"] = encoding
        return response


def blueprint(assets: Assets) -> Blueprint:
    bp = Blueprint("assets", __name__)

    @bp.get("/static/<name>")
    def file(name: str) -> Response:
        return assets.answer(name)

    @bp.get("/worker.js")
    def worker() -> Response:
        """The service worker: it must stand at the root to see every page, and be asked for anew."""
        response = Response(assets.body("worker.js"), content_type=TYPES[".js"])
        response.headers["Cache-Control"] = "no-cache"
        return response

    return bp
