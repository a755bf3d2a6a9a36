"""A proxy to a server on loopback that is slow, closes connections, or stops sending."""

import contextlib
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_BLOCK = 16 * 1024


@dataclass
class Link:
    """Forwards ``rate`` bytes a second for each connection. It closes the first connection that has received ``cut``
    bytes; after ``silent`` bytes in either direction it forwards nothing.
    """

    server: tuple[str, int]
    rate: float
    cut: float = float("inf")
    silent: float = float("inf")
    sent: int = 0
    received: int = 0
    _open: list[socket.socket] = field(default_factory=list[socket.socket])

    def serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self.server)
                self._open += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        back = target.getpeername()[1] != self.server[1]
        with contextlib.suppress(OSError):
            while block := source.recv(_BLOCK):
                while self.sent > self.silent or self.received > self.silent:
                    time.sleep(0.05)
                if back:
                    self.received += len(block)
                else:
                    self.sent += len(block)
                if back and self.received > self.cut:
                    self.cut = float("inf")
                    break
                target.sendall(block)
                time.sleep(len(block) / self.rate)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.silent = float("inf")
        for end in self._open:
            end.close()


@contextmanager
def slow_link(url: str, rate: float, **more: float) -> Generator[tuple[str, Link]]:
    """Yields the URL of a slow proxy to the server at ``url``, and the proxy."""
    split = urlsplit(url)
    assert split.hostname
    assert split.port
    link = Link((split.hostname, split.port), rate, **more)  # type: ignore[arg-type]
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        threading.Thread(target=link.serve, args=(listener,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", link
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            link.close()
