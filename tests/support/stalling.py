"""Audio servers that stop responding, each in a different phase of a request."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"

Phase = Callable[[socket.socket, bytes], None]


def accepted(connection: socket.socket, data: bytes) -> None:
    """Accepts the connection and sends nothing, not even a TLS handshake."""


def headers(connection: socket.socket, data: bytes) -> None:
    """Sends the response headers only."""
    connection.recv(65536)
    connection.sendall(_HEAD % len(data))


def half(connection: socket.socket, data: bytes) -> None:
    """Sends half of the body."""
    connection.recv(65536)
    connection.sendall(_HEAD % len(data) + data[: len(data) // 2])


def redirects(connection: socket.socket, data: bytes) -> None:
    """Redirects to itself endlessly."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)


@contextmanager
def stalling(phase: Phase, data: bytes = b"") -> Generator[tuple[str, threading.Event]]:
    """Yields the host and port of a server with this behaviour, and an event that is set once it has stalled."""
    stalled = threading.Event()
    open_: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection: socket.socket) -> None:
            with suppress(OSError):
                phase(connection, data)
                stalled.set()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    open_.append(connection)
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", stalled
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in open_:
                connection.close()
