"""The jobs of this user, in one SQLite file: what they are, how far they have come, what has happened.

It is written in batches and may lag behind by a moment: what is made, the artifact store knows.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import sqlite3
import struct
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from helios.errors import OutputError, UsageError
from helios.jobs.spec import JobSpec
from helios.jobs.states import ENDS, State, Step, after
from helios.orchestrator import RenderEvent
from helios.orchestrator.events import CommandsPlanned, RenderPlanned

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, spec TEXT NOT NULL, state TEXT NOT NULL, wanted TEXT, output TEXT NOT NULL,
    created REAL NOT NULL, started REAL, finished REAL, frames INTEGER NOT NULL, chunks INTEGER NOT NULL,
    error TEXT, code TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_created ON jobs (created);
CREATE TABLE IF NOT EXISTS events (
    job TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, chunk INTEGER, event TEXT NOT NULL,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
    job TEXT NOT NULL, chunk INTEGER NOT NULL, frames INTEGER NOT NULL, made INTEGER NOT NULL, PRIMARY KEY (job, chunk)
) WITHOUT ROWID;
"""
_RECENT = 20
_EVENT: TypeAdapter[RenderEvent] = TypeAdapter(RenderEvent)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job has come. Times are seconds since 1970; ``alive``: a process is running it.

    ``frames`` of ``all_frames`` are drawn, ``chunks`` of ``all_chunks`` are made.
    """

    id: str
    state: State
    alive: bool
    output: Path
    created: float
    started: float | None
    finished: float | None
    frames: int
    all_frames: int
    chunks: int
    all_chunks: int
    error: str | None
    code: str | None

    @property
    def shown(self) -> str:
        """The state, as users are told."""
        return "interrupted" if self.state == "running" and not self.alive else self.state


def state_folder() -> Path:
    """Where jobs are kept: $HELIOS_STATE, else helios in $XDG_STATE_HOME or ~/.local/state."""
    if named := os.environ.get("HELIOS_STATE"):
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state").absolute() / "helios"


class Journal:
    """The jobs in a folder, which is made. Any number of processes may use it at once."""

    def __init__(self, folder: Path | None = None) -> None:
        """Opens the journal, by default the user's own.

        Raises:
            OutputError: it can't be kept there.
        """
        self.folder = folder or state_folder()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.folder / "jobs.sqlite", timeout=20, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(
                f"jobs can't be kept in {self.folder}: {error} (HELIOS_STATE names another folder)"
            ) from None

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def add(self, spec: JobSpec, job: str | None = None) -> str:
        """A new job, or one that another machine has started; returns its id."""
        job = job or secrets.token_hex(4)
        parts = spec.plan.parts
        self._database.execute(
            "INSERT INTO jobs (id, spec, state, output, created, frames, chunks) VALUES (?, ?, 'queued', ?, ?, ?, ?)",
            (
                job,
                spec.model_dump_json(),
                str(spec.output),
                time.time(),
                sum(part.frames for part in parts),
                len(parts),
            ),
        )
        return job

    def as_before(self, spec: JobSpec) -> JobSpec:
        """The same job in the parts in which one of the last jobs drew the same, so that what is made can be found.

        (How many workers pay off is measured, and a measure is never twice the same.)
        """
        rows = self._database.execute("SELECT spec FROM jobs ORDER BY created DESC LIMIT ?", (_RECENT,)).fetchall()
        for (text,) in rows:
            with contextlib.suppress(UsageError):
                page = JobSpec.parse(text, "").page
                if page and spec.page and spec.page.draws_as(page):
                    return spec.model_copy(update={"page": page})
        return spec

    def find(self, name: str) -> str:
        """The id of the job that ``name`` is, or is the beginning of.

        Raises:
            UsageError: there is none, or more than one.
        """
        rows = self._database.execute("SELECT id FROM jobs WHERE substr(id, 1, ?) = ?", (len(name), name)).fetchall()
        if len(rows) == 1 and name:
            return rows[0][0]
        if any(row[0] == name for row in rows):
            return name
        wanted = "more than one job" if rows and name else "no job"
        raise UsageError(f"there is {wanted} {name!r} in {self.folder}: see helios job list")

    def spec(self, job: str) -> JobSpec:
        """What a job is."""
        (text,) = self._one("SELECT spec FROM jobs WHERE id = ?", job)
        return JobSpec.parse(text, f"job {job}")

    def step(self, job: str, step: Step, error: str | None = None, code: str | None = None) -> State:
        """Takes a job into another state.

        Raises:
            UsageError: it can't go there.
        """
        with self._transaction():
            (state,) = self._one("SELECT state FROM jobs WHERE id = ?", job)
            state = after(state, step)
            now = time.time()
            self._database.execute(
                "UPDATE jobs SET state = ?, error = ?, code = ?, finished = ?, started = coalesce(?, started),"
                " wanted = NULL WHERE id = ?",
                (state, error, code, None if state == "running" else now, now if step == "start" else None, job),
            )
        return state

    def want(self, job: str, step: Step | None) -> None:
        """Asks whoever runs the job to take a step."""
        self._database.execute("UPDATE jobs SET wanted = ? WHERE id = ?", (step, job))

    def wanted(self, job: str) -> Step | None:
        """What whoever runs the job was asked for."""
        (step,) = self._one("SELECT wanted FROM jobs WHERE id = ?", job)
        return step

    def write(
        self, job: str, events: Iterable[tuple[float, RenderEvent]], progress: dict[int, tuple[int, bool]]
    ) -> None:
        """Adds what has happened, and how many frames of some chunks are drawn since, and whether they are made."""
        events = list(events)
        with self._transaction():
            (number,) = self._database.execute(
                "SELECT coalesce(max(number), 0) FROM events WHERE job = ?", (job,)
            ).fetchone()
            self._database.executemany(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
                (
                    (job, number + k, at, getattr(event, "chunk", None), event.model_dump_json())
                    for k, (at, event) in enumerate(events, 1)
                ),
            )
            for plan in (event for _, event in events if isinstance(event, RenderPlanned | CommandsPlanned)):
                self._database.execute("DELETE FROM progress WHERE job = ?", (job,))
                self._database.execute(
                    "UPDATE jobs SET frames = ?, chunks = ? WHERE id = ?", (plan.frames, plan.chunks, job)
                )
            self._database.executemany(
                "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?)",
                ((job, chunk, frames, made) for chunk, (frames, made) in progress.items()),
            )

    def events(self, job: str, behind: int = 0, chunk: int | None = None) -> Iterator[tuple[int, float, RenderEvent]]:
        """What has happened, behind the event of that number: numbers, times and events."""
        rows = self._database.execute(
            "SELECT number, at, event FROM events WHERE job = ? AND number > ? AND (? IS NULL OR chunk = ?)"
            " ORDER BY number",
            (job, behind, chunk, chunk),
        )
        for number, at, text in rows:
            yield number, at, _EVENT.validate_json(text)

    def progress(self, job: str) -> dict[int, int]:
        """How many frames of each chunk are drawn."""
        return dict(self._database.execute("SELECT chunk, frames FROM progress WHERE job = ?", (job,)).fetchall())

    def status(self, job: str) -> JobStatus:
        """How far a job has come."""
        self._one("SELECT id FROM jobs WHERE id = ?", job)
        (status,) = self._statuses("WHERE id = ?", (job,))
        return replace(status, alive=self._is_alive(job))

    def statuses(self) -> list[JobStatus]:
        """All jobs, the newest first."""
        return list(self._statuses("ORDER BY created DESC", ()))

    def unfinished(self) -> list[JobStatus]:
        """The jobs that are not done."""
        return list(self._statuses("WHERE state != 'done'", ()))

    def has(self, job: str) -> bool:
        """Whether there is a job of that id."""
        return self._database.execute("SELECT 1 FROM jobs WHERE id = ?", (job,)).fetchone() is not None

    def delete(self, job: str) -> None:
        """Forgets a job."""
        self._delete([job])

    def forget(self, before: float, most: int) -> None:
        """Forgets jobs that ended ``before`` that time (seconds since 1970), and all but the ``most`` newest that
        ended.
        """
        rows = self._database.execute(
            "SELECT id, coalesce(finished, created) FROM jobs WHERE state IN (?, ?, ?) ORDER BY created DESC",
            sorted(ENDS),
        ).fetchall()
        old = [job for number, (job, finished) in enumerate(rows) if number >= most or finished < before]
        old = [job for job in old if not self._is_alive(job)]
        if not old:
            return
        self._delete(old)
        (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        if free > pages / 2:
            with contextlib.suppress(sqlite3.OperationalError):  # others are at it: next time
                self._database.execute("VACUUM")

    def _delete(self, jobs: Sequence[str]) -> None:
        with self._transaction():
            for table, column in (("jobs", "id"), ("events", "job"), ("progress", "job")):
                self._database.executemany(f"DELETE FROM {table} WHERE {column} = ?", ((job,) for job in jobs))
        for job in jobs:
            self._lock_path(job).unlink(missing_ok=True)
            self.log_path(job).unlink(missing_ok=True)

    def log_path(self, job: str) -> Path:
        """What a detached runner says."""
        return self.folder / f"{job}.log"

    @contextmanager
    def running(self, job: str) -> Generator[None]:
        """This process runs the job, and nobody else, for as long as the block does.

        Raises:
            UsageError: another process runs it.
        """
        with closing(_Lock(self._lock_path(job))) as lock:
            if not lock.take():
                raise UsageError(f"job {job} is being run by another process: helios job watch {job}")
            yield

    def _statuses(self, condition: str, values: tuple[object, ...]) -> Iterator[JobStatus]:
        rows = self._database.execute(
            "SELECT id, state, output, created, started, finished,"
            " coalesce((SELECT sum(progress.frames) FROM progress WHERE job = id), 0), frames,"
            " coalesce((SELECT sum(made) FROM progress WHERE job = id), 0), chunks, error, code"
            f" FROM jobs {condition}",
            values,
        ).fetchall()
        for job, state, output, *rest in rows:
            alive = state not in ENDS and self._is_alive(job)  # whoever has ended one leaves: not worth a look
            yield JobStatus(job, state, alive, Path(output), *rest)

    def _is_alive(self, job: str) -> bool:
        path = self._lock_path(job)
        if not path.exists():
            return False
        with closing(_Lock(path)) as lock:
            return lock.is_taken()

    def _lock_path(self, job: str) -> Path:
        return self.folder / f"{job}.lock"

    def _one(self, query: str, job: str) -> tuple[Any, ...]:
        row = self._database.execute(query, (job,)).fetchone()
        if row is None:
            raise UsageError(f"there is no job {job}: it was deleted")
        return row

    @contextmanager
    def _transaction(self) -> Generator[None]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise OutputError(f"{self.folder / 'jobs.sqlite'} can't be written: {error}") from error


class _Lock:
    """A lock that goes with the process that holds it (Linux: fcntl(2), open file description locks)."""

    _FORM = "hhqqi"  # struct flock

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._wanted = struct.pack(self._FORM, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)

    def take(self) -> bool:
        """Whether it could be taken."""
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, self._wanted)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def is_taken(self) -> bool:
        """Whether anybody has it."""
        found = fcntl.fcntl(self._descriptor, fcntl.F_OFD_GETLK, self._wanted)
        return struct.unpack(self._FORM, found)[0] != fcntl.F_UNLCK

    def close(self) -> None:
        os.close(self._descriptor)
