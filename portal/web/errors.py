"""Errors as pages. They touch no database, speak the visitor's language and show a way back."""

import logging

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from portal.web import current
from portal.web.current import current_portal
from portal.web.languages import other_codes
from portal.web.locale import language_of_address
from portal.web.responses import NO_STORE, pack, page_context

log = logging.getLogger("portal.web")

TEMPLATES = {403: "403", 404: "404", 405: "405", 410: "410", 413: "413", 414: "413", 429: "429", 503: "503"}


def install(app: Flask, codes: tuple[str, ...]) -> None:
    def page(status: int) -> Response:
        portal = current_portal()
        if "lang" not in g:
            # The error came before the address was looked at.
            g.lang = language_of_address(codes, other_codes(portal.languages.values()))
            current.begin(portal, portal.languages[g.lang])
        template = f"errors/{TEMPLATES.get(status, '500' if status >= 500 else '404')}.html"
        text = portal.renderer.page(
            g.lang, template, {"page": page_context(index=False, csrf=""), "status": status}
        )
        response = Response(status=status, content_type="text/html; charset=utf-8")
        pack(response, text)
        response.headers["Cache-Control"] = NO_STORE
        response.headers["Content-Security-Policy"] = portal.policies["full"]
        response.headers["Content-Language"] = g.lang
        response.headers["Vary"] = "HX-Request, Accept-Language, Accept-Encoding"
        return response

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        if error.code is not None and 300 <= error.code < 400:
            return Response.force_type(error.get_response(), request.environ)  # type: ignore[return-value]
        response = page(error.code or 500)
        for name, value in error.get_headers():
            if name in ("Allow", "Retry-After"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        # The message of an exception may quote what somebody typed; its type and place never do.
        frame = error.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else "unknown"
        log.error("%s at %s while answering endpoint %s", type(error).__name__, where, request.endpoint)
        if app.testing and app.config.get("PROPAGATE_EXCEPTIONS"):
            raise error
        return page(500)
