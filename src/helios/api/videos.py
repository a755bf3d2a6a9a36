"""The verbs for one video."""

# pyright: reportTypedDictNotRequiredAccess=false
# ``complete`` adds the defaults of the options that the caller leaves out.

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
from helios.api.options import (
    CompositionOptions,
    RenderOptions,
    check_rate,
    check_text,
    complete,
    has_fixed_chunks,
    make_request,
)
from helios.api.targets import is_remote, plan_by, resolve_targets, with_workers
from helios.api.verb import documented, verb
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
from helios.threads import in_daemon, run_sync

_STREAMED = ("libx264", "libx265", "libsvtav1")


@verb
async def render(
    source: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    on_event: EventSink | None = None,
    **options: Unpack[RenderOptions],
) -> RenderResult:
    """Renders a page (a file, a folder with index.html, or an http(s) address) into ``output``, by default out.mp4.

    The file name chooses the format: see docs/formats.md. ``on_event`` is called with each event, in this event loop.

    If the render is stopped, its finished chunks stay in the store, and the next render of the same page uses them.

    Raises:
        HeliosError: see ``helios.errors``; no output is left half-written.
    """
    check_faults(options.get("inject"))
    spec = await _create_job(source, output, complete(options))
    with closing(Journal()) as journal:
        job = journal.create(spec if has_fixed_chunks(complete(options)) else journal.reuse_plan(spec))
        return await run_job(journal, job, on_event or (lambda event: None), inject=options.get("inject"))


@documented
def render_sync(
    source: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    on_event: EventSink | None = None,
    **options: Unpack[RenderOptions],
) -> RenderResult:
    """Like ``render``, for synchronous code, in any thread.

    Where an event loop is running (in a notebook), it blocks that loop, and calls ``on_event`` in another thread.

    Raises:
        HeliosError: see ``helios.errors``; no output is left half-written.
    """
    return run_sync(lambda: render(source, output, on_event=on_event, **options))


@documented
async def render_events(
    source: str | PathLike[str], output: str | PathLike[str] | None = None, **options: Unpack[RenderOptions]
) -> AsyncIterator[RenderEvent]:
    """Renders like ``render``, and yields each event, ``RenderFinished`` last. Closing the iterator stops the render.

    Raises:
        HeliosError: see ``helios.errors``; no output is left half-written.
    """
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


@verb
async def submit(
    source: str | PathLike[str], output: str | PathLike[str] | None = None, **options: Unpack[RenderOptions]
) -> Job:
    """Plans a video like ``render``, starts a background process that renders it, and returns the job.

    Raises:
        HeliosError: the video can't be planned.
    """
    spec = await _create_job(source, output, complete(options))
    check_portable(spec.targets)
    journal = Journal()
    return Job.submit(journal, spec if has_fixed_chunks(complete(options)) else journal.reuse_plan(spec))


@verb
async def create_job(
    source: str | PathLike[str], output: str | PathLike[str] | None = None, **options: Unpack[RenderOptions]
) -> JobSpec:
    """Plans a video like ``render``, and returns the job without running it.

    Raises:
        HeliosError: the video can't be planned.
    """
    return await _create_job(source, output, complete(options))


async def _create_job(
    source: str | PathLike[str], output: str | PathLike[str] | None, options: RenderOptions
) -> JobSpec:
    check_text({"input": str(source), "output": str(output or ""), **options})
    if (webhook := options["webhook"]) is not None:
        try:
            check_webhook(webhook)
        except ValueError as error:
            raise UsageError(str(error)) from None
    path = named(Path(output) if output else None, options["format"])
    form = parse_format(path)
    check_output(path, pattern=form.kind == "images")
    if options["attempts"] < 1:
        raise UsageError(f"attempts must be 1 or more, not {options['attempts']}")
    hls = _hls(options, form)
    targets, url = await resolve_targets(options)
    if options["stitch"] == "remote" and not is_remote(targets):
        raise UsageError("stitch must be local, not remote, without a cloud adapter")
    if options["stitch"] == "remote" and form.kind != "video":
        raise UsageError(f"{form.suffix} files are joined on this machine: drop --stitch remote")
    text, burned = read_text(options["metadata"], options["chapters"], options["subtitles"] or ())
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
            codec=choose_audio_codec(path.suffix.lower(), options["audio_codec"]),
            loudness=options["loudness"],
        )
    check_rate(form, plan.composition.fps)
    return JobSpec(
        page=plan.with_warnings(warnings),
        output=path.absolute(),
        audio=audio,
        hls=hls,
        text=text,
        targets=with_workers(targets, plan.workers),
        stitch=options["stitch"],
        attempts=options["attempts"],
        store=url,
        fresh=options["fresh"],
        webhook=webhook,
    )


@verb
async def estimate(
    source: str | PathLike[str],
    *,
    counts: Sequence[int] | None = None,
    **options: Unpack[RenderOptions],
) -> list[Estimate]:
    """Renders some frames, and estimates the seconds and the cost (US dollars) of a video for each number of workers.

    ``counts`` are the numbers of workers; by default, some up to as many as pay off.

    Raises:
        HeliosError: see ``helios.errors``.
    """
    options = complete(options)
    check_text({"input": str(source), **options})
    (target, *others), _ = await resolve_targets(options)
    if others:
        raise UsageError(f"the estimate supports one adapter, not {options['adapter']}")
    form = parse_format(named(None, options["format"]))
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


@verb
async def still(
    source: str | PathLike[str],
    output: str | PathLike[str],
    *,
    frame: int = 0,
    **options: Unpack[CompositionOptions],
) -> None:
    """Renders one frame of a page, counted from 0, into a PNG or JPEG file.

    A page without a length is rendered up to that frame.

    Raises:
        HeliosError: see ``helios.errors``; no output is left half-written.
    """
    check_text({"input": str(source), **options})
    adapter = LocalWorkerAdapter()
    orchestrator = RenderOrchestrator(adapter, FfmpegStitcher(adapter))
    await orchestrator.still(make_request(source, complete(options), FORMATS["png"]), frame, Path(output))


@verb
async def stitch(inputs: Sequence[str | PathLike[str]], output: str | PathLike[str]) -> None:
    """Joins segments with the same codec, size and pixel format into a video, without encoding them again.

    Raises:
        StitchError: a segment is missing, broken or different from the first.
        OutputError: the video can't be written.
    """
    path = Path(output)
    check_output(path, pattern=parse_format(path).kind == "images")
    await create_stitcher(path, LocalWorkerAdapter()).stitch([Path(each) for each in inputs], path)


async def _audio(options: RenderOptions, container: str) -> AudioSettings | None:
    tracks = [await in_daemon(check_track, parse_track(text)) for text in options["audio"] or ()]
    loudness = options["loudness"]
    if loudness is not None and not -70 <= loudness <= -5:
        raise UsageError(f"loudness must be from -70 to -5 LUFS, not {loudness:g}")
    if not tracks and options["audio_codec"] is None:
        return None
    codec = choose_audio_codec(container, options["audio_codec"])
    return AudioSettings(tracks=tuple(tracks), codec=codec, loudness=loudness) if tracks else None


def _hls(options: RenderOptions, form: Format) -> Path | None:
    """The folder of the HLS stream, if there is one.

    Raises:
        UsageError: HLS does not support the codec.
    """
    if (folder := options["hls"]) is None:
        return None
    encoder = form.encoder(options["codec"], alpha=options["alpha"])
    if form.kind != "video" or encoder not in _STREAMED:
        raise UsageError("HLS supports h264, h265 and av1 only: choose one as --codec, and a format such as .mp4")
    path = Path(folder).absolute()
    check_output(path / "index.m3u8" if path.is_dir() else path)
    return path
