"""gunicorn itself, with the arguments that `portal serve` gives it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal.config import ROOT, Settings
from portal.web import serving


@contextmanager
def served(
    settings: Settings, log: Path, *, app: str = "portal:create_app()", environment: Mapping[str, str] = {}
) -> Iterator[int]:
    """The port at which `app` answers; what the server says goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    arguments, given = serving.arguments(settings, "127.0.0.1", port, workers=1)
    command = [app if part == "portal:create_app()" else part for part in arguments]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *command],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **given, **environment},
        )
    try:
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and body."""
    for _ in range(1200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        except ConnectionRefusedError:
            time.sleep(0.05)
        finally:
            connection.close()
    pytest.fail("gunicorn did not start")
