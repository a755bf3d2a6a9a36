"""Recording the lines that commands print."""

from __future__ import annotations

import re
from collections.abc import Mapping

from helios.adapters import WorkerAdapter
from helios.jobs.recorder import Recorder
from helios.storage import ArtifactStore
from helios.worker import LineSink, WorkerJob, WorkerResult

_PROGRESS = re.compile(r"openjd_\w+: ")


class OutputRecordingAdapter:
    """Passes jobs on to another adapter, and records the lines of stdout, but no reports of progress, as they come, and
    those of stderr when the command has finished.
    """

    def __init__(self, adapter: WorkerAdapter, recorder: Recorder, chunks: Mapping[str, int]) -> None:
        """``chunks`` maps the keys of chunks, without attempt and suffix, to their numbers."""
        self._adapter = adapter
        self._recorder = recorder
        self._chunks = chunks

    @property
    def store(self) -> ArtifactStore | None:
        """See ``WorkerAdapter.store``."""
        return self._adapter.store

    @property
    def spent(self) -> float | None:
        """See ``WorkerAdapter.spent``."""
        return self._adapter.spent

    async def execute(self, job: WorkerJob, on_line: LineSink | None = None) -> WorkerResult:
        """See ``WorkerAdapter.execute``."""
        chunk = self._find_chunk(job)

        def record(line: str) -> None:
            if not _PROGRESS.match(line):
                self._recorder.record_output(chunk, line)
            if on_line:
                on_line(line)

        result = await self._adapter.execute(job, record)
        for line in result.stderr.splitlines():
            self._recorder.record_output(chunk, line)
        return result

    def _find_chunk(self, job: WorkerJob) -> int | None:
        if job.cwd and (found := re.fullmatch(r"chunk-(\d+)", job.cwd.parent.name)):
            return int(found[1])
        keys = (key.rpartition("/") for key in job.outputs.values())
        numbers = (self._chunks.get(f"{folder}/{name.partition('.')[0]}") for folder, _, name in keys)
        return next((number for number in numbers if number is not None), None)
