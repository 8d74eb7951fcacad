"""What stands in gunicorn's log, by gunicorn itself with the arguments that `portal serve` gives it."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from portal.config import ROOT, Settings
from portal.web import serving
from portal.web.access_log import without_tokens

APP = """
def app(environ, start_response):
    if environ["PATH_INFO"].endswith("/breaks"):
        raise ValueError("no")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""
TOKEN = "kX3vQ-_secret"
PATHS = {
    f"/admin/invitation/{TOKEN}": "/admin/invitation/...",
    f"/admin/reset/{TOKEN}?from=mail": "/admin/reset/...",
    f"/de/confirm/{TOKEN}": "/de/confirm/...",
    f"/ar/confirm/{TOKEN}/correct": "/ar/confirm/.../correct",
    f"/admin/%69nvitation/{TOKEN}": "/admin/invitation/...",
    f"/admin/exchange/import/{TOKEN}/check": "/admin/exchange/import/.../check",
    "/de/offers/jugendamt": "/de/offers/jugendamt",
    "/admin/password": "/admin/password",
}


@pytest.mark.parametrize(("path", "shown"), PATHS.items())
def test_only_the_secret_part_goes(path: str, shown: str) -> None:
    assert without_tokens(path.partition("?")[0].replace("%69", "i")) == shown


def test_no_link_of_a_mail_stands_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _path, arguments, _environment: started.append(arguments))
    monkeypatch.chdir(tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serving.serve(Settings(secret_key="s" * 40, data_dir=tmp_path), "127.0.0.1", port, workers=1)
    (tmp_path / "tiny.py").write_text(APP)
    command = ["tiny:app" if part == "portal:create_app()" else part for part in started[0]]
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, *command[1:]], stdout=output, stderr=subprocess.STDOUT, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )  # fmt: skip
    try:
        for path in [*PATHS, f"/admin/reset/{TOKEN}/breaks"]:
            _ask(port, path)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    written = log.read_text()
    assert TOKEN not in written
    asked = [line.split()[1] for line in written.splitlines() if line.startswith("GET ")]
    assert asked == [*PATHS.values(), "-"]
    assert "Error handling request GET /admin/reset/.../breaks" in written, "also the error log"


def _ask(port: int, path: str) -> None:
    for _ in range(200):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
        finally:
            connection.close()
    pytest.fail("gunicorn did not start")
