"""Servers of sound that stop to answer, each in another phase of a request."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"

Phase = Callable[[socket.socket, bytes], None]


def accepted(connection: socket.socket, data: bytes) -> None:
    """Takes the connection, and says nothing (to a TLS client: does no handshake)."""


def headers(connection: socket.socket, data: bytes) -> None:
    """Sends the head of its answer only."""
    connection.recv(65536)
    connection.sendall(_HEAD % len(data))


def half(connection: socket.socket, data: bytes) -> None:
    """Sends half of the body."""
    connection.recv(65536)
    connection.sendall(_HEAD % len(data) + data[: len(data) // 2])


def redirects(connection: socket.socket, data: bytes) -> None:
    """Leads back to itself, for ever."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.shutdown(socket.SHUT_WR)


@contextmanager
def stalling(phase: Phase, data: bytes = b"") -> Generator[tuple[str, threading.Event]]:
    """The host and port of a server that does so; the event is set as soon as it has stalled once."""
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
