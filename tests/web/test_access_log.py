"""What stands in gunicorn's log, by gunicorn itself with the arguments that `portal serve` gives it."""

from pathlib import Path

import pytest

from portal.config import Settings
from portal.web.access_log import without_tokens
from tests.web.real_server import ask, served

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


def test_no_link_of_a_mail_stands_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "tiny.py").write_text(APP)
    log = tmp_path / "log"
    settings = Settings(secret_key="s" * 40, data_dir=tmp_path)
    with served(settings, log, app="tiny:app", environment={"PYTHONPATH": str(tmp_path)}) as port:
        for path in [*PATHS, f"/admin/reset/{TOKEN}/breaks"]:
            ask(port, path)
    written = log.read_text()
    assert TOKEN not in written
    asked = [line.split()[1] for line in written.splitlines() if line.startswith("GET ")]
    assert asked == [*PATHS.values(), "-"]
    assert "Error handling request GET /admin/reset/.../breaks" in written, "also the error log"
