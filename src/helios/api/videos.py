"""A video, from the options of its caller."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Unpack

from helios.adapters import LocalWorkerAdapter, check_portable, open_adapter
from helios.adapters.faults import check_faults
from helios.api.options import CompositionOptions, RenderOptions, check_rate, check_text, is_split_by_hand, make_request
from helios.api.targets import is_remote, plan_by, resolve_targets, with_workers
from helios.audio import AudioSettings, check_track, choose_audio_codec, parse_track, supports_audio
from helios.composition import FORMATS, Format, named, parse_format
from helios.errors import UsageError
from helios.jobs.job import Job
from helios.jobs.journal import Journal
from helios.jobs.runner import run_job
from helios.jobs.spec import JobSpec
from helios.jobs.webhook import check_webhook
from helios.orchestrator import RenderEvent, RenderOrchestrator, RenderResult
from helios.orchestrator.dispatch import make_dispatcher
from helios.orchestrator.estimate import Estimate, is_worth_measuring, measure, predict
from helios.orchestrator.events import EventSink
from helios.orchestrator.page_audio import tracks_found
from helios.orchestrator.plan import chunks_for, cores
from helios.output import check_output
from helios.stitcher import FfmpegStitcher, create_stitcher
from helios.text import check_container, read_text
from helios.threads import in_daemon

_STREAMED = ("libx264", "libx265", "libsvtav1")


async def render(
    source: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    on_event: EventSink = lambda event: None,
    **options: Unpack[RenderOptions],
) -> RenderResult:
    """Renders a page (a file, a folder with index.html, or an http(s) address) into a video, else out.mp4.

    The ending of its name says what it becomes: see docs/formats.md.

    It is a job as any other: if it is stopped, chunks that are made are kept, and found by the next that needs them.

    Raises:
        HeliosError: see ``helios.errors``; nothing is left half-written.
    """
    check_faults(options.get("inject"))
    spec = await create_job(source, output, **options)
    with closing(Journal()) as journal:
        spec = spec if is_split_by_hand(options) else journal.reuse_plan(spec)
        return await run_job(journal, journal.create(spec), on_event, inject=options.get("inject"))


def render_sync(
    source: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    on_event: EventSink = lambda event: None,
    **options: Unpack[RenderOptions],
) -> RenderResult:
    """``render`` for callers without an event loop."""
    return asyncio.run(render(source, output, on_event=on_event, **options))


async def render_events(
    source: str | PathLike[str], output: str | PathLike[str] | None = None, **options: Unpack[RenderOptions]
) -> AsyncIterator[RenderEvent]:
    """``render`` as a stream of events, ``RenderFinished`` last. Leaving the loop early stops the render."""
    queue: asyncio.Queue[RenderEvent | None] = asyncio.Queue()
    task = asyncio.create_task(render(source, output, on_event=queue.put_nowait, **options))
    task.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (event := await queue.get()) is not None:
            yield event
        await task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def submit(
    source: str | PathLike[str], output: str | PathLike[str] | None = None, **options: Unpack[RenderOptions]
) -> Job:
    """Plans a video as ``render`` does, and leaves a process behind that renders it.

    Raises:
        HeliosError: it can't be planned.
    """
    spec = await create_job(source, output, **options)
    check_portable(spec.targets)
    journal = Journal()
    return Job.submit(journal, spec if is_split_by_hand(options) else journal.reuse_plan(spec))


async def create_job(
    source: str | PathLike[str], output: str | PathLike[str] | None = None, **options: Unpack[RenderOptions]
) -> JobSpec:
    """The job that ``render`` would run: the page is looked at, and all that is to be drawn is settled.

    Raises:
        HeliosError: it can't be planned.
    """
    check_text({"input": str(source), "output": str(output or ""), **options})
    if (webhook := options.get("webhook")) is not None:
        try:
            check_webhook(webhook)
        except ValueError as error:
            raise UsageError(str(error)) from None
    path = named(Path(output) if output else None, options.get("format"))
    form = parse_format(path)
    check_output(path, pattern=form.kind == "images")
    if options.get("attempts", 4) < 1:
        raise UsageError(f"a chunk must be tried at least once, not {options.get('attempts')} times")
    hls = _hls(options, form)
    targets, url = await resolve_targets(options)
    if options.get("stitch", "local") not in ("local", *(["remote"] if is_remote(targets) else [])):
        raise UsageError(f"stitch is local, or, with a cloud, remote, not {options.get('stitch')!r}")
    if options.get("stitch") == "remote" and form.kind != "video":
        raise UsageError(f"{form.suffix} files are made here: leave --stitch remote out")
    text, burned = read_text(options.get("metadata"), options.get("chapters"), options.get("subtitles") or ())
    if text:
        check_container(text, path.suffix.lower())
    request = replace(
        make_request(source, options, form, fleet=is_remote(targets)),
        captions=burned,
        listen=supports_audio(form.suffix),
    )
    audio = await _audio(options, path.suffix.lower())
    plan = await plan_by(request, targets)
    found, warnings = await in_daemon(tracks_found, plan.probe, here=not request.fleet)
    if found:
        audio = AudioSettings(
            tracks=(*(audio.tracks if audio else ()), *found),
            codec=choose_audio_codec(path.suffix.lower(), options.get("audio_codec")),
            loudness=options.get("loudness"),
        )
    check_rate(form, plan.composition.fps)
    return JobSpec(
        page=plan.with_warnings(warnings),
        output=path.absolute(),
        audio=audio,
        hls=hls,
        text=text,
        targets=with_workers(targets, plan.workers),
        stitch=options.get("stitch", "local"),
        attempts=options.get("attempts", 4),
        store=url,
        fresh=options.get("fresh", False),
        webhook=webhook,
    )


async def estimate(
    source: str | PathLike[str],
    *,
    counts: Sequence[int] | None = None,
    **options: Unpack[RenderOptions],
) -> list[Estimate]:
    """How long a video will take, and what it will cost, with different numbers of workers. Some frames are drawn.

    ``counts`` are numbers of workers; by default, some up to as many as pay off.

    Raises:
        HeliosError: as ``render``.
    """
    check_text({"input": str(source), **options})
    (target, *others), _ = await resolve_targets(options)
    if others:
        raise UsageError(f"what {options.get('adapter')} would take can't be told: name one place")
    form = parse_format(named(None, options.get("format")))
    request = make_request(source, options, form, fleet=is_remote([target]))
    with tempfile.TemporaryDirectory(prefix="helios-") as folder:
        async with open_adapter(target) as adapter:
            plan = await RenderOrchestrator(adapter, FfmpegStitcher(LocalWorkerAdapter())).plan(request)
            pace = await measure(make_dispatcher(adapter, plan.root), plan, Path(folder))
    frames = range(plan.chunks[0].start, plan.chunks[-1].stop)
    found: list[Estimate] = []
    for workers in counts or is_worth_measuring(len(frames), None if is_remote([target]) else cores()):
        chunks = chunks_for(frames, plan.probe.motion, workers, request.chunk_frames)
        found.append(predict(pace, plan.probe.motion, chunks, workers))
    return found


async def still(
    source: str | PathLike[str],
    output: str | PathLike[str],
    *,
    frame: int = 0,
    **options: Unpack[CompositionOptions],
) -> None:
    """Renders one frame of a page into a PNG or JPEG.

    A page that declares no length is taken to end with that frame.

    Raises:
        HeliosError: see ``helios.errors``; nothing is left half-written.
    """
    check_text({"input": str(source), **options})
    await _orchestrator().still(make_request(source, RenderOptions(**options), FORMATS["png"]), frame, Path(output))


async def stitch(inputs: Sequence[str | PathLike[str]], output: str | PathLike[str]) -> None:
    """Joins segments of one kind into a video, without encoding them again.

    Raises:
        StitchError: a segment is missing, broken or unlike the first.
        OutputError: the video can't be written.
    """
    path = Path(output)
    check_output(path, pattern=parse_format(path).kind == "images")
    await create_stitcher(path, LocalWorkerAdapter()).stitch([Path(each) for each in inputs], path)


def _orchestrator() -> RenderOrchestrator:
    adapter = LocalWorkerAdapter()
    return RenderOrchestrator(adapter, FfmpegStitcher(adapter))


async def _audio(options: RenderOptions, container: str) -> AudioSettings | None:
    tracks = [await in_daemon(check_track, parse_track(text)) for text in options.get("audio") or ()]
    loudness = options.get("loudness")
    if loudness is not None and not -70 <= loudness <= -5:
        raise UsageError(f"loudness is from -70 to -5 LUFS, not {loudness:g}")
    if not tracks and options.get("audio_codec") is None:
        return None
    codec = choose_audio_codec(container, options.get("audio_codec"))
    return AudioSettings(tracks=tuple(tracks), codec=codec, loudness=loudness) if tracks else None


def _hls(options: RenderOptions, form: Format) -> Path | None:
    """The folder of the stream, once it is sure that there can be one."""
    if (folder := options.get("hls")) is None:
        return None
    encoder = form.encoder(options.get("codec"), alpha=options.get("alpha", False))
    if form.kind != "video" or encoder not in _STREAMED:
        raise UsageError("--hls plays h264, h265 and av1 only: choose such a --codec, and an ending such as .mp4")
    path = Path(folder).absolute()
    check_output(path / "index.m3u8" if path.is_dir() else path)
    return path
