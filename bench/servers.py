"""The portal and a bare Flask under the same gunicorn, for measuring one against the other."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BARE = "bench.bare:app"
PORTAL = "portal:create_app()"


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def environment(data: Path, region: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PORTAL_")}
    return {
        **kept,
        "PORTAL_DATA_DIR": str(data),
        "PORTAL_REGION": region,
        "PORTAL_SECRET_KEY": "bench-only-0123456789abcdef0123456789abcdef",
        "PYTHONDONTWRITEBYTECODE": "",
    }


@contextmanager
def prepared(region: str) -> Iterator[dict[str, str]]:
    """A fresh data folder with the region loaded; yields the environment."""
    with tempfile.TemporaryDirectory() as folder:
        env = environment(Path(folder), region)
        code = "from portal.web.cli import settings_for; from portal.web.serving import prepare; prepare(settings_for(), print)"
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
        yield env


@contextmanager
def server(
    app: str, env: dict[str, str], *, workers: int = 2
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """gunicorn with sync workers on a free port; yields its address and process."""
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            app,
            "--bind",
            f"127.0.0.1:{port}",
            "--workers",
            str(workers),
            "--log-level",
            "error",
        ],
        cwd=ROOT,
        env=env,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address + "/healthz", process)
        yield address, process
    finally:
        process.terminate()
        process.wait(20)


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 30) -> float:
    """Seconds until `url` answers."""
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        if process.poll() is not None:
            raise RuntimeError("the server ended")
        try:
            urllib.request.urlopen(url, timeout=1).read()
            return time.perf_counter() - began
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"{url} did not answer")
