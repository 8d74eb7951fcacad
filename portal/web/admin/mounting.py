"""The way to the admin pages, which are put together when somebody first asks for one.

Whoever serves only the public pays nothing for them: neither time at the start nor memory.
"""

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    from portal.web.application import Portal

PREFIX = "/admin"

StartResponse = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


class LazyAdmin:
    """Hands everything below /admin to the admin application."""

    def __init__(self, public: Wsgi, portal: "Portal") -> None:
        self._public = public
        self._portal = portal
        self._lock = threading.Lock()
        self._app: Flask | None = None

    @property
    def app(self) -> "Flask":
        if self._app is None:
            with self._lock:
                if self._app is None:
                    from portal.web.admin.application import build_admin

                    self._app = build_admin(self._portal)
        return self._app

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == PREFIX or path.startswith(PREFIX + "/"):
            return self.app.wsgi_app(environ, start_response)
        return self._public(environ, start_response)
