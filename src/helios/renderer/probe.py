"""The probe of a page, before it is drawn: its composition, capture method and audio."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from helios.composition import DEFAULT_SIZE, Composition, compose, parse_meta
from helios.errors import CaptureBroken, UsageError
from helios.renderer.browser.browser import open_browser
from helios.renderer.browser.devtools import ProtocolError
from helios.renderer.browser.page import Page
from helios.renderer.capture.faithful import CHEAP, EXACT, BeginFrameCapture
from helios.renderer.capture.fast import draw_safely
from helios.renderer.capture.frames import EncodedFrame
from helios.renderer.capture.methods import create_capture
from helios.renderer.capture_trial import SHORT_VIDEO, CaptureTrial, PageLoader, TrialResult, make_comparison
from helios.renderer.draw import draw_first
from helios.renderer.identity import identity
from helios.renderer.messages import AudioClip, CaptureMethod, Motion, Probe, ProbeSpec

T = TypeVar("T")

_CHECKED = 5
"""The frame that is drawn in two ways to check whether a video can be split into chunks."""
_STEPPED = (
    f"frame {_CHECKED} differs when the page has drawn all frames before it, so every chunk steps through them: "
    "more chunks cost more"
)
_META = re.compile(r"""<meta\s+name=["']?helios["']?\s+content=["']([^"']*)""", re.IGNORECASE)


async def probe(spec: ProbeSpec, workspace: Path) -> Probe:
    """Loads a page and returns its composition and how to draw it.

    Where fast capture is allowed, the page is also drawn on the stage, and some frames are compared.

    Raises:
        UsageError: the settings are invalid, or do not fit each other.
        MissingTool, PageError: the page can't be drawn.
        CaptureUnsafe: the page can't be drawn fast, and the spec allows only that.
    """
    if spec.capture == "faithful":
        return await _probe_with_any_method(spec, workspace)
    try:
        return await draw_safely("stage", partial(_probe_with_any_method, spec), workspace)
    except CaptureBroken as error:
        if spec.capture == "fast":
            raise
        found = await _probe_with_any_method(spec.model_copy(update={"capture": "faithful"}), workspace / "faithful")
        warning = f"fast capture can't render this page: {error}. Helios captures it faithfully instead"
        return found.model_copy(
            update={"comparison": make_comparison(reason=str(error)), "warnings": (*found.warnings, warning)}
        )


async def _probe_with_any_method(spec: ProbeSpec, workspace: Path) -> Probe:
    try:
        return await _probe(spec, "begin-frame", workspace / "begin-frame")
    except ProtocolError:
        return await _probe(spec, "screenshot", workspace / "screenshot")


class _OtherSize(Exception):
    """The page declares another size than that of the browser."""

    def __init__(self, composition: Composition) -> None:
        self.size = composition.width, composition.height


async def _probe(spec: ProbeSpec, faithful: CaptureMethod, workspace: Path) -> Probe:
    size = expected_size(spec)
    try:
        return await _probe_at(size, spec, faithful, workspace)
    except _OtherSize as other:
        return await _probe_at(other.size, spec, faithful, workspace / "sized")


def expected_size(spec: ProbeSpec) -> tuple[int, int]:
    """Returns the size that a page will most likely declare: that of its file, before its scripts run.

    A browser has one size, so a wrong guess costs a second browser.
    """
    declared = spec.declared
    if spec.source.root:
        with contextlib.suppress(OSError, UsageError):
            text = (spec.source.root / spec.source.entry).read_text("utf-8", "replace")
            if found := _META.search(text):
                declared = declared.over(parse_meta(found[1]))
    return declared.width or DEFAULT_SIZE[0], declared.height or DEFAULT_SIZE[1]


async def _probe_at(size: tuple[int, int], spec: ProbeSpec, faithful: CaptureMethod, workspace: Path) -> Probe:
    may_be_fast = spec.capture != "faithful" and faithful == "begin-frame"
    method = "stage" if may_be_fast else faithful
    async with open_browser(spec.source, size, method, workspace, network=spec.page.network, rings=2) as browser:
        load = partial(browser.open, settings=spec.page)
        if not may_be_fast:
            page, composition = await _load(spec, load, size, faithful)
            capture = create_capture(faithful, page, composition.fps)
            await capture.warm_up()
            await capture.step(0)
            motion, found = await page.motion(), TrialResult(faithful)
        else:
            async with _under_way(load(size, "canvas")) as stage:
                page, composition = await _load(spec, load, size, faithful)
                if size != (composition.width, composition.height):
                    raise _OtherSize(composition)
                trial = CaptureTrial(composition, load, spec.encoding)
                if spec.capture == "fast":
                    found = await trial.draw_fast(stage)
                else:
                    capture = BeginFrameCapture(
                        page, composition.fps, EXACT if spec.page.alpha else CHEAP
                    )  # JPEG has no alpha
                    found = await trial.compare(stage, capture, TrialResult(faithful))
                motion = trial.motion or await page.motion()
        warned = ()
        long = spec.encoding is not None and composition.frames >= SHORT_VIDEO
        if long and motion != "step" and not await _is_splittable(composition, load, faithful, motion):
            warned = (_STEPPED,)
            motion = "step"
        listens = spec.listen and await page.may_play_audio()
        return Probe(
            composition=composition,
            capture=found.capture,
            faithful=faithful,
            comparison=found.comparison,
            costs=found.costs,
            motion=motion,
            browser=page.browser,
            renderer=identity(),
            warnings=(*page.warnings, *warned),
            audio_clips=await _listen(composition, load, faithful, motion) if listens else (),
        )


async def _is_splittable(composition: Composition, load: PageLoader, method: CaptureMethod, motion: Motion) -> bool:
    """Whether a frame has the same bytes when the page reaches it by ``motion`` and by all frames before it."""
    images: list[bytes] = []
    for way in (motion, "step"):
        page = await load((composition.width, composition.height), method)
        image = await draw_first(create_capture(method, page, composition.fps), way, _CHECKED)
        assert isinstance(image, EncodedFrame), "the method is faithful"
        images.append(image.file())
        await page.close()
    return images[0] == images[1]


async def _listen(
    composition: Composition, load: PageLoader, method: CaptureMethod, motion: Motion
) -> tuple[AudioClip, ...]:
    """Returns the page's audio. Where scripts may start elements later, steps through all frames without capturing."""
    page = await load((composition.width, composition.height), method)
    await page.skip_video_decoding()
    capture = create_capture(method, page, composition.fps)
    await capture.warm_up()
    await capture.step(0)
    if motion != "jump" and await page.may_play_audio():
        for frame in range(1, composition.frames):
            await capture.step(frame)
    clips = await page.audio_clips()
    await page.close()
    return clips


@asynccontextmanager
async def _under_way(work: Coroutine[None, None, T]) -> AsyncGenerator[asyncio.Task[T]]:
    """``work`` as a task that does not outlive the block."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # retrieved, or no longer of interest


async def _load(
    spec: ProbeSpec, load: PageLoader, size: tuple[int, int], method: CaptureMethod
) -> tuple[Page, Composition]:
    """Returns the page and its composition, of the page's declaration and ``spec``."""
    encoder = asyncio.create_task(asyncio.to_thread(import_module, "helios.renderer.encode.encoder"))
    page = await load(size, method)
    await encoder
    from helios.renderer.encode.codec import check_encoding

    declared = spec.declared.over(await page.declared()).over(spec.fallback)
    composition = compose(spec.source, declared, spec.page)
    if spec.encoding:
        check_encoding(spec.encoding, composition)
    return page, composition
