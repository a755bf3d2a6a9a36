"""``helios render``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

import helios
from helios.cli import options
from helios.cli.progress import Reporter, reporter
from helios.cli.run import fail, run
from helios.errors import HeliosError
from helios.output import write_whole

if TYPE_CHECKING:
    from helios.audio import AudioCodec
    from helios.composition import Network
    from helios.orchestrator.assemble import StitchChoice
    from helios.renderer.messages import CaptureChoice, EncoderChoice


def render(
    source: options.Source,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Output file; its suffix chooses the format (default: out.mp4)."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Output format, such as mp4, webm, gif or png, for a name without suffix.",
        ),
    ] = None,
    width: options.Width = None,
    height: options.Height = None,
    fps: options.Fps = None,
    duration: options.Duration = None,
    frames: options.Frames = None,
    frame_range: Annotated[
        str | None, typer.Option("--range", metavar="A:B", help="Only frames A to B, B not included.")
    ] = None,
    props: options.Props = None,
    workers: options.Workers = "auto",
    chunk_frames: options.ChunkFrames = None,
    encoder: Annotated[
        str, typer.Option(metavar="ffmpeg|browser", help="Video encoder; the browser's is faster, at a lower quality.")
    ] = "ffmpeg",
    codec: options.Codec = None,
    alpha: options.Alpha = False,
    preview: options.Preview = False,
    crf: options.Crf = None,
    preset: options.Preset = None,
    pixel_format: options.PixelFormat = None,
    capture: options.Capture = "auto",
    ready_timeout: options.ReadyTimeout = 30.0,
    network: options.NetworkPolicy = None,
    attempts: Annotated[int, typer.Option(help="Attempts at each chunk.")] = 4,
    store: options.Store = None,
    fresh: options.Fresh = False,
    webhook: Annotated[str | None, typer.Option(metavar="URL", help="URL that receives the events of the job.")] = None,
    adapter: options.Adapter = "local",
    function: options.Function = None,
    service: options.Service = None,
    stitch: Annotated[
        str, typer.Option(metavar="local|remote", help="Where segments are joined: this machine, or a cloud worker.")
    ] = "local",
    audio: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[@SECONDS]", help="Audio track: music.mp3@2.5,volume=0.6,fade-in=1,loop. Several are mixed."
        ),
    ] = None,
    audio_codec: Annotated[
        str | None, typer.Option(metavar="aac|opus|pcm", help="Audio codec (default: by the output format).")
    ] = None,
    loudness: Annotated[
        float | None, typer.Option(metavar="LUFS", help="Integrated loudness, such as -14 (EBU R128).")
    ] = None,
    hls: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder for an HLS stream that plays while the rest renders."),
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Metadata of the video file, such as title=Hello.")
    ] = None,
    chapters: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File of chapters, one line each, such as 1:02.500 Title.")
    ] = None,
    subtitles: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Subtitles (.srt, .vtt, .ass): video.srt,language=en; burned in: video.srt,burn.",
        ),
    ] = None,
    emit_job: Annotated[
        Path | None,
        typer.Option(metavar="SPEC", help="Write the job to a file instead: helios job run SPEC."),
    ] = None,
    inject: options.Inject = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Render a page into a video.

    The page may declare its size, frame rate and length, as in `<meta name="helios" content="width=1920, height=1080,
    fps=30, duration=8">`. Options override it.

    Examples:

        helios render page.html -o out.mp4 --duration 8

        helios render project/ -o out.mp4 --props '{"name": "Ada"}' --workers 4

        helios render page.html -o out.mp4 --audio music.mp3,fade-out=2 --audio voice.wav@2.5 --loudness -14

        helios render page.html -o out.mp4 --metadata title=Hello --chapters chapters.txt --subtitles video.srt,burn

        helios render page.html -o logo.webm --alpha

        helios render page.html -o frames/%05d.png

        helios render https://example.com -o out.mp4 --fps 24000/1001 --frames 240
    """
    report: Reporter = reporter(quiet=quiet, json=json)
    try:
        count = options.read_workers(workers)
        values = options.read_props(props)
        message = options.parse_metadata(metadata or ())
    except HeliosError as error:
        fail(error, json=json)
    wanted = helios.RenderOptions(
        width=width,
        height=height,
        fps=fps,
        duration=duration,
        frames=frames,
        frame_range=frame_range,
        props=values,
        workers=count,
        chunk_frames=chunk_frames,
        encoder=cast("EncoderChoice", encoder),  # helios.render refuses any other, and of the next
        format=form,
        codec=codec,
        alpha=alpha,
        preview=preview,
        crf=crf,
        preset=preset,
        pixel_format=pixel_format,
        capture=cast("CaptureChoice", capture),
        ready_timeout=ready_timeout,
        network=cast("Network | None", network),
        attempts=attempts,
        store=store,
        fresh=fresh,
        webhook=webhook,
        inject=inject,
        adapter=adapter,
        function=function,
        service=service,
        stitch=cast("StitchChoice", stitch),
        audio=audio or (),
        audio_codec=cast("AudioCodec | None", audio_codec),
        loudness=loudness,
        hls=hls,
        metadata=message,
        chapters=chapters,
        subtitles=subtitles or (),
    )
    if emit_job:
        run(_emit(source, output, emit_job, wanted), json=json)
        return
    run(helios.render(source, output, on_event=report.show, **wanted), show=report, json=json)


async def _emit(source: str, output: Path | None, path: Path, wanted: helios.RenderOptions) -> None:
    spec = await helios.create_job(source, output, **wanted)
    write_whole(path, f"{spec.model_dump_json(indent=1)}\n".encode())
