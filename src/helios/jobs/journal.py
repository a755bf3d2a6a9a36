"""The journal: the jobs of this user, their progress, events, transitions and output, in one SQLite file.

Runners write to it in batches, so it may lag behind by a moment. The artifact store is the truth about chunks.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
import sqlite3
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from platformdirs import user_state_path
from pydantic import TypeAdapter

from helios.errors import OutputError, UsageError
from helios.jobs.spec import JobSpec
from helios.jobs.states import FINAL_STATES, JobAction, JobState, next_state
from helios.jobs.transitions import OutputLine, Transition
from helios.locks import FileLock
from helios.orchestrator import RenderEvent
from helios.orchestrator.events import CommandsPlanned, RenderPlanned

_VERSION = 2
_SCHEMA = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, spec TEXT NOT NULL, state TEXT NOT NULL, requested TEXT, output TEXT NOT NULL,
    created REAL NOT NULL, started REAL, finished REAL, frames INTEGER NOT NULL, chunks INTEGER NOT NULL,
    error TEXT, code TEXT
) WITHOUT ROWID;
CREATE INDEX jobs_created ON jobs (created);
CREATE TABLE events (
    job TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, chunk INTEGER, event TEXT NOT NULL,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE TABLE transitions (
    job TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, chunk INTEGER, attempt INTEGER, host TEXT NOT NULL,
    old_state TEXT, new_state TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE TABLE output (
    job TEXT NOT NULL, number INTEGER NOT NULL, at REAL NOT NULL, chunk INTEGER, line TEXT NOT NULL,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;
CREATE TABLE progress (
    job TEXT NOT NULL, chunk INTEGER NOT NULL, frames INTEGER NOT NULL, complete INTEGER NOT NULL,
    PRIMARY KEY (job, chunk)
) WITHOUT ROWID;
"""
_TABLES_OF_JOBS = ("events", "transitions", "output", "progress")
_RECENT = 20
_EVENT: TypeAdapter[RenderEvent] = TypeAdapter(RenderEvent)
_HOST = socket.gethostname()

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The state and progress of a job. Times are seconds since 1970; ``alive``: a process is running it.

    ``frames`` of ``all_frames`` are encoded, ``chunks`` of ``all_chunks`` are complete.
    """

    id: str
    state: JobState
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
    def display_state(self) -> str:
        """The state as users see it: ``interrupted`` if the job's process is gone."""
        return "interrupted" if self.state == "running" and not self.alive else self.state


@dataclass(slots=True)
class JournalBatch:
    """Entries to write in one transaction. ``progress`` maps a chunk to (frames, is it complete)."""

    events: list[tuple[float, RenderEvent]] = field(default_factory=list[tuple[float, RenderEvent]])
    transitions: list[Transition] = field(default_factory=list[Transition])
    output: list[OutputLine] = field(default_factory=list[OutputLine])
    progress: dict[int, tuple[int, bool]] = field(default_factory=dict[int, tuple[int, bool]])

    def __bool__(self) -> bool:
        return bool(self.events or self.transitions or self.output or self.progress)


def state_folder() -> Path:
    """Returns $HELIOS_STATE, or else the user's state folder (on Linux $XDG_STATE_HOME/helios)."""
    if named := os.environ.get("HELIOS_STATE"):
        return Path(named).expanduser().absolute()
    return user_state_path("helios", appauthor=False).absolute()


class Journal:
    """The jobs in a folder, which is created. Any number of processes may use it in parallel."""

    def __init__(self, folder: Path | None = None) -> None:
        """Opens the journal, by default the user's own.

        Raises:
            OutputError: the folder or the file can't be written.
        """
        self.folder = folder or state_folder()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # specs hold the environment of commands
            self._database = sqlite3.connect(self._path, timeout=20, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._create_tables()
        except (OSError, sqlite3.Error) as error:
            raise OutputError(
                f"cannot write the journal in {self.folder}: {error} (HELIOS_STATE names another folder)"
            ) from None

    @property
    def _path(self) -> Path:
        return self.folder / "jobs.sqlite"

    def _create_tables(self) -> None:
        if self._version() == _VERSION:
            return
        with self._transaction():
            if self._version() == _VERSION:
                return
            if self._database.execute("SELECT 1 FROM sqlite_master").fetchone():
                raise OutputError(
                    f"{self._path} was written by another version of Helios: delete it, or set HELIOS_STATE"
                )
            for statement in _SCHEMA.split(";"):
                self._database.execute(statement)
            self._database.execute(f"PRAGMA user_version = {_VERSION}")

    def _version(self) -> int:
        return self._database.execute("PRAGMA user_version").fetchone()[0]

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def create(self, spec: JobSpec, job: str | None = None) -> str:
        """Adds a new job, or one that another machine has started under the id ``job``; returns its id."""
        reason = f"adopted from {spec.store}" if job else "created"
        job = job or secrets.token_hex(4)
        parts = spec.plan.parts
        frames = sum(part.frames for part in parts)
        with self._transaction():
            self._database.execute(
                "INSERT INTO jobs (id, spec, state, output, created, frames, chunks)"
                " VALUES (?, ?, 'queued', ?, ?, ?, ?)",
                (job, spec.model_dump_json(), str(spec.output), time.time(), frames, len(parts)),
            )
            self._insert_transitions(job, [Transition.now(_HOST, None, "queued", reason)])
        _log(job, None, "queued", reason)
        return job

    def reuse_plan(self, spec: JobSpec) -> JobSpec:
        """Returns the job with the chunks of a recent job that draws the same, so that the cache has them.

        (The number of workers follows from a measurement, which differs each time.)
        """
        rows = self._database.execute("SELECT spec FROM jobs ORDER BY created DESC LIMIT ?", (_RECENT,)).fetchall()
        for (text,) in rows:
            with contextlib.suppress(UsageError):
                page = JobSpec.parse(text, "").page
                if page and spec.page and spec.page.renders_as(page):
                    return spec.model_copy(update={"page": page})
        return spec

    def find(self, prefix: str) -> str:
        """Returns the id of the job whose id starts with ``prefix``.

        Raises:
            UsageError: there is none, or more than one.
        """
        rows = self._database.execute(
            "SELECT id FROM jobs WHERE substr(id, 1, ?) = ?", (len(prefix), prefix)
        ).fetchall()
        if len(rows) == 1 and prefix:
            return rows[0][0]
        if any(row[0] == prefix for row in rows):
            return prefix
        matches = "more than one job" if rows and prefix else "no job"
        raise UsageError(f"there is {matches} {prefix!r} in {self.folder}: see helios job list")

    def spec(self, job: str) -> JobSpec:
        """Returns the spec of a job."""
        (text,) = self._one("SELECT spec FROM jobs WHERE id = ?", job)
        return JobSpec.parse(text, f"job {job}")

    def transition(
        self, job: str, action: JobAction, reason: str = "", *, error: str | None = None, code: str | None = None
    ) -> JobState:
        """Takes a job into its next state, records why, and logs it; returns the new state.

        Raises:
            UsageError: the job's state does not allow ``action``.
        """
        with self._transaction():
            (old,) = self._one("SELECT state FROM jobs WHERE id = ?", job)
            new = next_state(old, action)
            reason = reason or error or _default_reason(old, action)
            now = time.time()
            self._database.execute(
                "UPDATE jobs SET state = ?, error = ?, code = ?, finished = ?, started = coalesce(?, started),"
                " requested = NULL WHERE id = ?",
                (new, error, code, None if new == "running" else now, now if action == "start" else None, job),
            )
            self._insert_transitions(job, [Transition.now(_HOST, old, new, reason)])
        _log(job, old, new, reason)
        return new

    def request(self, job: str, action: JobAction | None) -> None:
        """Asks the job's runner to pause or cancel it."""
        self._database.execute("UPDATE jobs SET requested = ? WHERE id = ?", (action, job))

    def requested(self, job: str) -> JobAction | None:
        """Returns the action that was requested from the job's runner."""
        (action,) = self._one("SELECT requested FROM jobs WHERE id = ?", job)
        return action

    def write(self, job: str, batch: JournalBatch) -> None:
        """Writes a batch of entries, all or none.

        Raises:
            OutputError: the disk is full, or the file can't be written.
        """
        with self._transaction():
            self._insert(
                "events",
                job,
                [(at, getattr(event, "chunk", None), event.model_dump_json()) for at, event in batch.events],
            )
            self._insert_transitions(job, batch.transitions)
            self._insert("output", job, [(line.at, line.chunk, line.line) for line in batch.output])
            for plan in (event for _, event in batch.events if isinstance(event, RenderPlanned | CommandsPlanned)):
                self._database.execute("DELETE FROM progress WHERE job = ?", (job,))
                self._database.execute(
                    "UPDATE jobs SET frames = ?, chunks = ? WHERE id = ?", (plan.frames, plan.chunks, job)
                )
            self._database.executemany(
                "INSERT OR REPLACE INTO progress VALUES (?, ?, ?, ?)",
                ((job, chunk, frames, complete) for chunk, (frames, complete) in batch.progress.items()),
            )

    def events(self, job: str, after: int = 0) -> Iterator[tuple[int, float, RenderEvent]]:
        """Yields the events after the one numbered ``after``: number, time, event."""
        rows = self._database.execute(
            "SELECT number, at, event FROM events WHERE job = ? AND number > ? ORDER BY number", (job, after)
        )
        for number, at, text in rows:
            yield number, at, _EVENT.validate_json(text)

    def transitions(self, job: str, after: int = 0) -> list[tuple[int, Transition]]:
        """Returns the transitions after the one numbered ``after``, numbered."""
        rows = self._database.execute(
            "SELECT number, at, host, old_state, new_state, reason, chunk, attempt FROM transitions"
            " WHERE job = ? AND number > ? ORDER BY number",
            (job, after),
        ).fetchall()
        return [(number, Transition(*values)) for number, *values in rows]

    def output(self, job: str, after: int = 0) -> list[tuple[int, OutputLine]]:
        """Returns the lines that commands printed after the one numbered ``after``, numbered."""
        rows = self._database.execute(
            "SELECT number, at, chunk, line FROM output WHERE job = ? AND number > ? ORDER BY number", (job, after)
        ).fetchall()
        return [(number, OutputLine(*values)) for number, *values in rows]

    def progress(self, job: str) -> dict[int, int]:
        """Returns how many frames of each chunk are encoded."""
        return dict(self._database.execute("SELECT chunk, frames FROM progress WHERE job = ?", (job,)).fetchall())

    def status(self, job: str) -> JobStatus:
        """Returns the state and progress of a job."""
        self._one("SELECT id FROM jobs WHERE id = ?", job)
        (status,) = self._statuses("WHERE id = ?", (job,))
        return replace(status, alive=self._is_alive(job))

    def statuses(self) -> list[JobStatus]:
        """Returns all jobs, the newest first."""
        return list(self._statuses("ORDER BY created DESC", ()))

    def unfinished(self) -> list[JobStatus]:
        """Returns the jobs that are not done."""
        return list(self._statuses("WHERE state != 'done'", ()))

    def exists(self, job: str) -> bool:
        """Returns whether there is a job with exactly that id."""
        return self._database.execute("SELECT 1 FROM jobs WHERE id = ?", (job,)).fetchone() is not None

    def delete(self, job: str) -> None:
        """Deletes a job."""
        self._delete([job])

    def delete_finished(self, before: float, limit: int) -> None:
        """Deletes jobs that finished ``before`` that time (seconds since 1970), and all but the ``limit`` newest
        finished ones.
        """
        rows = self._database.execute(
            "SELECT id, coalesce(finished, created) FROM jobs WHERE state IN (?, ?, ?) ORDER BY created DESC",
            sorted(FINAL_STATES),
        ).fetchall()
        old = [job for number, (job, finished) in enumerate(rows) if number >= limit or finished < before]
        old = [job for job in old if not self._is_alive(job)]
        if not old:
            return
        self._delete(old)
        (free,) = self._database.execute("PRAGMA freelist_count").fetchone()
        (pages,) = self._database.execute("PRAGMA page_count").fetchone()
        if free > pages / 2:
            with contextlib.suppress(sqlite3.OperationalError):  # another process has the file open: next time
                self._database.execute("VACUUM")

    def _delete(self, jobs: Sequence[str]) -> None:
        with self._transaction():
            for table in _TABLES_OF_JOBS:
                self._database.executemany(f"DELETE FROM {table} WHERE job = ?", ((job,) for job in jobs))
            self._database.executemany("DELETE FROM jobs WHERE id = ?", ((job,) for job in jobs))
        for job in jobs:
            self._lock_path(job).unlink(missing_ok=True)
            self.log_path(job).unlink(missing_ok=True)

    def log_path(self, job: str) -> Path:
        """Returns the file that the process of a submitted job logs to."""
        return self.folder / f"{job}.log"

    @contextmanager
    def running(self, job: str) -> Generator[None]:
        """Makes this process the only runner of the job while the block runs.

        Raises:
            UsageError: another process runs it.
        """
        with FileLock(self._lock_path(job)) as lock:
            if not lock.acquire():
                raise UsageError(f"job {job} is being run by another process: helios job watch {job}")
            yield

    def _statuses(self, condition: str, values: tuple[object, ...]) -> Iterator[JobStatus]:
        rows = self._database.execute(
            "SELECT id, state, output, created, started, finished,"
            " coalesce((SELECT sum(progress.frames) FROM progress WHERE job = id), 0), frames,"
            " coalesce((SELECT sum(complete) FROM progress WHERE job = id), 0), chunks, error, code"
            f" FROM jobs {condition}",
            values,
        ).fetchall()
        for job, state, output, *rest in rows:
            alive = state not in FINAL_STATES and self._is_alive(job)  # a runner exits soon after: no need to ask
            yield JobStatus(job, state, alive, Path(output), *rest)

    def _is_alive(self, job: str) -> bool:
        path = self._lock_path(job)
        if not path.exists():
            return False
        with FileLock(path) as lock:
            return lock.is_held()

    def _lock_path(self, job: str) -> Path:
        return self.folder / f"{job}.lock"

    def _insert_transitions(self, job: str, transitions: Sequence[Transition]) -> None:
        self._insert(
            "transitions",
            job,
            [
                (one.at, one.chunk, one.attempt, one.host, one.old_state, one.new_state, one.reason)
                for one in transitions
            ],
        )

    def _insert(self, table: str, job: str, rows: Sequence[tuple[object, ...]]) -> None:
        if not rows:
            return
        (number,) = self._database.execute(
            f"SELECT coalesce(max(number), 0) FROM {table} WHERE job = ?", (job,)
        ).fetchone()
        values = ", ".join("?" * (2 + len(rows[0])))
        self._database.executemany(
            f"INSERT INTO {table} VALUES ({values})", ((job, number + k, *row) for k, row in enumerate(rows, 1))
        )

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
            raise OutputError(f"{self._path} can't be written: {error}") from error


def _default_reason(state: JobState, action: JobAction) -> str:
    if action == "start":
        return {"queued": "started", "running": "resumed: its previous process is gone"}.get(state, "resumed")
    return {"pause": "paused", "cancel": "cancelled", "finish": "finished", "fail": "failed"}[action]


def _log(job: str, old: JobState | None, new: JobState, reason: str) -> None:
    log: Callable[..., None] = logger.error if new == "failed" else logger.info
    fields = {"job": job, "old_state": old, "new_state": new, "reason": reason}
    log("job %s is %s: %s", job, new, reason, extra=fields)
