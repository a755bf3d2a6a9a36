"""The report of a job: one HTML page with its attempts and workers over time, failures, and images of the video."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any

import av
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from helios.jobs.journal import JobStatus, Journal
from helios.orchestrator import (
    ChunkAttemptFailed,
    ChunkCached,
    ChunkFinished,
    ChunkStarted,
    RenderEvent,
    RenderFinished,
    RenderPlanned,
    WarningIssued,
)
from helios.output import write_whole

_IMAGES = 24
_WIDTH = 240  # pixels of an image
_ROW_HEIGHT = 22
_CHART = 1000

_STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1080px; padding: 0 1rem; color: #223 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1.5rem } dd { margin: 0 }
svg { width: 100%; height: auto; background: #f6f7f9 } svg text { font: 11px system-ui, sans-serif }
.done { fill: #3a8f5c } .failed { fill: #c8442f } .lost { fill: #b9bec9 }
.rate { fill: none; stroke: #2b5fb4; stroke-width: 2 }
.video { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 6px }
figure { margin: 0 } figure img { width: 100%; display: block } figcaption { font-size: 11px; color: #667 }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top }
pre { margin: 0; white-space: pre-wrap; font-size: 12px }
"""


@dataclass(slots=True)
class _Span:
    """An attempt; times are in seconds since the job's first event."""

    chunk: int
    attempt: int
    worker: int
    frames: int
    started: float
    finished: float
    kind: str = "lost"
    message: str = ""


def write_report(journal: Journal, job: str, path: Path) -> None:
    """Writes the report of a job to ``path``. It needs no other file.

    Raises:
        OutputError: it can't be written.
    """
    status = journal.status(job)
    events = [(at, event) for _, at, event in journal.events(job)]
    write_whole(path, _page(status, events).encode())


def _page(status: JobStatus, events: list[tuple[float, RenderEvent]]) -> str:
    spans = _spans(events)
    name = escape(status.output.name)
    cached = sum(isinstance(event, ChunkCached) for _, event in events)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{name}: job {status.id}</title><style>{_STYLE}</style><h1>{name}</h1>",
        _facts(status, events, spans, cached),
        _warnings(events),
        "<h2>Chunks</h2>",
        _gantt(spans),
        "<h2>Frames per second</h2>",
        _rates(spans),
        _failures(spans),
        _video(status),
    ]
    return "\n".join(parts) + "\n"


def _spans(events: list[tuple[float, RenderEvent]]) -> list[_Span]:
    if not events:
        return []
    zero, end = events[0][0], events[-1][0] - events[0][0]
    open_: dict[tuple[int, int], _Span] = {}
    spans: list[_Span] = []
    for at, event in events:
        if isinstance(event, ChunkStarted):
            key = event.chunk, event.attempt
            if key in open_:
                open_[key].finished = at - zero  # of an earlier run of the job, which was killed
            frames = event.stop - event.start
            open_[key] = _Span(event.chunk, event.attempt, event.worker, frames, at - zero, end)
            spans.append(open_[key])
        elif isinstance(event, ChunkFinished | ChunkAttemptFailed):
            span = open_.pop((event.chunk, event.attempt), None)
            if span:
                span.finished = at - zero
                span.kind = "done" if isinstance(event, ChunkFinished) else "failed"
                span.message = event.error if isinstance(event, ChunkAttemptFailed) else ""
    return spans


def _facts(status: JobStatus, events: list[tuple[float, RenderEvent]], spans: list[_Span], cached: int) -> str:
    stats = {
        "Job": status.id,
        "State": status.display_state,
        "Output": str(status.output),
        "Started": time.strftime("%F %T %Z", time.localtime(status.started)) if status.started else "not yet",
        "Frames": f"{status.frames} of {status.all_frames}",
        "Chunks": f"{status.chunks} of {status.all_chunks}" + (f", {cached} of them from the cache" if cached else ""),
        "Attempts": f"{len(spans)}, of which {sum(span.kind == 'failed' for span in spans)} failed",
    }
    if status.started and status.finished:
        stats["Duration"] = f"{status.finished - status.started:.1f} s"
    for _, event in events:
        if isinstance(event, RenderPlanned):
            stats["Size"] = f"{event.width}x{event.height} at {float(event.fps):g} frames per second"
            stats["Capture"] = f"{event.capture}, motion {event.motion}, {event.browser}"
        elif isinstance(event, RenderFinished) and event.cost is not None:
            stats["Cost"] = f"{event.cost:.4f} USD, estimated from list prices"
    if status.error:
        stats["Error"] = status.error
    return "<dl>" + "".join(f"<dt>{escape(name)}<dd>{escape(value)}" for name, value in stats.items()) + "</dl>"


def _warnings(events: list[tuple[float, RenderEvent]]) -> str:
    messages = [event.message for _, event in events if isinstance(event, WarningIssued)]
    return "<h2>Warnings</h2><ul>" + "".join(f"<li>{escape(text)}" for text in messages) + "</ul>" if messages else ""


def _gantt(spans: list[_Span]) -> str:
    if not spans:
        return "<p>No chunk was started."
    total = max(span.finished for span in spans) or 1
    rows = {worker: row for row, worker in enumerate(sorted({span.worker for span in spans}))}
    scale = (_CHART - 80) / total
    bars = [f'<text x="4" y="{row * _ROW_HEIGHT + 15}">worker {worker}</text>' for worker, row in rows.items()]
    for span in spans:
        x, width = 80 + span.started * scale, max(1.0, (span.finished - span.started) * scale)
        seconds = span.finished - span.started
        title = f"chunk {span.chunk}, attempt {span.attempt}: {span.kind} in {seconds:.1f} s {span.message}"
        y = rows[span.worker] * _ROW_HEIGHT
        bars.append(
            f'<rect class="{span.kind}" x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{_ROW_HEIGHT - 4}" rx="2">'
            f"<title>{escape(title)}</title></rect>"
        )
        if width > 30:
            bars.append(f'<text x="{x + 4:.1f}" y="{y + 15}" fill="#fff">{span.chunk}</text>')
    height = len(rows) * _ROW_HEIGHT + 18
    bars += [f'<text x="80" y="{height - 4}">0 s</text>']
    bars += [f'<text x="{_CHART - 4}" y="{height - 4}" text-anchor="end">{total:.1f} s</text>']
    return f'<svg id="gantt" viewBox="0 0 {_CHART} {height}">{"".join(bars)}</svg>'


def _rates(spans: list[_Span]) -> str:
    """Returns a chart of frames per second; the frames of a chunk count evenly over the time of its attempt."""
    done = [span for span in spans if span.kind == "done" and span.finished > span.started]
    if not done:
        return "<p>No chunk is done."
    total = max(span.finished for span in done)
    count = 50
    step = total / count
    rates = [0.0] * count
    for span in done:
        for k in range(count):
            shared = min(span.finished, (k + 1) * step) - max(span.started, k * step)
            rates[k] += max(0.0, shared) / (span.finished - span.started) * span.frames / step
    top = max(rates)
    points = " ".join(
        f"{80 + (k + 0.5) * (_CHART - 80) / count:.1f},{110 - 100 * rate / top:.1f}" for k, rate in enumerate(rates)
    )
    return (
        f'<svg id="rates" viewBox="0 0 {_CHART} 120"><text x="4" y="15">{top:.1f}</text><text x="4" y="112">0</text>'
        f'<polyline class="rate" points="{points}"/></svg>'
    )


def _failures(spans: list[_Span]) -> str:
    failed = [span for span in spans if span.kind == "failed"]
    if not failed:
        return ""
    rows = "".join(
        f"<tr><td>{span.chunk}<td>{span.attempt}<td>{span.worker}<td><pre>{escape(span.message)}</pre>"
        for span in failed
    )
    return f"<h2>Failures</h2><table><tr><th>chunk<th>attempt<th>worker<th>reason{rows}</table>"


def _video(status: JobStatus) -> str:
    if status.state != "done" or not status.output.is_file():
        return ""
    try:
        images = _images(status.output)
    except (FFmpegError, OSError, ValueError) as error:
        return f"<h2>The video</h2><p>{escape(str(status.output))} can't be read: {escape(str(error))}"
    if not images:
        return f"<h2>The video</h2><p>{escape(str(status.output))} has no video."
    figures = "".join(
        f'<figure><img alt="frame at {at:.2f} s" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        f"<figcaption>{at:.2f} s</figcaption></figure>"
        for at, data in images
    )
    return f'<h2>The video</h2><div class="video">{figures}</div>'


def _images(video: Path) -> list[tuple[float, bytes]]:
    """Returns JPEG images, evenly spread over a video, with their times in seconds."""
    with av.open(str(video)) as container:
        if not container.streams.video:
            return []
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        assert stream.time_base
        length = (stream.duration or 0) * stream.time_base
        images: list[tuple[float, bytes]] = []
        for k in range(_IMAGES):
            target = length * k / _IMAGES
            container.seek(int(target / stream.time_base), stream=stream)
            frame = next((frame for frame in container.decode(stream) if _time(frame) >= target), None)
            if frame and (not images or _time(frame) > images[-1][0]):
                images.append((float(_time(frame)), _jpeg(frame)))
    return images


def _time(frame: VideoFrame) -> Fraction:
    return (frame.pts or 0) * (frame.time_base or Fraction(1))


def _jpeg(frame: VideoFrame) -> bytes:
    height = max(2, round(frame.height * _WIDTH / frame.width / 2) * 2)
    small = frame.reformat(_WIDTH, height, "yuvj420p", dst_color_range=ColorRange.JPEG)
    encoder = CodecContext.create("mjpeg", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = small.width, small.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.color_range = ColorRange.JPEG
    small.pts = 0
    packets: list[Packet[Any]] = [*encoder.encode(small), *encoder.encode(None)]
    return b"".join(map(bytes, packets))
