"""One page in a browser, with Helios' clock in it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from importlib.resources import files
from pathlib import Path
from typing import Any

from helios.composition import Source
from helios.errors import PageError
from helios.renderer.browser import run_browser
from helios.renderer.cdp import Connection, Params, ProtocolError, Unanswered
from helios.renderer.server import ORIGIN, serve
from helios.renderer.spec import CaptureMethod, Motion

EPOCH_MS = 1_767_225_600_000
"""What ``Date.now()`` says at frame 0: 2026-01-01T00:00:00Z, in every render, so that films can be repeated."""
SEED = 0x48454C49

_CLOCK = "window[Symbol.for('helios.clock')]"
_AWAITED = frozenset({"Document", "Stylesheet", "Image", "Font", "Script"})
_MOVING = ("video/", "image/gif", "image/webp", "image/png", "image/apng", "image/avif")


class Page:
    """A page that has been loaded, and stands before frame 0."""

    def __init__(self, connection: Connection, session: str, browser: str, ready_timeout: float) -> None:
        self._connection = connection
        self._session = session
        self._ready_timeout = ready_timeout
        self._loading: dict[str, str] = {}
        self._requests: dict[str, tuple[str, str]] = {}
        self._changed = asyncio.Event()
        self._loaded = asyncio.Event()
        self._failure: PageError | None = None
        self._ready = False
        self.browser = browser
        self.damaged = True
        """Whether the page's layers have changed since this was last set to False."""
        self.tells_damage = True
        """Whether all that can change shows in its layers: videos, workers and moving pictures do not."""
        self.warnings: list[str] = []
        connection.on_event = self._on_event

    async def call(self, method: str, params: Params | None = None, *, timeout: float = 60.0) -> Params:
        """Runs a DevTools command on this page."""
        return await self._connection.call(method, params, session=self._session, timeout=timeout)

    async def evaluate(self, expression: str, *, timeout: float = 60.0) -> Any:
        """The value of a JavaScript expression, once it is settled."""
        answer = await self.call(
            "Runtime.evaluate",
            {"expression": expression, "awaitPromise": True, "returnByValue": True},
            timeout=timeout,
        )
        if details := answer.get("exceptionDetails"):
            raise PageError(_describe(details))
        return answer["result"].get("value")

    async def advance(self, frame: int, time_ms: float, step_ms: float) -> None:
        """Moves the page to ``frame`` at ``time_ms`` and waits until nothing it began is under way."""
        told = await self._patiently(f"{_CLOCK}.advance({frame}, {time_ms!r}, {step_ms!r})", f"at frame {frame}")
        self.tells_damage = self.tells_damage and told
        while self._loading:
            await self._arrivals(f"at frame {frame}")
            await self._patiently(f"{_CLOCK}.settle()", f"at frame {frame}")

    async def place_when_drawn(self) -> None:
        """Puts animations to their exact place in the next frame that is drawn, without moving the clock."""
        await self.evaluate(f"{_CLOCK}.placeWhenDrawn()")

    async def motion(self) -> Motion:
        """How this page gets to a frame."""
        return await self.evaluate(f"{_CLOCK}.motion()")

    async def load(self, url: str) -> None:
        """Goes to ``url`` and waits until its styles, fonts, pictures and scripts are there.

        Raises:
            PageError: it can't be loaded, a script of it throws, or it is not ready in time.
        """
        answer = await self.call("Page.navigate", {"url": url}, timeout=self._ready_timeout + 60)
        if text := answer.get("errorText"):
            raise PageError(f"{_shown(url)} can't be loaded: {text}")
        try:
            async with asyncio.timeout(self._ready_timeout):
                await self._loaded.wait()
        except TimeoutError:
            raise PageError(self._late("while loading", list(self._loading.values()))) from None
        self._raise_failure()
        # Layout is what asks for fonts; without frames nothing else would cause it.
        await self.evaluate("void document.documentElement?.getBoundingClientRect()")
        await self._patiently(f"{_CLOCK}.ready()", "before frame 0")
        while self._loading:
            await self._arrivals("before frame 0")
            await self._patiently(f"{_CLOCK}.ready()", "before frame 0")
        self._raise_failure()
        self._ready = True
        await self.call("DOM.enable")
        await self.call("LayerTree.enable")

    async def _patiently(self, expression: str, when: str) -> Any:
        try:
            return await self.evaluate(expression, timeout=self._ready_timeout)
        except ProtocolError as error:
            raise PageError(f"the page went away {when}: {error}") from error
        except Unanswered:
            if not await self._answers():
                raise PageError(f"the page's script has not come back {when} for {self._ready_timeout:g} s") from None
            labels = await self.evaluate(f"{_CLOCK}.waitingFor()")
            raise PageError(self._late(when, labels)) from None

    async def _answers(self) -> bool:
        try:
            return await self.evaluate("true", timeout=2) is True
        except Unanswered:
            return False

    async def _arrivals(self, when: str) -> None:
        try:
            async with asyncio.timeout(self._ready_timeout):
                while self._loading:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise PageError(self._late(when, list(self._loading.values()))) from None

    def _late(self, when: str, labels: list[str]) -> str:
        waits = ", ".join(_shown(label) for label in labels[:3]) or "its load event"
        return f"the page was not ready {when} after {self._ready_timeout:g} s: it waits for {waits} (--ready-timeout)"

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    def _on_event(self, method: str, params: Params) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "Network.requestWillBeSent":
                kind, url = params.get("type", ""), params["request"]["url"]
                self._requests[params["requestId"]] = (kind, url)
                if kind in _AWAITED and params["loaderId"]:  # a worker's own script has none, and no end
                    self._loading[params["requestId"]] = url
            case "LayerTree.layerTreeDidChange":
                self.damaged = True
            case "Network.responseReceived":
                if params["response"]["mimeType"].startswith(_MOVING) or not params["loaderId"]:
                    self.tells_damage = False
                self._answered(params)
            case "Network.loadingFinished":
                self._arrived(params["requestId"])
            case "Network.loadingFailed":
                _, url = self._requests.get(params["requestId"], ("", ""))
                if not params.get("canceled") and params["errorText"] != "net::ERR_ABORTED" and url:
                    self._warn(f"{_shown(url)} could not be loaded: {params['errorText']}")
                self._arrived(params["requestId"])
            case "Runtime.exceptionThrown":
                said = _describe(params["exceptionDetails"])
                if self._ready:
                    self._warn(said)
                elif not self._failure:
                    self._failure = PageError(f"the page's script failed while loading: {said}")
            case _:
                pass

    def _answered(self, params: Params) -> None:
        response = params["response"]
        if response["status"] < 400:
            return
        kind, _ = self._requests.get(params["requestId"], ("", ""))
        said = f"{_shown(response['url'])} was answered with {response['status']} {response['statusText']}".rstrip()
        if kind == "Document" and not self._loaded.is_set() and not self._ready and not self._failure:
            self._failure = PageError(said)
        else:
            self._warn(said)

    def _arrived(self, request: str) -> None:
        self._requests.pop(request, None)
        if self._loading.pop(request, None) is not None:
            self._changed.set()

    def _warn(self, text: str) -> None:
        if text not in self.warnings and len(self.warnings) < 50:
            self.warnings.append(text)


@asynccontextmanager
async def open_page(
    source: Source,
    size: tuple[int, int],
    capture: CaptureMethod,
    workspace: Path,
    *,
    props: object = None,
    ready_timeout: float = 30.0,
) -> AsyncGenerator[Page]:
    """A browser with the page of ``source`` loaded in it, for as long as the block runs.

    ``workspace`` is a folder that the browser may fill.

    Raises:
        MissingTool: there is no browser.
        PageError: the page can't be loaded, its script throws, or it does not become ready.
    """
    server = serve(source.root) if source.root else nullcontext("")
    with server as flag:
        flags = [f"--window-size={size[0]},{size[1]}", *([flag] if flag else [])]
        async with run_browser(workspace / "browser", capture, flags=flags) as connection:
            page = await _attach(connection, size, capture, props, ready_timeout)
            await page.load(source.url(ORIGIN))
            yield page


async def _attach(
    connection: Connection, size: tuple[int, int], capture: CaptureMethod, props: object, ready_timeout: float
) -> Page:
    target: Params = {"url": "about:blank", "width": size[0], "height": size[1]}
    if capture == "begin-frame":
        target["enableBeginFrameControl"] = True
    await connection.call("Target.setDiscoverTargets", {"discover": True})  # tells of crashes
    created = await connection.call("Target.createTarget", target)
    attached = await connection.call("Target.attachToTarget", {"targetId": created["targetId"], "flatten": True})
    browser = (await connection.call("Browser.getVersion"))["product"]
    page = Page(connection, attached["sessionId"], browser, ready_timeout)
    config = {"epoch": EPOCH_MS, "seed": SEED, "props": props, "manual": capture == "screenshot"}
    await asyncio.gather(
        page.call("Page.enable"),
        page.call("Runtime.enable"),
        page.call("Network.enable"),
        page.call("Page.addScriptToEvaluateOnNewDocument", {"source": _clock_script(config)}),
        *([page.call("Emulation.setDeviceMetricsOverride", _metrics(size))] if capture == "screenshot" else []),
    )
    return page


def _clock_script(config: Params) -> str:
    """The files of clock/ as one function, which sees ``config``."""
    parts = sorted(files("helios.renderer").joinpath("clock").iterdir(), key=lambda part: part.name)
    source = "\n".join(part.read_text("utf-8") for part in parts)
    return f"((config) => {{\n{source}\n}})({json.dumps(config)});"


def _metrics(size: tuple[int, int]) -> Params:
    return {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}


def _shown(url: str) -> str:
    return url.removeprefix(ORIGIN + "/")


def _describe(details: Params) -> str:
    """One line for an exception: what was thrown, and where."""
    exception = details.get("exception", {})
    said = str(exception.get("description") or exception.get("value") or details.get("text", "an error"))
    line = said.split("\n", 1)[0]
    url = details.get("url") or next(
        (frame["url"] for frame in details.get("stackTrace", {}).get("callFrames", [])), ""
    )
    if "in promise" in details.get("text", ""):
        line = f"{line} (in a promise)"
    return f"{line} ({_shown(url)}:{details.get('lineNumber', 0) + 1})" if url else line
