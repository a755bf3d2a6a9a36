"""Whole videos of one page, drawn one after another in one browser, which starts once for all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from helios.composition import Composition, compose
from helios.errors import CaptureUnsafe, HeliosError, PageError, UsageError
from helios.renderer.browser.browser import Browser, open_browser
from helios.renderer.browser.page import Page
from helios.renderer.capture.fast import BREAKDOWN, make_capture_broken
from helios.renderer.draw import Progress, draw_on
from helios.renderer.memory import retain_freed_memory
from helios.renderer.messages import FAST, BatchItem, BatchSpec, ChunkReport, ChunkSpec, VideoFailure, VideoOutcome

_VIDEO_ERRORS = (PageError, CaptureUnsafe, UsageError)
"""Errors of one video, which the others may not have."""
_SHARE = 1_000_000


async def draw_videos(
    spec: BatchSpec, folder: Path, workspace: Path, progress: Progress, done: Callable[[str], None]
) -> None:
    """Draws videos into ``folder``, which it creates: each segment as ``<name>``, each outcome as ``<name>.json``.

    Both appear whole, the outcome last; then ``done`` is called with the name. A video that can't be drawn has an
    outcome too, and the next starts in a new browser. Videos that are not started in time have none.

    Raises:
        MissingTool, BrowserError, OutputError, WorkerRefused: no video can be drawn.
    """
    retain_freed_memory()
    folder.mkdir(parents=True, exist_ok=True)
    videos = _Batch(spec, folder, progress, done)
    browsers = 0
    while videos.left:
        browsers += 1
        try:
            await videos.draw_some(workspace / f"browser-{browsers}")
        except BREAKDOWN as error:
            if spec.capture not in FAST or not videos.left:
                raise
            videos.broke_down(error)


class _Batch:
    """``left`` are the videos without an outcome; ``size`` is that of the last one, and most likely of the next."""

    def __init__(self, spec: BatchSpec, folder: Path, progress: Progress, done: Callable[[str], None]) -> None:
        self._spec = spec
        self._folder = folder
        self._progress = progress
        self._done = done
        self._until = time.monotonic() + spec.seconds
        self._checked: tuple[int, int, Fraction] | None = None
        self._broken = ""
        """The last video at which the browser crashed or hung."""
        self.left = deque(spec.videos)
        self.size = spec.size

    async def draw_some(self, workspace: Path) -> None:
        """Draws videos in one browser, until one of them fails or time is up."""
        spec = self._spec
        opened = open_browser(spec.source, self.size, spec.capture, workspace, network=spec.page.network, shared=True)
        async with opened as browser:
            healthy = True
            while self.left and healthy:
                before = len(spec.videos) - len(self.left)
                outcome = await self._outcome(
                    browser, self.left[0], _video_progress(self._progress, before, len(spec.videos))
                )
                self._record(outcome)
                healthy = outcome.failure is None

    def broke_down(self, error: HeliosError) -> None:
        """Retries the current video once; the second time, records that it can't be drawn fast."""
        video = self.left[0].name
        if self._broken == video:
            self._record(VideoOutcome(failure=_failure(make_capture_broken(error))))
        self._broken = video

    def _record(self, outcome: VideoOutcome) -> None:
        video = self.left.popleft()
        _write(outcome, self._folder / f"{video.name}.json")
        self._done(video.name)
        if time.monotonic() > self._until:
            self.left.clear()

    async def _outcome(self, browser: Browser, video: BatchItem, progress: Progress) -> VideoOutcome:
        try:
            return VideoOutcome(report=await self._draw(browser, video, progress))
        except _VIDEO_ERRORS as error:
            await browser.check()
            return VideoOutcome(failure=_failure(error))

    async def _draw(self, browser: Browser, video: BatchItem, progress: Progress) -> ChunkReport:
        started = time.monotonic()
        page, composition = await self._load(browser, video)
        self._check(composition)
        spec = self._spec
        whole = ChunkSpec(
            composition=composition,
            start=0,
            stop=composition.frames,
            encoding=spec.encoding,
            encoder_threads=spec.encoder_threads,
            browser=spec.browser,
            renderer=spec.renderer,
            capture=spec.capture,
            motion="step",  # all motions are the same from the first frame on
        )
        report = await draw_on(page, whole, self._folder / video.name, progress, started, index_first=True)
        await browser.close(page)
        return report

    async def _load(self, browser: Browser, video: BatchItem) -> tuple[Page, Composition]:
        """Returns the page, at the size that it declares."""
        spec = self._spec
        settings = spec.page.with_props(video.props)
        for _ in range(2):
            page = await browser.open(self.size, spec.capture, settings, fresh=True)
            composition = compose(spec.source, spec.declared.over(await page.declared()), settings)
            if (composition.width, composition.height) == self.size:
                return page, composition
            self.size = composition.width, composition.height
            await browser.close(page)
        raise PageError("the page declares a different size each time it is loaded")

    def _check(self, video: Composition) -> None:
        from helios.renderer.encode.codec import check_encoding

        kind = video.width, video.height, video.fps
        if kind != self._checked:
            check_encoding(self._spec.encoding, video)
            self._checked = kind


def _video_progress(progress: Progress, before: int, videos: int) -> Progress:
    """Returns a progress function for one video that reports the progress of all."""
    return lambda done, total: progress(_SHARE * before + _SHARE * done // total, _SHARE * videos)


def _failure(error: HeliosError) -> VideoFailure:
    return VideoFailure(code=error.code, message=str(error))


def _write(outcome: VideoOutcome, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(outcome.model_dump_json(), "utf-8")
    part.replace(path)
