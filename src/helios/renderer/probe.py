"""The look at a page that comes before anything is drawn: what it is, and how it can be captured."""

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
"""The frame that is reached in two ways, to see whether a video can be drawn in parts."""
_STEPPED = (
    f"frame {_CHECKED} is another one when the page was at all frames before it, so the page is stepped through: "
    "drawing it in parts costs more"
)
_META = re.compile(r"""<meta\s+name=["']?helios["']?\s+content=["']([^"']*)""", re.IGNORECASE)


async def probe(spec: ProbeSpec, workspace: Path) -> Probe:
    """Loads a page to learn what is to be drawn, and how.

    Where fast capture may be taken, the page is also put on the stage, and some frames are drawn both ways.

    Raises:
        UsageError: the settings don't make a video.
        MissingTool, PageError: it can't be drawn.
        CaptureUnsafe: it can't be drawn fast, and nothing else was asked for.
    """
    if spec.capture == "faithful":
        return await _probe_somehow(spec, workspace)
    try:
        return await draw_safely("stage", partial(_probe_somehow, spec), workspace)
    except CaptureBroken as error:
        if spec.capture == "fast":
            raise
        found = await _probe_somehow(spec.model_copy(update={"capture": "faithful"}), workspace / "faithful")
        warning = f"fast capture can't draw this page: {error}. It is drawn faithfully"
        return found.model_copy(
            update={"comparison": make_comparison(reason=str(error)), "warnings": (*found.warnings, warning)}
        )


async def _probe_somehow(spec: ProbeSpec, workspace: Path) -> Probe:
    try:
        return await _probe(spec, "begin-frame", workspace / "begin-frame")
    except ProtocolError:
        return await _probe(spec, "screenshot", workspace / "screenshot")


class _OtherSize(Exception):
    """The page declares another size than it was loaded at."""

    def __init__(self, composition: Composition) -> None:
        self.size = composition.width, composition.height


async def _probe(spec: ProbeSpec, faithful: CaptureMethod, workspace: Path) -> Probe:
    size = expected_size(spec)
    try:
        return await _probe_at(size, spec, faithful, workspace)
    except _OtherSize as other:
        return await _probe_at(other.size, spec, faithful, workspace / "sized")


def expected_size(spec: ProbeSpec) -> tuple[int, int]:
    """The size that a page will most likely declare: as its file says, before any script of it could say otherwise.

    Another would cost a second browser, for one has one size.
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
                look = CaptureTrial(composition, load, spec.encoding)
                if spec.capture == "fast":
                    found = await look.draw_fast(stage)
                else:
                    capture = BeginFrameCapture(
                        page, composition.fps, EXACT if spec.page.alpha else CHEAP
                    )  # JPEG has no alpha
                    found = await look.compare(stage, capture, TrialResult(faithful))
                motion = look.motion or await page.motion()
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
    """Whether a frame is the same to the bit when the page gets there by ``motion`` and by all frames before it."""
    images: list[bytes] = []
    for way in (motion, "step"):
        page = await load((composition.width, composition.height), method)
        image = await draw_first(create_capture(method, page, composition.fps), way, _CHECKED)
        assert isinstance(image, EncodedFrame), "it is drawn faithfully"
        images.append(image.file())
        await page.close()
    return images[0] == images[1]


async def _listen(
    composition: Composition, load: PageLoader, method: CaptureMethod, motion: Motion
) -> tuple[AudioClip, ...]:
    """What is heard. Where scripts may play later what there is at frame 0, all frames are passed, unseen."""
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
            task.exception()  # has been seen, or is of no interest any more


async def _load(
    spec: ProbeSpec, load: PageLoader, size: tuple[int, int], method: CaptureMethod
) -> tuple[Page, Composition]:
    """The page, and what it and ``spec`` say together."""
    encoder = asyncio.create_task(asyncio.to_thread(import_module, "helios.renderer.encode.encoder"))
    page = await load(size, method)
    await encoder
    from helios.renderer.encode.codec import check_encoding

    declared = spec.declared.over(await page.declared()).over(spec.fallback)
    composition = compose(spec.source, declared, spec.page)
    if spec.encoding:
        check_encoding(spec.encoding, composition)
    return page, composition
