"""The renderer's command: ``python -m helios.renderer chunk|videos|still|probe SPEC OUTPUT``.

It reads SPEC (JSON, see messages.py) and writes OUTPUT (for a chunk also OUTPUT.json, its report; for videos a folder
with the segment and outcome of each as soon as it is drawn). It reports progress on stdout in lines of Open Job
Description: ``openjd_progress: PERCENT``, ``openjd_status: TEXT`` and ``openjd_fail: TEXT``. Its exit code is that of
the error's class (messages.EXIT_CODES).
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError

from helios.composition import Source
from helios.errors import HeliosError, UsageError, WorkerRefused
from helios.renderer.batch import draw_videos
from helios.renderer.draw import draw_chunk, draw_still
from helios.renderer.messages import EXIT_CODES, BatchSpec, ChunkSpec, ProbeSpec, StillSpec
from helios.renderer.probe import probe

_PROGRESS_INTERVAL = 0.1


async def _run(kind: str, spec: bytes, output: Path) -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel(asyncio.current_task()))
    with tempfile.TemporaryDirectory(prefix="helios-", ignore_cleanup_errors=True) as folder:
        workspace = Path(folder)
        if kind == "probe":
            probed = ProbeSpec.model_validate_json(spec)
            _check(probed.source)
            found = await probe(probed, workspace)
            output.write_text(found.model_dump_json(), "utf-8")
        elif kind == "still":
            still = StillSpec.model_validate_json(spec)
            _check(still.composition.source)
            await draw_still(still, output, workspace)
        elif kind == "videos":
            videos = BatchSpec.model_validate_json(spec)
            _check(videos.source)
            await draw_videos(videos, output, workspace, _Progress(), lambda name: _report("status", f"{name} is done"))
        else:
            chunk = ChunkSpec.model_validate_json(spec)
            _check(chunk.composition.source)
            report = await draw_chunk(chunk, output, workspace, _Progress())
            output.with_name(output.name + ".json").write_text(report.model_dump_json(), "utf-8")


def _check(source: Source) -> None:
    """Checks that a page has an http address or, on a stateless worker, a folder within the job's.

    Raises:
        WorkerRefused: it is neither.
    """
    if not source.root and urlsplit(source.entry).scheme.lower() not in ("http", "https"):
        raise WorkerRefused(f"{source.entry} is not an http or https address")
    if source.root and os.environ.get("HELIOS_WORKER") and not source.root.resolve().is_relative_to(Path.cwd()):
        raise WorkerRefused(f"the page's folder {source.root} is outside of the job's folder")


def _cancel(task: asyncio.Task[None] | None):
    assert task is not None
    return lambda: task.cancel("SIGTERM")


class _Progress:
    def __init__(self) -> None:
        self._reported_at = 0.0

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._reported_at >= _PROGRESS_INTERVAL:
            self._reported_at = now
            _report("progress", f"{100 * done / total:.6f}")


def _report(kind: str, text: str) -> None:
    sys.stdout.write(f"openjd_{kind}: {text}\n")
    sys.stdout.flush()


def _exit_with_parent() -> None:
    """Makes the kernel terminate this process when its parent exits (Linux: prctl(2))."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def main() -> int:
    """Runs the command; returns its exit code."""
    _exit_with_parent()
    kinds = ("chunk", "videos", "still", "probe")
    if len(sys.argv) != 4 or sys.argv[1] not in kinds:
        sys.stderr.write("usage: python -m helios.renderer chunk|videos|still|probe SPEC OUTPUT\n")
        return EXIT_CODES[UsageError]
    try:
        asyncio.run(_run(sys.argv[1], Path(sys.argv[2]).read_bytes(), Path(sys.argv[3])))
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    except ValidationError as error:
        _report("fail", f"{sys.argv[2]} is not a spec of this version: {error.errors()[0]['msg']}")
        return EXIT_CODES[UsageError]
    except HeliosError as error:
        _report("fail", str(error))
        return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
    return 0


if __name__ == "__main__":
    sys.exit(main())
