"""A server on this machine that speaks LibreTranslate's interface: "Hallo" becomes "en:Hallo"."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class StandIn:
    url: str = ""
    key: str = "secret-key"
    received: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    delay: float = 0
    raw: bytes | None = None
    """Sent instead of a proper answer."""
    change: Callable[[str, str], str] = lambda text, target: f"{target}:{text}"


@contextmanager
def stand_in() -> Iterator[StandIn]:
    state = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/languages"
            self.answer(
                [
                    {"code": "de", "name": "German", "targets": ["de", "en", "ar"]},
                    {"code": "en", "name": "English", "targets": ["de", "en"]},
                ]
            )

        def do_POST(self) -> None:
            assert self.path == "/translate"
            wish = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.received.append(wish)
            if wish.get("api_key") != state.key:
                self.answer({"error": "Invalid API key"}, 403)
                return
            assert wish["source"] == "de" and wish["format"] == "text"
            texts = wish["q"] if isinstance(wish["q"], list) else [wish["q"]]
            made = [state.change(text, wish["target"]) for text in texts]
            self.answer({"translatedText": made if isinstance(wish["q"], list) else made[0]})

        def answer(self, data: Any, status: int | None = None) -> None:
            time.sleep(state.delay)
            body = state.raw if state.raw is not None else json.dumps(data).encode()
            self.send_response(status or state.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
