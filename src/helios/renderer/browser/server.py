"""Serves a project folder to its own page, on loopback."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

from helios.renderer.browser import page_video
from helios.renderer.browser.charset import with_charset
from helios.renderer.browser.page_video import PageVideo

HOST = "helios.localhost"
ORIGIN = f"http://{HOST}"
"""The origin at which a page sees its folder: the same in every chunk, and a secure context (*.localhost)."""


Used = dict[str, tuple[int, int] | None]
"""Requested files, by their path below the folder: size and time of the last change (ns), or None where there
is no such file."""


@contextmanager
def serve(root: Path, used: Used) -> Generator[int]:
    """Serves ``root`` on loopback for the duration of the block, and yields the port.

    Requested files are recorded in ``used``.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, used, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, used: Used, *args: Any, **kwargs: Any) -> None:
        self._used = used
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        """Answers with the file, or the part of it that a Range header asks for (RFC 9110, section 14)."""
        self._part: tuple[int, int] | None = None
        super().do_GET()

    def send_head(self) -> BytesIO | BinaryIO | None:
        if self.path.startswith(page_video.PATH):
            return self._video_frames("/" + self.path.removeprefix(page_video.PATH))
        path = self._file(self.path)
        if path is None:
            return None
        video = self._video(path) if self.headers.get("Sec-Fetch-Dest") == "video" else ""
        if not isinstance(video, str):
            return self._send(BytesIO(video.placeholder), len(video.placeholder), "video/webm")
        return self._send(path.open("rb"), path.stat().st_size, with_charset(self.guess_type(path), path))

    def _file(self, url: str) -> Path | None:
        """Records and returns the requested file; answers with an error and returns None if there is none."""
        path = Path(self.translate_path(url))
        root = Path(self.directory).resolve()
        name = path.relative_to(self.directory).as_posix()
        if not path.resolve().is_relative_to(root) or not path.is_file():
            self._used.setdefault(name, None)
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        found = path.stat()
        self._used.setdefault(name, (found.st_size, found.st_mtime_ns))
        return path

    def _video(self, path: Path) -> PageVideo | str:
        return page_video.open_page_video(path, path.stat().st_mtime_ns)

    def _video_frames(self, url: str) -> BytesIO | BinaryIO | None:
        """Answers with the times of a video's frames, or with one of the frames."""
        path = self._file(url)
        if path is None:
            return None
        video = self._video(path)
        if isinstance(video, str):
            self.send_error(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, video)
            return None
        number = parse_qs(urlsplit(url).query).get("frame")
        try:
            if number is None:
                index = {"times": video.times, "duration": video.duration, "tick": video.tick, "audio": video.audio}
                data, kind = json.dumps(index).encode(), "application/json"
            else:
                data, kind = video.image(int(number[0])), "image/png"
        except (ValueError, IndexError, OSError) as error:
            self.send_error(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
            return None
        return self._send(BytesIO(data), len(data), kind)

    def _send(self, file: BinaryIO, size: int, kind: str) -> BytesIO | BinaryIO | None:
        """Answers with a file, or the requested part of it."""
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        start, stop = 0, size
        if size and wanted and (wanted[1] or wanted[2]):  # there is no part of an empty file
            start = int(wanted[1]) if wanted[1] else max(0, size - int(wanted[2]))
            stop = min(size, int(wanted[2]) + 1) if wanted[1] and wanted[2] else size
            if start >= stop:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                file.close()
                return None
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
        else:
            self.send_response(HTTPStatus.OK)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(stop - start))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        file.seek(start)
        return _Window(file, stop - start)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing: the page reports missing files."""

    def handle_one_request(self) -> None:
        """Handles a request; a client that disconnects is no error."""
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True


class _Window(BytesIO):
    """The next ``length`` bytes of a file."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        super().__init__()
        self._file, self._left = file, length

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._file.read(self._left if size is None or size < 0 else min(size, self._left))
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._file.close()
        super().close()
