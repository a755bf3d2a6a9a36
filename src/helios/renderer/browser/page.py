"""One page in a browser, with Helios' clock."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from helios.composition import Declared, PageSettings, parse_meta
from helios.errors import BrowserError, CaptureUnsafe, PageError
from helios.renderer.browser.devtools import CALL_TIMEOUT, Connection, OnLoss, Params, ProtocolError, ResponseTimeout
from helios.renderer.browser.loads import Loads, display_clip, display_url
from helios.renderer.browser.processes import Processes
from helios.renderer.browser.ring import Ring
from helios.renderer.browser.scripts import CLOCK, STAGE, STAGE_PATH, stage_document
from helios.renderer.browser.server import ORIGIN, Used
from helios.renderer.messages import AudioClip, CaptureMethod, Motion

BREAKOUT = "a page that breaks out of its frame"
ASK = "heliosRequest"
"""The binding through which the clock sends requests (clock/holding.js)."""
_AHEAD_MS = 1e8


class Page:
    """A page and its clock, after loading at the time before frame 0.

    With a ring it is on the stage: in an iframe, in a canvas, in a document of Helios at the page's origin.
    """

    def __init__(
        self,
        connection: Connection,
        session: str,
        browser: str,
        settings: PageSettings,
        capture: CaptureMethod,
        ring: Ring | None,
        used: Used,
        processes: Processes,
    ) -> None:
        self._connection = connection
        self._session = session
        self._processes = processes
        self.ready_timeout = settings.ready_timeout
        self._stage = b""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loads = Loads(self.call, self.warn, self._document_refused, examined=ring is not None)
        self._loaded = asyncio.Event()
        self._failure: PageError | None = None
        self._ready = False
        self.browser = browser
        self.ticks_us = int((time.monotonic() * 1000 + _AHEAD_MS) * 1000)
        """The compositor's time of the last frame, in microseconds: far ahead of real time."""
        self.damaged = True
        """Whether the page's layers have changed since this was last set to False."""
        self.reports_damage = True
        """Whether every change damages a layer: those of videos, workers and animated images do not."""
        self.warnings: list[str] = []
        self.used = used
        """The files of its folder that it has requested."""
        self.ring = ring
        self.alpha = settings.alpha
        """Whether its background is transparent instead of white."""
        self._direct = capture == "canvas" and not settings.alpha
        self.on_stage: Callable[[Params], None] = lambda message: None
        """Gets the messages of the stage's worker."""
        self.on_loss: OnLoss = lambda error: None
        """Gets the error when the browser is gone."""
        connection.listen(session, self._on_event, lambda error: self.on_loss(error))

    @property
    def uses_external_resources(self) -> bool:
        """Whether it has requested anything but files of its folder, or may have."""
        return self._loads.uses_external_resources

    async def call(self, method: str, params: Params | None = None, *, timeout: float = 60.0) -> Params:
        """Runs a DevTools command on this page."""
        return await self._connection.call(method, params, session=self._session, timeout=timeout)

    async def close(self) -> None:
        """Closes the page, but not the browser."""
        for task in self._tasks:
            task.cancel()
        await self.call("Page.close")
        self._connection.ignore(self._session)

    async def evaluate(self, expression: str, *, timeout: float = 60.0) -> Any:
        """Returns the value of a JavaScript expression; awaits a promise."""
        answer = await self.call(
            "Runtime.evaluate",
            {"expression": expression, "awaitPromise": True, "returnByValue": True},
            timeout=timeout,
        )
        if details := answer.get("exceptionDetails"):
            raise PageError(_describe(details))
        return answer["result"].get("value")

    async def confirm(self) -> None:
        """Checks that the page was drawn completely: warns of requests without an answer.

        Raises:
            BrowserError: the browser has lost a process.
        """
        for url in self._loads.unanswered():
            self.warn(f"{display_url(url)} had no answer when the last frame was drawn")
        await self._processes.check()

    async def advance(self, frame: int, time_ms: float, step_ms: float) -> bool:
        """Moves the page to ``frame`` at ``time_ms`` and waits until all that it started is finished.

        Returns whether the browser drew other frames meanwhile, for a page that holds the frame.
        """
        report = await self._evaluate_in_time(
            f"{CLOCK}.advance({frame}, {time_ms!r}, {step_ms!r})", f"at frame {frame}"
        )
        held = self._apply_report(report)
        while self._loads.awaited:
            await self._wait_for_loads(f"at frame {frame}")
            held = self._apply_report(
                await self._evaluate_in_time(f"{CLOCK}.finishFrame({step_ms!r})", f"at frame {frame}")
            )
        return held

    def _apply_report(self, report: Params) -> bool:
        self.reports_damage = self.reports_damage and report["reportsDamage"]
        for warning in report["warnings"]:
            self.warn(warning.replace(f"{ORIGIN}/", ""))
        for url in report["failed"]:
            name = display_clip(url)
            names = (f"{name} ", f"{display_url(url)} ")
            if not any(warning.startswith(names) for warning in self.warnings):
                self.warn(f"{name} is not shown: the browser can't decode it")
        return report["drewWhileHeld"]

    async def begin_frame(self, ticks_us: int, *, timeout: float = CALL_TIMEOUT, **settings: Any) -> Params:
        """Draws a frame at that compositor's time, in microseconds."""
        self.ticks_us = ticks_us
        params = {"frameTimeTicks": ticks_us / 1000, **settings}
        return await self.call("HeadlessExperimental.beginFrame", params, timeout=timeout)

    async def _answer_request(self, request: str) -> None:
        """Answers a page that holds a frame: waits for its loads and, for "frame", draws without a capture."""
        with contextlib.suppress(BrowserError, PageError):  # the call that waits for the page reports it
            await self._connection.unless_lost(self._loads.arrived())
            if request == "frame":
                await self.begin_frame(self.ticks_us + 1, noDisplayUpdates=True)
            await self.evaluate(f"{CLOCK}.resolveRequest()")

    def _start(self, work: Coroutine[None, None, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def find_unsupported(self) -> str | None:
        """Returns the first loaded image or video that a stage can't draw, or can't animate, if any."""
        return await self._loads.find_unsupported()

    async def is_on_stage(self) -> bool:
        """Whether the page is still on the stage, and has not navigated the whole window."""
        return await self.evaluate(f"!!{STAGE}")

    async def place_when_drawn(self) -> None:
        """Sets animations to their exact times in the next drawn frame, without moving the clock."""
        await self.evaluate(f"{CLOCK}.placeAnimationsInNextFrame()")

    async def declared(self) -> Declared:
        """Returns the settings in its ``<meta name="helios">``.

        Raises:
            UsageError: they are invalid.
        """
        page = "frames[0].document" if self.ring else "document"
        return parse_meta(await self.evaluate(f"{page}.querySelector('meta[name=helios]')?.content ?? ''"))

    async def motion(self) -> Motion:
        """Returns how this page gets to a frame."""
        return await self.evaluate(f"{CLOCK}.chooseMotion()")

    async def may_play_audio(self) -> bool:
        """Whether an element of the page may play audio, now or later."""
        return await self.evaluate(f"{CLOCK}.mayPlayAudio()")

    async def skip_video_decoding(self) -> None:
        """Stops decoding the frames of its videos."""
        await self.evaluate(f"{CLOCK}.skipVideoDecoding = true")

    async def audio_clips(self) -> tuple[AudioClip, ...]:
        """Returns its audio so far, and of elements that are still playing."""
        return tuple(AudioClip.from_clock(ORIGIN, **clip) for clip in await self.evaluate(f"{CLOCK}.audioClips()"))

    async def load(self, url: str) -> None:
        """Navigates to ``url`` and waits for its styles, fonts, images and scripts.

        Raises:
            PageError: it can't be loaded, one of its scripts throws, or it is not ready in time.
            CaptureUnsafe: the stage can't draw it.
        """
        self._loads.origin = origin = parse_origin(url)
        where = url
        if self.ring:
            where = origin + STAGE_PATH
            self._stage = stage_document(url, self.ring.size, direct=self._direct, alpha=self.alpha).encode()
            await self.call("Fetch.enable", {"patterns": [{"urlPattern": where}]})
        answer = await self.call("Page.navigate", {"url": where}, timeout=self.ready_timeout + 60)
        if text := answer.get("errorText"):
            hint = " (see --network)" if "SOCKS" in text else ""
            raise PageError(f"{display_url(url)} can't be loaded: {text}{hint}")
        try:
            async with asyncio.timeout(self.ready_timeout):
                await self._connection.unless_lost(self._loaded.wait())
        except TimeoutError:
            raise PageError(self._timeout_message("while loading", self._loads.awaited)) from None
        self._raise_failure()
        if self.ring:
            await self._open_stage(self.ring)
        await self._evaluate_in_time(f"{CLOCK}.ready()", "before frame 0")
        while self._loads.awaited:
            await self._wait_for_loads("before frame 0")
            await self._evaluate_in_time(f"{CLOCK}.ready()", "before frame 0")
        self._raise_failure()
        self._ready = True
        await self.call("DOM.enable")
        await self.call("LayerTree.enable")

    async def _open_stage(self, ring: Ring) -> None:
        try:
            if reason := await self.evaluate(f"{STAGE} ? {STAGE}.findUnsupportedContent() : '{BREAKOUT}'"):
                raise CaptureUnsafe(f"there is {reason}")
            arguments = json.dumps([ring.bytes, ring.slot, ring.token])
            await self.evaluate(f"{STAGE}.open(...{arguments})")
        except (PageError, ProtocolError) as error:
            raise CaptureUnsafe(f"the stage can't be opened: {error}") from error
        ring.map()

    async def _evaluate_in_time(self, expression: str, when: str) -> Any:
        try:
            return await self.evaluate(expression, timeout=self.ready_timeout)
        except ProtocolError as error:
            raise PageError(f"the page went away {when}: {error}") from error
        except ResponseTimeout:
            if not await self._is_responsive():
                raise PageError(f"the page's script has not come back {when} for {self.ready_timeout:g} s") from None
            labels = await self.evaluate(f"{CLOCK}.pendingLabels()")
            raise PageError(self._timeout_message(when, labels)) from None

    async def _is_responsive(self) -> bool:
        try:
            return await self.evaluate("true", timeout=2) is True
        except ResponseTimeout:
            return False

    async def _wait_for_loads(self, when: str) -> None:
        try:
            async with asyncio.timeout(self.ready_timeout):
                await self._connection.unless_lost(self._loads.arrived())
        except TimeoutError:
            raise PageError(self._timeout_message(when, self._loads.awaited)) from None

    def _timeout_message(self, when: str, labels: list[str]) -> str:
        waits = ", ".join(display_url(label) for label in labels[:3]) or "its load event"
        return f"the page was not ready {when} after {self.ready_timeout:g} s: it waits for {waits} (--ready-timeout)"

    def _raise_failure(self) -> None:
        if self._failure:
            raise self._failure

    def _on_event(self, method: str, params: Params) -> None:
        match method:
            case "Page.loadEventFired":
                self._loaded.set()
            case "LayerTree.layerTreeDidChange":
                self.damaged = True
            case "Runtime.bindingCalled" if params["name"] == ASK:
                self._start(self._answer_request(params["payload"]))
            case "Runtime.bindingCalled":
                self.on_stage(json.loads(params["payload"]))
            case "Fetch.requestPaused":
                self._send_stage(params["requestId"])
            case "Runtime.exceptionThrown":
                message = _describe(params["exceptionDetails"])
                if self._ready:
                    self.warn(message)
                elif not self._failure:
                    self._failure = PageError(f"the page's script failed while loading: {message}")
            case _:
                self._loads.on_event(method, params)
                self.reports_damage = self.reports_damage and not self._loads.silent

    def _send_stage(self, request: str) -> None:
        answer = {
            "requestId": request,
            "responseCode": 200,
            "responseHeaders": [{"name": "Content-Type", "value": "text/html"}],
            "body": base64.b64encode(self._stage).decode(),
        }
        self._start(self.call("Fetch.fulfillRequest", answer))

    def _document_refused(self, message: str) -> None:
        if self._loaded.is_set() or self._ready or self._failure:
            self.warn(message)
        else:
            self._failure = PageError(message)

    def warn(self, text: str) -> None:
        """Adds a warning, unless there is the same already; at most 50."""
        if text not in self.warnings and len(self.warnings) < 50:
            self.warnings.append(text)


def parse_origin(url: str) -> str:
    """Returns the origin as browsers write it: lower case, without credentials and default ports."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in (None, usual) else "")


def _describe(details: Params) -> str:
    """Returns one line for an exception: its message and position."""
    exception = details.get("exception", {})
    message = str(exception.get("description") or exception.get("value") or details.get("text", "an error"))
    line = message.split("\n", 1)[0]
    url = details.get("url") or next(
        (frame["url"] for frame in details.get("stackTrace", {}).get("callFrames", [])), ""
    )
    if "in promise" in details.get("text", ""):
        line = f"{line} (in a promise)"
    return f"{line} ({display_url(url)}:{details.get('lineNumber', 0) + 1})" if url else line
