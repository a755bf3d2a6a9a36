"""Jobs of external commands: ffmpeg draws numbered frames losslessly."""

import json
import subprocess
from functools import cache
from pathlib import Path

import av

from helios.jobs import JobSpec
from helios.stitcher.binary import find_ffmpeg

RATE = 25
SIZE = "64x48"


def draw(start: int, stop: int) -> list[str]:
    """Returns ffmpeg's arguments to write these frames of its test image to segment.mp4."""
    return [
        "-hide_banner", "-loglevel", "error", "-nostdin", "-f", "lavfi", "-i", f"testsrc2=size={SIZE}:rate={RATE}",
        "-vf", f"trim=start_frame={start}:end_frame={stop},setpts=PTS-STARTPTS", "-pix_fmt", "yuv420p",
        "-c:v", "libx264", "-qp", "0", "-preset", "ultrafast", "-threads", "1", "segment.mp4",
    ]  # fmt: skip


def spec(
    output: Path, *, chunks: int = 6, frames: int = 5, workers: int = 2, log: Path | None = None, **more: object
) -> JobSpec:
    """Returns a job of ``chunks`` chunks with ``frames`` frames each. Each successful command adds its number to ``log``."""
    parts: list[dict[str, object]] = []
    for k in range(chunks):
        arguments = draw(k * frames, (k + 1) * frames)
        part: dict[str, object] = {"command": str(find_ffmpeg()), "args": arguments}
        if log:
            script = f'"$@" && echo {k} >> {log}'
            part = {"command": "sh", "args": ["-c", script, "sh", str(find_ffmpeg()), *arguments]}
        parts.append({**part, "output": "segment.mp4", "frames": frames})
    job = {"version": 1, "output": str(output), "commands": {"chunks": parts, "workers": workers}, **more}
    return JobSpec.parse(json.dumps(job), "the job")


def images(video: Path) -> list[bytes]:
    """Returns the decoded frames of a video."""
    with av.open(str(video)) as container:
        return [bytes(frame.reformat(format="yuv420p").to_ndarray().tobytes()) for frame in container.decode(video=0)]


@cache
def expected(frames: int) -> list[bytes]:
    """Returns the frames of a correct video, drawn by one command."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([str(find_ffmpeg()), *draw(0, frames)], cwd=folder, check=True)
        return images(Path(folder, "segment.mp4"))
