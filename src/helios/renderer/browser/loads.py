"""The requests of a page and their results."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote, urlsplit

from helios.renderer.browser import page_video
from helios.renderer.browser.animated_images import is_animated
from helios.renderer.browser.devtools import Params, ProtocolError
from helios.renderer.browser.server import ORIGIN

_AWAITED = frozenset({"Document", "Stylesheet", "Image", "Font", "Script"})
_UNREAD = frozenset({"Ping", "Prefetch", "CSPViolationReport"})
"""Types of requests whose answers a page never reads."""
_VIDEO_PREFIX = ORIGIN + page_video.PATH
_ANIMATED_TYPES = ("video/", "image/gif", "image/webp", "image/png", "image/apng", "image/avif")


@dataclass(slots=True)
class _Request:
    kind: str
    url: str
    answered: bool = False


class Loads:
    """Watches the requests of one page, as the events of DevTools' Network domain report them.

    ``call`` runs a DevTools command on the page. ``warn`` gets a message for each failed request, ``refused`` for a
    document that the server refuses. With ``examined``, images that a stage can't draw are found.
    """

    def __init__(
        self,
        call: Callable[[str, Params], Awaitable[Params]],
        warn: Callable[[str], None],
        refused: Callable[[str], None],
        *,
        examined: bool,
    ) -> None:
        self._call = call
        self._warn = warn
        self._document_refused = refused
        self._examined = examined
        self._open: dict[str, _Request] = {}
        self._awaited: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._inspections: set[asyncio.Task[None]] = set()
        self._unsupported: str | None = None
        self.origin = ""
        """The origin of the page."""
        self.uses_external_resources = False
        """Whether the page has requested anything outside of its folder, or may have."""
        self.silent = False
        """Whether something was loaded that can change without damage to the page's layers."""

    @property
    def awaited(self) -> list[str]:
        """Addresses that must be answered before the page can be drawn."""
        return list(self._awaited.values())

    async def arrived(self) -> None:
        """Waits until every awaited load has finished or failed."""
        while self._awaited:
            self._changed.clear()
            await self._changed.wait()

    def unanswered(self) -> list[str]:
        """Addresses that have neither been answered nor failed."""
        return [
            request.url
            for request in self._open.values()
            if not request.answered and request.kind not in _UNREAD and not request.url.startswith(_VIDEO_PREFIX)
        ]

    async def find_unsupported(self) -> str | None:
        """Returns the first loaded image or video that a stage can't draw, or can't animate, if any."""
        while self._inspections:
            await asyncio.wait(self._inspections)
        return self._unsupported

    def on_event(self, method: str, params: Params) -> None:
        """Handles an event of the Network domain."""
        match method:
            case "Network.requestWillBeSent":
                self._asked(params)
            case "Network.responseReceived":
                self._answered(params)
            case "Network.loadingFinished":
                self._start_inspection(params["requestId"])
                self._finish(params["requestId"])
            case "Network.loadingFailed":
                self._failed(params)
            case _:
                pass

    def _asked(self, params: Params) -> None:
        kind, url = params.get("type", ""), params["request"]["url"]
        ours = params["request"].get("urlFragment") == "#helios"
        if not ours and (not params["loaderId"] or not url.startswith((ORIGIN + "/", "data:", "blob:"))):
            self.uses_external_resources = True  # DevTools does not report a worker's own requests
        # A worker's own script has no loader and never finishes; the clock awaits frames of videos.
        self._open[params["requestId"]] = _Request(kind, url, answered=not params["loaderId"])
        if kind in _AWAITED and params["loaderId"] and not url.startswith(_VIDEO_PREFIX):
            self._awaited[params["requestId"]] = url

    def _answered(self, params: Params) -> None:
        request = self._open.get(params["requestId"], _Request("", ""))
        request.answered = True
        url: str = params["response"]["url"]
        inside = url.startswith((self.origin + "/", "data:", "blob:"))
        if not inside and params.get("type") in ("Image", "Media"):
            self._unsupported = self._unsupported or f"{url} is of another origin"
        if _may_be_animated(params) or not params["loaderId"]:
            self.silent = True
        if params["response"]["status"] >= 400:
            self._refused(request, params["response"])

    def _refused(self, request: _Request, response: Params) -> None:
        url: str = response["url"]
        message = f"{display_url(url)} was answered with {response['status']} {response['statusText']}".rstrip()
        if url.startswith(_VIDEO_PREFIX):
            if response["status"] == HTTPStatus.NOT_FOUND:
                return  # the browser has requested it as well, and reports it
            video = unquote(urlsplit(url.removeprefix(_VIDEO_PREFIX)).path)
            message = f"{video} is left to the browser to play: {response['statusText']}"
        report = self._document_refused if request.kind == "Document" else self._warn
        report(message)

    def _failed(self, params: Params) -> None:
        """Warns of a failed load, unless it was cancelled: by the page, or because a process died (processes.py)."""
        request = self._open.get(params["requestId"])
        if request and not params.get("canceled") and params["errorText"] != "net::ERR_ABORTED":
            name = display_clip(request.url) if request.kind == "Media" else display_url(request.url)
            self._warn(f"{name} could not be loaded: {params['errorText']}")
        self._finish(params["requestId"])

    def _finish(self, request: str) -> None:
        self._open.pop(request, None)
        if self._awaited.pop(request, None) is not None:
            self._changed.set()

    def _start_inspection(self, request: str) -> None:
        found = self._open.get(request)
        if self._examined and found and found.kind == "Image" and not found.url.startswith(_VIDEO_PREFIX):
            task = asyncio.create_task(self._inspect(request, found.url))
            self._inspections.add(task)
            task.add_done_callback(self._inspections.discard)

    async def _inspect(self, request: str, url: str) -> None:
        try:
            answer = await self._call("Network.getResponseBody", {"requestId": request})
        except ProtocolError:
            return  # its image is gone too
        body = answer["body"]
        if is_animated(b64decode(body) if answer["base64Encoded"] else body.encode()):
            self._unsupported = self._unsupported or f"{display_url(url)[:80]} is an animated image"


def _may_be_animated(params: Params) -> bool:
    """Whether an answer may change by itself: videos of the folder don't."""
    ours = params["response"]["url"].startswith(_VIDEO_PREFIX) or params.get("type") == "Media"
    if ours and params["response"]["url"].startswith(ORIGIN + "/"):
        return False
    return params["response"]["mimeType"].startswith(_ANIMATED_TYPES)


def display_url(url: str) -> str:
    """Returns an address for messages: a file of the page's folder by its path."""
    return url.removeprefix(ORIGIN + "/")


def display_clip(url: str) -> str:
    """Returns the name of a clip for messages, the same each time."""
    if url.startswith("blob:"):
        return "a clip of a script's (blob:)"
    name = unquote(display_url(url.partition("#")[0]))
    return name if len(name) <= 80 else f"{name[:40]}…"
