"""How many attempts may run at once, for each adapter."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from helios.orchestrator.attempt import Attempt


class WorkerPool:
    """The workers of one adapter. At most ``limit`` of them work at once: fewer after throttling, more with success.

    A ``closed`` pool starts nothing any more.
    """

    def __init__(self, workers: Sequence[int]) -> None:
        """``workers`` are their numbers."""
        self._free = list(workers)
        heapq.heapify(self._free)
        self._size = len(workers)
        self._limit = float(self._size)
        self._ceiling = float(self._size)
        """How many worked when the limit was lowered."""
        self._peak = 0
        """How many have worked at once since then."""
        self._lowered_at = 0
        """The serial number of the last attempt that had started by then."""
        self._last = 0
        self._throttled_since: float | None = None
        self._throttled = 0
        self.closed = False

    @property
    def _busy(self) -> int:
        return self._size - len(self._free)

    @property
    def has_room(self) -> bool:
        """Whether another attempt may start."""
        return bool(self._free) and not self.closed and self._busy < int(self._limit)

    def take(self, *, but: int | None = None) -> int | None:
        """Takes a free worker, the lowest ``but`` for one; None if there is no other."""
        if not self._free or (self._free[0] == but and len(self._free) == 1):
            return None
        worker = heapq.heappop(self._free)
        if worker == but:
            worker = heapq.heapreplace(self._free, worker)
        return worker

    def started(self, attempt: Attempt) -> None:
        """A worker that was taken has started an attempt."""
        self._last = attempt.serial
        self._peak = max(self._peak, self._busy)

    def release(self, worker: int) -> None:
        """A worker is free again."""
        heapq.heappush(self._free, worker)

    def progressed(self) -> None:
        """An attempt has shown a sign of life, or ended otherwise than by throttling."""
        self._throttled_since = None
        self._throttled = 0

    def succeeded(self) -> None:
        """Raises the limit: by one up to where it was too much; from there, by one with each round of successes.

        Source: slow start and congestion avoidance of TCP, https://www.rfc-editor.org/rfc/rfc5681#section-3.1
        """
        step = 1 if self._limit < self._ceiling - 1 else 1 / self._limit
        self._limit = min(self._size, self._limit + step)

    def throttled(self, attempt: Attempt, now: float) -> None:
        """Halves the limit, but once for all attempts that had started before it was known."""
        self._throttled += 1
        if self._throttled_since is None:
            self._throttled_since = now
        if attempt.serial > self._lowered_at:
            self._lowered_at = self._last
            self._ceiling, self._peak = min(self._limit, self._peak), 0
            self._limit = max(1.0, self._ceiling / 2)

    def throttled_for(self, now: float) -> tuple[float, int]:
        """How long (s) everything has been throttled without any progress, and how often that was."""
        since = now if self._throttled_since is None else self._throttled_since
        return now - since, self._throttled
