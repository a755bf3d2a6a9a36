"""The look at a page that comes before anything is drawn: what it is, and how it can be captured."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from helios.composition import DEFAULT_SIZE, Composition, compose, parse_meta
from helios.errors import BrowserError, CaptureBroken, CaptureUnsafe, PageError, UsageError
from helios.renderer.browser.browser import open_browser
from helios.renderer.browser.devtools import ProtocolError
from helios.renderer.browser.page import Page
from helios.renderer.capture.capture import CHEAP, EXACT, BeginFrameCapture, Capture, StageCapture, capture_with
from helios.renderer.capture.fast import BREAKDOWN, draw_safely
from helios.renderer.capture.images import EncodedImage
from helios.renderer.draw import draw_first
from helios.renderer.frame_diff import THRESHOLD, block_means, change, largest_difference
from helios.renderer.identity import identity
from helios.renderer.messages import AudioClip, CaptureMethod, Comparison, Costs, Encoding, Motion, Probe, ProbeSpec

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

T = TypeVar("T")
_Loader = Callable[[tuple[int, int], CaptureMethod], Coroutine[None, None, Page]]

_CHECKED = 5
"""The frame that is reached in two ways, to see whether a video can be drawn in parts."""
_STEPPED = (
    f"frame {_CHECKED} is another one when the page was at all frames before it, so the page is stepped through: "
    "drawing it in parts costs more"
)
_META = re.compile(r"""<meta\s+name=["']?helios["']?\s+content=["']([^"']*)""", re.IGNORECASE)
_SHORT = 300
"""Frames of a video up to which three are compared; a longer one gets one more for as many again, to nine."""


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
            update={"comparison": _compared(reason=str(error)), "warnings": (*found.warnings, warning)}
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
    async with open_browser(spec.source, size, method, workspace, network=spec.network, rings=2) as browser:
        load = partial(
            browser.open,
            props=spec.props,
            ready_timeout=spec.ready_timeout,
            alpha=spec.alpha,
            captions=spec.captions,
        )
        if not may_be_fast:
            page, composition = await _load(spec, load, size, faithful)
            capture = capture_with(faithful, page, composition.fps)
            await capture.warm_up()
            await capture.step(0)
            motion, found = await page.motion(), _Found(faithful)
        else:
            async with _under_way(load(size, "canvas")) as stage:
                page, composition = await _load(spec, load, size, faithful)
                if size != (composition.width, composition.height):
                    raise _OtherSize(composition)
                look = _CaptureTrial(composition, load, spec.encoding)
                if spec.capture == "fast":
                    found = await look.draw_fast(stage)
                else:
                    capture = BeginFrameCapture(
                        page, composition.fps, EXACT if spec.alpha else CHEAP
                    )  # JPEG has no alpha
                    found = await look.compare(stage, capture, _Found(faithful))
                motion = look.motion or await page.motion()
        warned = ()
        long = spec.encoding is not None and composition.frames >= _SHORT
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
            heard=await _listen(composition, load, faithful, motion) if listens else (),
        )


async def _is_splittable(composition: Composition, load: _Loader, method: CaptureMethod, motion: Motion) -> bool:
    """Whether a frame is the same to the bit when the page gets there by ``motion`` and by all frames before it."""
    images: list[bytes] = []
    for way in (motion, "step"):
        page = await load((composition.width, composition.height), method)
        image = await draw_first(capture_with(method, page, composition.fps), way, _CHECKED)
        assert isinstance(image, EncodedImage), "it is drawn faithfully"
        images.append(image.file())
        await page.close()
    return images[0] == images[1]


async def _listen(
    composition: Composition, load: _Loader, method: CaptureMethod, motion: Motion
) -> tuple[AudioClip, ...]:
    """What is heard. Where scripts may play later what there is at frame 0, all frames are passed, unseen."""
    page = await load((composition.width, composition.height), method)
    await page.skip_video_decoding()
    capture = capture_with(method, page, composition.fps)
    await capture.warm_up()
    await capture.step(0)
    if motion != "jump" and await page.may_play_audio():
        for frame in range(1, composition.frames):
            await capture.step(frame)
    heard = await page.heard()
    await page.close()
    return heard


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
    spec: ProbeSpec, load: _Loader, size: tuple[int, int], method: CaptureMethod
) -> tuple[Page, Composition]:
    """The page, and what it and ``spec`` say together."""
    encoder = asyncio.create_task(asyncio.to_thread(import_module, "helios.renderer.encode.encoder"))
    page = await load(size, method)
    await encoder
    from helios.renderer.encode.codec import check_encoding

    declared = spec.declared.over(await page.declared()).over(spec.fallback)
    composition = compose(
        spec.source,
        declared,
        props=spec.props,
        ready_timeout=spec.ready_timeout,
        network=spec.network,
        alpha=spec.alpha,
        captions=spec.captions,
    )
    if spec.encoding:
        check_encoding(spec.encoding, composition)
    return page, composition


@dataclass(frozen=True, slots=True)
class _Found:
    capture: CaptureMethod
    costs: Costs | None = None
    comparison: Comparison | None = None


class _CaptureTrial:
    """Draws some frames of a composition, fast and faithfully."""

    def __init__(self, composition: Composition, load: _Loader, encoding: Encoding | None) -> None:
        self._composition = composition
        self._load = load
        self._encoding = encoding
        self._drawn: list[VideoFrame] = []
        self._means: dict[int, bytes] = {}
        self.motion: Motion | None = None
        """How the page gets to a frame, as soon as it has been drawn fast."""

    async def draw_fast(self, staged: Awaitable[Page]) -> _Found:
        """How fast frames are best drawn, and what they cost. ``staged`` is the page for the method ``canvas``.

        Raises:
            CaptureUnsafe, PageError, BrowserError: they can't be drawn fast.
        """
        method, draw_ms = await self._draw_fast(staged)
        return _Found(method, Costs(draw_ms=draw_ms, encode_ms=await asyncio.to_thread(self._encode)))

    async def compare(self, staged: Awaitable[Page], faithful: BeginFrameCapture, fallback: _Found) -> _Found:
        """As ``draw_fast``, if frames drawn so agree with what ``faithful`` draws.

        Whatever keeps the page from the stage is a reason against it, and no error.
        """
        await faithful.warm_up()
        shown = {0: await decode_block_means(await faithful.draw(0))}
        try:
            method, draw_ms = await self._draw_fast(staged)
        except BREAKDOWN:
            raise
        except (CaptureUnsafe, PageError, BrowserError) as error:
            return replace(fallback, comparison=_compared(reason=str(error)))
        encode_ms = asyncio.create_task(asyncio.to_thread(self._encode))  # beside the faithful frames
        frames = tuple(self._means)
        chosen = most_changing(frames, tuple(self._means.values()), -(-len(frames) // 2) + 1)
        for before, frame in pairwise(chosen):
            await self._pass(faithful, before, frame)
            shown[frame] = await decode_block_means(await faithful.draw(frame)) or shown[before]
        differences = {frame: largest_difference(self._means[frame], shown[frame]) for frame in chosen}
        worst = max(chosen, key=lambda frame: differences[frame])
        reason = None
        if differences[worst] > THRESHOLD:
            reason = f"it would draw frame {worst} otherwise (by {differences[worst]} of 255 somewhere)"
        costs = Costs(draw_ms=draw_ms, encode_ms=await encode_ms)
        compared = _compared(chosen, differences[worst], reason)
        return replace(fallback, costs=costs, comparison=compared) if reason else _Found(method, costs, compared)

    async def _draw_fast(self, staged: Awaitable[Page]) -> tuple[CaptureMethod, float]:
        """The method that serves, and how long (ms) it takes to draw a frame with it."""
        try:
            return await self._draw_on(await staged)
        except CaptureUnsafe:  # its canvas may be translucent
            size = self._composition.width, self._composition.height
            return await self._draw_on(await self._load(size, "stage"))

    async def _draw_on(self, page: Page) -> tuple[CaptureMethod, float]:
        await self._check_encoder(page)
        stage = StageCapture(page, self._composition.fps)
        await stage.warm_up()
        self._drawn.clear()
        self._means.clear()
        times = [await self._draw(stage, 0)]
        direct = stage.direct
        self.motion = await page.motion()
        for before, frame in pairwise(probe_frames(self._composition.frames, self.motion)):
            await self._pass(stage, before, frame)
            times.append(await self._draw(stage, frame))
            direct = direct or stage.direct
        await page.close()
        return "canvas" if direct else "stage", median(times[1:] or times)

    async def _check_encoder(self, page: Page) -> None:
        if not self._encoding or self._encoding.encoder != "browser":
            return
        from helios.renderer.encode.muxer import browser_settings

        video = self._composition
        settings = json.dumps(browser_settings(self._encoding, video.width, video.height, video.fps))
        if not (await page.evaluate(f"VideoEncoder.isConfigSupported({settings})"))["supported"]:
            raise UsageError(f"{page.browser} can't encode H.264 of {video.width}x{video.height}: --encoder ffmpeg")

    async def _draw(self, stage: StageCapture, frame: int) -> float:
        """How long (ms) it took."""
        started = time.perf_counter()
        image = await stage.draw(frame)
        took = (time.perf_counter() - started) * 1000
        if image:
            await image.arrived()
            self._drawn.append(await asyncio.to_thread(image.pixels))
        self._means[frame] = block_means(self._drawn[-1]) if image else next(reversed(self._means.values()))
        return took

    def _encode(self) -> float:
        from helios.renderer.encode.encoder import encoding_time

        if self._encoding and self._encoding.encoder == "browser":
            return 0.0  # it is done beside the drawing, in the same process
        return encoding_time(self._drawn, self._encoding, self._composition) if self._encoding else 0.0

    async def _pass(self, capture: Capture, before: int, frame: int) -> None:
        """Steps through what lies between two frames, where the page needs it."""
        for between in range(before + 1, frame) if self.motion == "step" else ():
            await capture.step(between)


def _compared(frames: tuple[int, ...] = (), difference: int | None = None, reason: str | None = None) -> Comparison:
    return Comparison(frames=frames, difference=difference, threshold=THRESHOLD, reason=reason)


async def decode_block_means(image: EncodedImage | None) -> bytes:
    """The block means of an image; of none, nothing."""
    if image is None:
        return b""
    return await asyncio.to_thread(lambda: block_means(image.pixels() if image.alpha else image.decoded()))


def probe_frames(frames: int, motion: Motion) -> tuple[int, ...]:
    """The frames to look at: evenly over the whole video, first and last among them.

    A page that has to be stepped through would cost as much as the video itself, so only its first twentieth is.
    """
    last = frames - 1
    if motion == "step":
        last = min(last, max(10, frames // 20))
    count = min(3 + frames // _SHORT, 9)
    return tuple(sorted({round(last * i / (count - 1)) for i in range(count)}))


def most_changing(frames: Sequence[int], means: Sequence[bytes], count: int) -> tuple[int, ...]:
    """The first and the last of ``frames``, and those between that differ most from the one before."""
    inner = sorted(range(1, len(frames) - 1), key=lambda i: change(means[i - 1], means[i]), reverse=True)
    return tuple(frames[i] for i in sorted({0, len(frames) - 1, *inner[: max(1, count - 2)]}))
