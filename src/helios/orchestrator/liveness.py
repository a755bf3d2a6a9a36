"""Which attempts are dead, and which are stragglers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from helios.orchestrator.attempt import Attempt
from helios.orchestrator.chunks import Chunk

_PACES = 100


@dataclass(frozen=True, slots=True)
class LivenessPolicy:
    """When an attempt counts as dead or as a straggler.

    It is dead after ``heartbeat_timeout_factor`` times the longest time between heartbeats that the job has seen, but
    at least ``minimum_heartbeat_timeout``; before the job has seen any, after ``start_timeout``. It is a straggler if
    it will take ``straggler_factor`` times as long as finished chunks did. Both are checked every ``poll_interval``.
    Times are in seconds.
    """

    heartbeat_timeout_factor: float = 10.0
    minimum_heartbeat_timeout: float = 5.0
    start_timeout: float = 300.0
    straggler_factor: float = 3.0
    poll_interval: float = 0.25


class Liveness:
    """Compares attempts with the others of their job: by heartbeats and by duration."""

    def __init__(self, policy: LivenessPolicy) -> None:
        self._policy = policy
        self._longest_start: float | None = None
        self._longest_gap: float | None = None
        self._paces: deque[tuple[float, float]] = deque(maxlen=_PACES)
        """Of finished chunks: seconds up to the first heartbeat, and seconds for a frame."""

    def heartbeat(self, attempt: Attempt, now: float) -> None:
        """Records a heartbeat of an attempt."""
        self._record_silence(attempt, now)
        if attempt.first_heartbeat is None:
            attempt.first_heartbeat = now
        attempt.last_heartbeat = now

    def finished(self, attempt: Attempt, now: float) -> None:
        """Records the success of an attempt."""
        self._record_silence(attempt, now)
        first = attempt.started if attempt.first_heartbeat is None else attempt.first_heartbeat
        self._paces.append((first - attempt.started, (now - first) / attempt.chunk.frames))

    def _record_silence(self, attempt: Attempt, now: float) -> None:
        silence = now - attempt.last_heartbeat
        if attempt.first_heartbeat is None:
            self._longest_start = max(self._longest_start or 0.0, silence)
        else:
            self._longest_gap = max(self._longest_gap or 0.0, silence)

    def is_dead(self, attempt: Attempt, now: float) -> bool:
        """Whether an attempt has had no heartbeat for too long."""
        longest = self._longest_start if attempt.first_heartbeat is None else self._longest_gap
        if longest is None:
            timeout = self._policy.start_timeout
        else:
            timeout = max(self._policy.minimum_heartbeat_timeout, self._policy.heartbeat_timeout_factor * longest)
        return now - attempt.last_heartbeat > timeout

    def straggler(self, attempts: Iterable[Attempt], now: float) -> Attempt | None:
        """The attempt that will take longest, if it is a straggler; else None."""
        last = max(attempts, key=lambda attempt: _remaining(attempt, now), default=None)
        if last is None or not self._paces:
            return None
        is_late = _remaining(last, now) > self._policy.straggler_factor * self._usual_duration(last.chunk)
        return last if is_late else None

    def _usual_duration(self, chunk: Chunk) -> float:
        """The seconds that a chunk takes, estimated from finished ones."""
        start, frame = (median(times) for times in zip(*self._paces, strict=True))
        return start + frame * chunk.frames


def _remaining(attempt: Attempt, now: float) -> float:
    """The seconds that an attempt will still take: at its own pace, or else as long again as it has taken."""
    if attempt.first_heartbeat is None or not attempt.frames:
        return now - attempt.started
    return (now - attempt.first_heartbeat) / attempt.frames * (attempt.chunk.frames - attempt.frames)
