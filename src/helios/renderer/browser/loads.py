"""What a page loads: every request, and what became of it."""

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
_UNHEEDED = frozenset({"Ping", "Prefetch", "CSPViolationReport"})
"""Requests whose answers a page never sees."""
_FOOTAGE = ORIGIN + page_video.PATH
_MOVING = ("video/", "image/gif", "image/webp", "image/png", "image/apng", "image/avif")


@dataclass(slots=True)
class _Request:
    kind: str
    url: str
    answered: bool = False


class Loads:
    """Watches the requests of one page, as the events of DevTools' Network domain report them.

    ``call`` runs a DevTools command on the page. ``warn`` gets what went wrong with a request, and ``refused`` what a
    server answered instead of a document. Where images are ``examined``, those that a stage can't show are looked for.
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
        self._looks: set[asyncio.Task[None]] = set()
        self._unfit: str | None = None
        self.origin = ""
        """The origin of the page."""
        self.uses_external_resources = False
        """Whether the page has asked for anything outside of its folder, or may have."""
        self.silent = False
        """Whether something was loaded that can change without a change of the page's layers."""

    @property
    def awaited(self) -> list[str]:
        """Addresses that must be answered before the page can be drawn."""
        return list(self._awaited.values())

    async def arrived(self) -> None:
        """Waits until every awaited load has come to an end."""
        while self._awaited:
            self._changed.clear()
            await self._changed.wait()

    def unanswered(self) -> list[str]:
        """Addresses that have neither been answered nor failed."""
        return [
            request.url
            for request in self._open.values()
            if not request.answered and request.kind not in _UNHEEDED and not request.url.startswith(_FOOTAGE)
        ]

    async def unfit(self) -> str | None:
        """What was loaded that a stage would leave out, or show standing still: images, videos."""
        while self._looks:
            await asyncio.wait(self._looks)
        return self._unfit

    def on_event(self, method: str, params: Params) -> None:
        """Takes note of an event."""
        match method:
            case "Network.requestWillBeSent":
                self._asked(params)
            case "Network.responseReceived":
                self._answered(params)
            case "Network.loadingFinished":
                self._look_at(params["requestId"])
                self._end(params["requestId"])
            case "Network.loadingFailed":
                self._failed(params)
            case _:
                pass

    def _asked(self, params: Params) -> None:
        kind, url = params.get("type", ""), params["request"]["url"]
        ours = params["request"].get("urlFragment") == "#helios"
        if not ours and (not params["loaderId"] or not url.startswith((ORIGIN + "/", "data:", "blob:"))):
            self.uses_external_resources = True  # a worker asks for what it likes, and we are not told
        # A worker's own script has no loader, and no end; frames of videos are awaited by the clock.
        self._open[params["requestId"]] = _Request(kind, url, answered=not params["loaderId"])
        if kind in _AWAITED and params["loaderId"] and not url.startswith(_FOOTAGE):
            self._awaited[params["requestId"]] = url

    def _answered(self, params: Params) -> None:
        request = self._open.get(params["requestId"], _Request("", ""))
        request.answered = True
        url: str = params["response"]["url"]
        inside = url.startswith((self.origin + "/", "data:", "blob:"))
        if not inside and params.get("type") in ("Image", "Media"):
            self._unfit = self._unfit or f"{url} is of another origin"
        if _is_moving(params) or not params["loaderId"]:
            self.silent = True
        if params["response"]["status"] >= 400:
            self._refused(request, params["response"])

    def _refused(self, request: _Request, response: Params) -> None:
        url: str = response["url"]
        message = f"{shown(url)} was answered with {response['status']} {response['statusText']}".rstrip()
        if url.startswith(_FOOTAGE):
            if response["status"] == HTTPStatus.NOT_FOUND:
                return  # the browser has asked for it as well
            video = unquote(urlsplit(url.removeprefix(_FOOTAGE)).path)
            message = f"{video} is left to the browser to play: {response['statusText']}"
        report = self._document_refused if request.kind == "Document" else self._warn
        report(message)

    def _failed(self, params: Params) -> None:
        """A load that is cancelled was cancelled by the page, or a process died, which processes.py looks for."""
        request = self._open.get(params["requestId"])
        if request and not params.get("canceled") and params["errorText"] != "net::ERR_ABORTED":
            name = clip(request.url) if request.kind == "Media" else shown(request.url)
            self._warn(f"{name} could not be loaded: {params['errorText']}")
        self._end(params["requestId"])

    def _end(self, request: str) -> None:
        self._open.pop(request, None)
        if self._awaited.pop(request, None) is not None:
            self._changed.set()

    def _look_at(self, request: str) -> None:
        found = self._open.get(request)
        if self._examined and found and found.kind == "Image" and not found.url.startswith(_FOOTAGE):
            task = asyncio.create_task(self._look(request, found.url))
            self._looks.add(task)
            task.add_done_callback(self._looks.discard)

    async def _look(self, request: str, url: str) -> None:
        try:
            answer = await self._call("Network.getResponseBody", {"requestId": request})
        except ProtocolError:
            return  # it is gone already, and so is its image
        body = answer["body"]
        if is_animated(b64decode(body) if answer["base64Encoded"] else body.encode()):
            self._unfit = self._unfit or f"{shown(url)[:80]} is an image that moves"


def _is_moving(params: Params) -> bool:
    """Whether an answer may be of something that moves by itself: videos of the folder don't."""
    ours = params["response"]["url"].startswith(_FOOTAGE) or params.get("type") == "Media"
    if ours and params["response"]["url"].startswith(ORIGIN + "/"):
        return False
    return params["response"]["mimeType"].startswith(_MOVING)


def shown(url: str) -> str:
    """An address as it is shown: a file of the page's folder by its path."""
    return url.removeprefix(ORIGIN + "/")


def clip(url: str) -> str:
    """The name of a clip, which is the same each time."""
    if url.startswith("blob:"):
        return "a clip of a script's (blob:)"
    name = unquote(shown(url.partition("#")[0]))
    return name if len(name) <= 80 else f"{name[:40]}…"
