"""The verbs of ``import helios``. The command line calls these and adds nothing to them."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any, TypedDict, Unpack, cast, get_args

from helios.adapters import (
    CloudRunPlace,
    LambdaPlace,
    LocalPlace,
    LocalWorkerAdapter,
    Place,
    check_aws,
    check_gcp,
    open_adapter,
)
from helios.adapters.faults import check_faults
from helios.batches import (
    BatchRun,
    BatchSink,
    FilmResult,
    batch_state,
    format_for,
    make_room,
    name_films,
    plan_batch,
    read_rows,
)
from helios.composition import FORMATS, Declared, Format, Network, Source, format_of, named, parse_rate
from helios.errors import MissingTool, StoreError, UsageError, WorkerError
from helios.jobs.job import Job
from helios.jobs.journal import Journal
from helios.jobs.runner import run_job
from helios.jobs.spec import JobSpec
from helios.orchestrator import Crew, Rendered, RenderEvent, RenderOrchestrator, RenderRequest
from helios.orchestrator.dispatch import Workplace
from helios.orchestrator.events import EventSink
from helios.orchestrator.forecast import Forecast, measure, predict, worth_a_look
from helios.orchestrator.hearing import tracks_found
from helios.orchestrator.orchestrator import StitchChoice
from helios.orchestrator.output import check_output
from helios.orchestrator.pages import RenderPlan
from helios.orchestrator.plan import chunks_for, cores
from helios.release import __version__
from helios.renderer.spec import CaptureChoice, EncoderChoice, Encoding
from helios.sound import AudioCodec, Sound, check_track, codec_for, holds_sound, parse_track
from helios.stitcher import FfmpegStitcher, stitcher_for
from helios.storage import ArtifactStore
from helios.text import check_container, read_text

_STREAMED = ("libx264", "libx265", "libsvtav1")
_PLACES = ("local", "aws", "gcp")
_BUCKETS = ("s3://", "gs://", "az://")


class CompositionOptions(TypedDict, total=False):
    """What a caller may say of a composition; what it does not say is left to the page.

    ``width`` and ``height`` are in pixels, ``duration`` and ``ready_timeout`` in seconds; ``fps`` is a number
    or text such as "30000/1001"; ``props`` is JSON for ``window.helios.props``; ``network`` is what the page may reach
    beside its own folder: "none", "public" or "all" (see docs/pages.md); with ``alpha`` it stands on nothing, not on
    white.
    """

    width: int | None
    height: int | None
    fps: str | float | Fraction | None
    duration: float | None
    frames: int | None
    props: object
    ready_timeout: float
    network: Network | None
    alpha: bool


class RenderOptions(CompositionOptions, total=False):
    """What a caller may say of a film.

    ``frame_range`` is "A:B" with B not included; ``workers`` None means as many as pay off here; ``chunk_frames``
    is the most frames that a chunk may have; ``format`` is "mp4", "gif" and so on, for an output whose ending says
    nothing; a ``preview`` is half as wide and high, and encoded in a hurry (docs/formats.md); ``encoder`` is
    "ffmpeg" or "browser" (faster, H.264 only); ``codec`` is h264, h265, vp9, av1, prores or an encoder of ffmpeg's;
    ``capture`` is "auto", "fast" or "faithful": see docs/performance.md. ``attempts`` is how often a chunk may be
    tried; ``store`` is the URL where chunks are kept, and ``fresh`` True takes none from there; ``webhook`` is an
    address that is told what becomes of the job; ``inject`` has things go wrong. See docs/jobs.md. ``adapter`` is
    "local", "aws" or "gcp", or several with commas between, which then draw from one queue; ``workers`` are then
    those at each cloud. With a cloud, ``function`` (AWS), ``service`` (Google: its address) and ``store`` (for two
    clouds: one of each, with a comma between) name what is deployed, if it is not what ``helios deploy`` has made,
    and ``stitch`` "remote" has a worker join the chunks. See docs/aws.md and docs/gcp.md.

    ``audio`` are tracks such as "music.mp3@2.5,volume=0.6,fade-in=1,loop"; ``audio_codec`` is "aac", "opus" or "pcm";
    ``loudness`` is what the whole is brought to (LUFS). See docs/sound.md. ``hls`` is a folder for a stream of what is
    finished, which can be played before the rest is.

    ``metadata`` is such as {"title": "Hello"}; ``chapters`` is a file of lines such as "1:02.500 Title"; ``subtitles``
    are such as "film.srt,language=en", or "film.srt,burn" to have them drawn. See docs/text.md.
    """

    frame_range: str | None
    workers: int | None
    chunk_frames: int | None
    encoder: EncoderChoice
    format: str | None
    preview: bool
    codec: str | None
    crf: float | None
    preset: str | None
    pixel_format: str | None
    capture: CaptureChoice
    attempts: int
    store: str | None
    fresh: bool
    webhook: str | None
    inject: str | None
    adapter: str
    function: str | None
    service: str | None
    stitch: StitchChoice
    audio: Sequence[str]
    audio_codec: AudioCodec | None
    loudness: float | None
    hls: str | PathLike[str] | None
    metadata: Mapping[str, str] | None
    chapters: str | PathLike[str] | None
    subtitles: Sequence[str]


class BatchOptions(CompositionOptions, total=False):
    """What a caller may say of a batch: see ``RenderOptions``. ``props`` are those that all films share."""

    workers: int | None
    preview: bool
    codec: str | None
    crf: float | None
    preset: str | None
    pixel_format: str | None
    capture: CaptureChoice
    attempts: int
    store: str | None
    fresh: bool
    adapter: str
    function: str | None
    service: str | None


async def render(
    source: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    on_event: EventSink = lambda event: None,
    **options: Unpack[RenderOptions],
) -> Rendered:
    """Renders a page (a file, a folder with index.html, or an http(s) address) into a film, else out.mp4.

    The ending of its name says what it becomes: see docs/formats.md.

    It is a job as any other: if it is stopped, chunks that are made are kept, and found by the next that needs them.

    Raises:
        HeliosError: see ``helios.errors``; nothing is left half-written.
    """
    check_faults(options.get("inject"))
    spec = await plan_job(source, output, **options)
    with closing(Journal()) as journal:
        spec = spec if _is_split_by_hand(options) else journal.as_before(spec)
        return await run_job(journal, journal.add(spec), on_event, inject=options.get("inject"))


async def submit(
    source: str | PathLike[str], output: str | PathLike[str] | None = None, **options: Unpack[RenderOptions]
) -> Job:
    """Plans a film as ``render`` does, and leaves a process behind that renders it.

    Raises:
        HeliosError: it can't be planned.
    """
    spec = await plan_job(source, output, **options)
    journal = Journal()
    return Job.submit(journal, spec if _is_split_by_hand(options) else journal.as_before(spec))


async def plan_job(
    source: str | PathLike[str], output: str | PathLike[str] | None = None, **options: Unpack[RenderOptions]
) -> JobSpec:
    """The job that ``render`` would run: the page is looked at, and all that is to be drawn is settled.

    Raises:
        HeliosError: it can't be planned.
    """
    path = named(Path(output) if output else None, options.get("format"))
    form = format_of(path)
    check_output(path)
    if options.get("attempts", 4) < 1:
        raise UsageError(f"a chunk must be tried at least once, not {options.get('attempts')} times")
    hls = _hls(options, form)
    places, url = await _places(options)
    if options.get("stitch", "local") not in ("local", *(["remote"] if _clouds(places) else [])):
        raise UsageError(f"stitch is local, or, with a cloud, remote, not {options.get('stitch')!r}")
    if options.get("stitch") == "remote" and form.kind != "film":
        raise UsageError(f"{form.ending} files are made here: leave --stitch remote out")
    text, burned = read_text(options.get("metadata"), options.get("chapters"), options.get("subtitles") or ())
    if text:
        check_container(text, path.suffix.lower())
    request = replace(_request(source, options, form), captions=burned, listen=holds_sound(form.ending))
    sound = _sound(options, path.suffix.lower())
    plan = await _plan(request, places)
    found, warnings = await asyncio.to_thread(tracks_found, plan.probe, here=not request.fleet)
    if found:
        sound = Sound(
            tracks=(*(sound.tracks if sound else ()), *found),
            codec=codec_for(path.suffix.lower(), options.get("audio_codec")),
            loudness=options.get("loudness"),
        )
    _check_rate(form, plan.composition.fps)
    return JobSpec(
        page=plan.warned(warnings),
        output=path.absolute(),
        sound=sound,
        hls=hls,
        text=text,
        places=_with_workers(places, plan.workers),
        stitch=options.get("stitch", "local"),
        attempts=options.get("attempts", 4),
        store=url,
        fresh=options.get("fresh", False),
        webhook=options.get("webhook"),
    )


async def batch(
    template: str | PathLike[str],
    rows: str | PathLike[str] | Sequence[Mapping[str, Any]],
    output: str,
    *,
    on_event: BatchSink = lambda event: None,
    **options: Unpack[BatchOptions],
) -> tuple[FilmResult, ...]:
    """Makes a film of a page for each row: of a .csv or .jsonl file, or as given. A row is its page's props.

    ``output`` names the films by columns, as in "out/{id}.mp4"; folders are made. A row that can't be made fails alone.
    What is made is kept: the same batch goes on where it was stopped, and draws nothing that it has drawn before.

    Returns what became of each row. See docs/batch.md.

    Raises:
        HeliosError: what keeps any film from being made.
    """
    wanted = cast("RenderOptions", options)
    if options.get("attempts", 4) < 1:
        raise UsageError(f"a film must be tried at least once, not {options.get('attempts')} times")
    data = read_rows(Path(rows)) if isinstance(rows, str | PathLike) else rows
    films = name_films(output, data, options.get("props"))
    places, url = await _places(wanted)
    form = format_for(films)
    request = replace(_request(template, wanted, form), listen=holds_sound(form.ending))
    make_room(films)
    stitcher = stitcher_for(films[0].output, LocalWorkerAdapter())
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(closing(Journal()))
        name = (str(request.source), str(Path(output).absolute()), url or "")
        state = stack.enter_context(batch_state(journal.folder, name, keeps=url is None))
        adapters = [await stack.enter_async_context(open_adapter(place)) for place in places]
        looks = RenderOrchestrator(next((one for one in adapters if one.store), adapters[0]), stitcher)
        plan = await plan_batch(looks, request, films)
        _check_rate(form, plan.template.composition.fps)
        crews = [
            Crew(adapter, place.workers)
            for adapter, place in zip(adapters, _with_workers(places, plan.workers), strict=True)
        ]
        run = BatchRun(
            plan,
            crews,
            stitcher,
            ArtifactStore.at(url or journal.folder / "artifacts"),
            state.folder,
            on_event,
            job=state.job,
            attempts=options.get("attempts", 4),
            fresh=options.get("fresh", False),
        )
        results = await run.run()
        state.done = all(result.outcome != "failed" for result in results)
        return results


def batch_sync(
    template: str | PathLike[str],
    rows: str | PathLike[str] | Sequence[Mapping[str, Any]],
    output: str,
    *,
    on_event: BatchSink = lambda event: None,
    **options: Unpack[BatchOptions],
) -> tuple[FilmResult, ...]:
    """``batch`` for callers without an event loop."""
    return asyncio.run(batch(template, rows, output, on_event=on_event, **options))


def render_sync(
    source: str | PathLike[str],
    output: str | PathLike[str] | None = None,
    *,
    on_event: EventSink = lambda event: None,
    **options: Unpack[RenderOptions],
) -> Rendered:
    """``render`` for callers without an event loop."""
    return asyncio.run(render(source, output, on_event=on_event, **options))


async def render_events(
    source: str | PathLike[str], output: str | PathLike[str] | None = None, **options: Unpack[RenderOptions]
) -> AsyncIterator[RenderEvent]:
    """``render`` as a stream of events, ``Rendered`` last. Leaving the loop early stops the render."""
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


async def forecast(
    source: str | PathLike[str],
    *,
    counts: Sequence[int] | None = None,
    **options: Unpack[RenderOptions],
) -> list[Forecast]:
    """How long a film will take, and what it will cost, with different numbers of workers. Some frames are drawn.

    ``counts`` are numbers of workers; by default, some up to as many as pay off.

    Raises:
        HeliosError: as ``render``.
    """
    (place, *others), _ = await _places(options)
    if others:
        raise UsageError(f"what {options.get('adapter')} would take can't be told: name one place")
    request = _request(source, options, format_of(named(None, options.get("format"))))
    with tempfile.TemporaryDirectory(prefix="helios-") as folder:
        async with open_adapter(place) as adapter:
            plan = await RenderOrchestrator(adapter, FfmpegStitcher(LocalWorkerAdapter())).plan(request)
            pace = await measure(Workplace(adapter, plan.root), plan, Path(folder))
    frames = range(plan.chunks[0].start, plan.chunks[-1].stop)
    found: list[Forecast] = []
    for workers in counts or worth_a_look(len(frames), cores() if isinstance(place, LocalPlace) else None):
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
    await _orchestrator().still(_request(source, RenderOptions(**options), FORMATS["png"]), frame, Path(output))


async def stitch(inputs: Sequence[str | PathLike[str]], output: str | PathLike[str]) -> None:
    """Joins segments of one kind into a film, without encoding them again.

    Raises:
        StitchError: a segment is missing, broken or unlike the first.
        OutputError: the film can't be written.
    """
    check_output(Path(output))
    await stitcher_for(Path(output), LocalWorkerAdapter()).stitch([Path(path) for path in inputs], Path(output))


def _orchestrator() -> RenderOrchestrator:
    adapter = LocalWorkerAdapter()
    return RenderOrchestrator(adapter, FfmpegStitcher(adapter))


def _request(source: str | PathLike[str], options: RenderOptions, form: Format) -> RenderRequest:
    fps = options.get("fps")
    declared = Declared(
        width=options.get("width"),
        height=options.get("height"),
        fps=None if fps is None else parse_rate(fps),
        duration=options.get("duration"),
        frames=options.get("frames"),
    )
    encoder = options.get("encoder", "ffmpeg")
    if encoder not in get_args(EncoderChoice):
        raise UsageError(f"encoder is ffmpeg or browser, not {encoder!r}")
    encoding = Encoding(
        encoder=encoder,
        codec=form.encoder(options.get("codec"), alpha=options.get("alpha", False)),
        crf=options.get("crf"),
        preset=options.get("preset"),
        pixel_format=options.get("pixel_format"),
        preview=options.get("preview", False),
    )
    return RenderRequest(
        source=Source.parse(str(source)),
        declared=declared,
        encoding=encoding,
        props=options.get("props"),
        frame_range=options.get("frame_range"),
        workers=options.get("workers"),
        chunk_frames=options.get("chunk_frames"),
        capture=options.get("capture", "auto"),
        ready_timeout=options.get("ready_timeout", 30.0),
        network=options.get("network"),
        alpha=options.get("alpha", False),
        early=options.get("hls") is not None,
        fleet=set(_named(options)) != {"local"},
    )


def _check_rate(form: Format, fps: Fraction) -> None:
    if form.finest and fps > form.finest:
        raise UsageError(f"{form.ending} files have at most {form.finest} frames a second: --fps {form.finest}")


def _sound(options: RenderOptions, container: str) -> Sound | None:
    tracks = [check_track(parse_track(text)) for text in options.get("audio") or ()]
    loudness = options.get("loudness")
    if loudness is not None and not -70 <= loudness <= -5:
        raise UsageError(f"loudness is from -70 to -5 LUFS, not {loudness:g}")
    if not tracks and options.get("audio_codec") is None:
        return None
    codec = codec_for(container, options.get("audio_codec"))
    return Sound(tracks=tuple(tracks), codec=codec, loudness=loudness) if tracks else None


def _hls(options: RenderOptions, form: Format) -> Path | None:
    """The folder of the stream, once it is sure that there can be one."""
    if (folder := options.get("hls")) is None:
        return None
    encoder = form.encoder(options.get("codec"), alpha=options.get("alpha", False))
    if form.kind != "film" or encoder not in _STREAMED:
        raise UsageError("--hls plays h264, h265 and av1 only: choose such a --codec, and an ending such as .mp4")
    path = Path(folder).absolute()
    check_output(path / "index.m3u8" if path.is_dir() else path)
    return path


def _is_split_by_hand(options: RenderOptions) -> bool:
    return options.get("workers") is not None or options.get("chunk_frames") is not None


def _named(options: RenderOptions) -> list[str]:
    """The places that are named."""
    return [name.strip() for name in options.get("adapter", "local").split(",")]


async def _places(options: RenderOptions) -> tuple[tuple[Place, ...], str | None]:
    """Where chunks are drawn, and the URL where they are kept."""
    named, store = _named(options), options.get("store")
    if unknown := [name for name in named if name not in _PLACES]:
        raise UsageError(f"adapter is {', '.join(_PLACES)}, or several of them with commas between, not {unknown[0]!r}")
    for name, option in (("aws", "function"), ("gcp", "service")):
        if options.get(option) and name not in named:
            raise UsageError(f"a {option} is for --adapter {name}")
    if store and {"aws", "gcp"} & set(named) and any(not url.startswith(_BUCKETS) for url in store.split(",")):
        raise UsageError(f"workers in a cloud can't reach {store}: --store s3://BUCKET/PREFIX, or gs:// with gcp")
    places: list[Place] = []
    for name in dict.fromkeys(named):
        match name:
            case "aws":
                places.append(await _lambda(options.get("function"), _of(store, "s3", named)))
            case "gcp":
                places.append(await _cloud_run(options.get("service"), _of(store, "gs", named)))
            case _:
                places.append(LocalPlace())
    clouds = _clouds(places)
    if not clouds:
        return tuple(places), store and (store if "://" in store else str(Path(store).absolute()))
    return tuple(places), clouds[0].store


def _of(store: str | None, scheme: str, named: Sequence[str]) -> str | None:
    """The store for a cloud: where there are two, each has the one of its kind."""
    if not store or not {"aws", "gcp"} <= set(named):
        return store
    return next((url for url in store.split(",") if url.startswith(f"{scheme}://")), None)


async def _lambda(function: str | None, store: str | None) -> LambdaPlace:
    if function and store:
        return LambdaPlace(function=function, store=store)
    check_aws()
    from helios.deploy.aws import find_deployment, new_session

    found = await find_deployment(new_session(), __version__)
    return LambdaPlace(function=function or found.function, region=found.region, store=store or found.store)


async def _cloud_run(service: str | None, store: str | None) -> CloudRunPlace:
    if service and store:
        return CloudRunPlace(service=service, store=store)
    check_gcp()
    from helios.deploy.gcp import find_deployment, open_project

    found = await asyncio.to_thread(lambda: find_deployment(open_project(), __version__))
    return CloudRunPlace(
        service=service or found.service, store=store or found.store, memory_mb=found.memory_mb, cpus=found.cpus
    )


async def _plan(request: RenderRequest, places: Sequence[Place]) -> RenderPlan:
    """The plan by the first place that can look at the page, clouds before this machine. Why one can't is told when
    chunks are given to it.
    """
    clouds = _clouds(places)
    *others, last = *clouds, *(place for place in places if place not in clouds)
    for place in others:
        with contextlib.suppress(WorkerError, StoreError, MissingTool):
            return await _plan_at(place, request)
    return await _plan_at(last, request)


async def _plan_at(place: Place, request: RenderRequest) -> RenderPlan:
    async with open_adapter(place) as adapter:
        return await RenderOrchestrator(adapter, FfmpegStitcher(LocalWorkerAdapter())).plan(request)


def _clouds(places: Sequence[Place]) -> list[LambdaPlace | CloudRunPlace]:
    return [place for place in places if not isinstance(place, LocalPlace)]


def _with_workers(places: Sequence[Place], planned: int) -> tuple[Place, ...]:
    """Places with their shares: each cloud has as many workers as were planned, this machine what its cores can do."""
    if len(places) == 1:
        return tuple(places)
    return tuple(
        place.model_copy(update={"workers": cores() if isinstance(place, LocalPlace) else planned}) for place in places
    )
