"""A line between browser and portal that can be cut: nobody answers any more, as in a dead spot.

The browser's own switch ("offline") does not reach every request of a service worker; a closed port does.
"""

import contextlib
import socket
import threading
from dataclasses import replace
from urllib.parse import urlsplit

from tests.journeys.conftest import Site


class Line:
    """Listens on a port of its own and passes everything on to the site."""

    def __init__(self, site: Site) -> None:
        parts = urlsplit(site.address)
        assert parts.hostname
        assert parts.port
        self._target = (parts.hostname, parts.port)
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._port = 0
        self.mend()
        self.site = replace(site, address=f"http://127.0.0.1:{self._port}")

    def mend(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(64)
        self._port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        listener, self._listener = self._listener, None
        for open_socket in [*([listener] if listener else []), *self._sockets]:
            # Shut down first: closing alone does not wake the thread that waits in it.
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
            open_socket.close()
        self._sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            if self._listener is not listener:
                near.close()
                far.close()
                return
            self._sockets += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
