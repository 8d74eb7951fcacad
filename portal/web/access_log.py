"""gunicorn's log without what opens something: links sent by mail work for whoever reads them here."""

import logging
import re
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

_SECRET = re.compile(r"(/(?:invitation|reset|confirm|consent|import)/)[^/\s?#]+")
HIDDEN = "..."


def without_tokens(text: str) -> str:
    """`/admin/reset/kX3v…` is `/admin/reset/...`, in a path and in any other text."""
    return _SECRET.sub(r"\1" + HIDDEN, text)


class _Discreet(logging.Filter):
    """For the error log, which names the address of a request that failed."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (shown := without_tokens(message)) != message:
            record.msg, record.args = shown, ()
        return True


class AccessLog(Logger):
    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.filters[:] = [_Discreet()]

    def atoms(self, resp: Any, req: Any, environ: Any, request_time: Any) -> dict[str, Any]:
        # `U` only: the other atoms with an address stand in no format of ours (portal.web.logs.ACCESS_FORMAT).
        found: dict[str, Any] = super().atoms(resp, req, environ, request_time)
        # A request that broke has no path.
        return {**found, "U": without_tokens(found["U"] or "-")}
