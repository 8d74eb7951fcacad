"""What is written down: never an answer, a name, an address or what somebody searched for."""

import logging
import sys

ACCESS_FORMAT = "%(m)s %(U)s %(s)s %(B)s %(D)sus"
"""For gunicorn: method, path without the query, status, bytes, time. No address, no agent, no referrer."""


def configure(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger("portal")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
