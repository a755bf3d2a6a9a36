"""How many attempts may run in parallel, for each pool of workers."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from helios.orchestrator.attempt import Attempt


class Pools:
    """The pools of a schedule: their names, and how many workers each has. Workers are numbered in that order."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self._pools: list[PoolSlots] = []
        self._by_worker: list[PoolSlots] = []
        for name, size in sizes.items():
            first = len(self._by_worker)
            pool = PoolSlots(name, range(first, first + size))
            self._pools.append(pool)
            self._by_worker += [pool] * size

    def find(self, worker: int) -> PoolSlots:
        """The pool of ``worker``."""
        return self._by_worker[worker]

    @property
    def have_room(self) -> bool:
        """Whether another attempt may start."""
        return any(pool.has_room for pool in self._pools)

    def take(self, *, avoid: int | None = None, strictly: bool = False) -> int | None:
        """Takes a free worker, from another pool than that of the worker ``avoid`` if one is open.

        ``strictly``: never ``avoid`` itself. Returns None if there is no such worker.
        """
        for pool in self._pools:
            is_barred = avoid is not None and self.find(avoid) is pool and self.has_other(pool)
            if pool.has_room and not is_barred:
                worker = pool.take(avoid=avoid if strictly else None)
                if worker is not None:
                    return worker
        return None

    def has_other(self, pool: PoolSlots) -> bool:
        """Whether a pool besides ``pool`` is open."""
        return any(other is not pool and not other.closed for other in self._pools)


class PoolSlots:
    """The free workers of one pool. At most a limit of them run attempts: fewer after throttling, more with success.

    A ``closed`` pool starts no more attempts.
    """

    def __init__(self, name: str, workers: Sequence[int]) -> None:
        """``workers`` are their numbers."""
        self.name = name
        self._free = list(workers)
        heapq.heapify(self._free)
        self._size = len(workers)
        self._limit = float(self._size)
        self._ceiling = float(self._size)
        """How many ran when the limit was lowered."""
        self._peak = 0
        """The maximum that has run in parallel since then."""
        self._lowered_at = 0
        """The serial number of the last attempt that had started by then."""
        self._last_serial = 0
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

    def take(self, *, avoid: int | None = None) -> int | None:
        """Takes the free worker with the lowest number, except ``avoid``; None if there is none."""
        if not self._free or (self._free[0] == avoid and len(self._free) == 1):
            return None
        worker = heapq.heappop(self._free)
        if worker == avoid:
            worker = heapq.heapreplace(self._free, worker)
        return worker

    def started(self, attempt: Attempt) -> None:
        """Counts an attempt that a worker has started."""
        self._last_serial = attempt.serial
        self._peak = max(self._peak, self._busy)

    def release(self, worker: int) -> None:
        """Frees a worker."""
        heapq.heappush(self._free, worker)

    def progressed(self) -> None:
        """Counts progress: a heartbeat, or the end of an attempt that was not throttled."""
        self._throttled_since = None
        self._throttled = 0

    def succeeded(self) -> None:
        """Raises the limit: by one up to where throttling started; from there, by one with each round of successes.

        Source: slow start and congestion avoidance of TCP, https://www.rfc-editor.org/rfc/rfc5681#section-3.1
        """
        step = 1 if self._limit < self._ceiling - 1 else 1 / self._limit
        self._limit = min(self._size, self._limit + step)

    def throttled(self, attempt: Attempt, now: float) -> None:
        """Halves the limit, but only once for all attempts that had started before."""
        self._throttled += 1
        if self._throttled_since is None:
            self._throttled_since = now
        if attempt.serial > self._lowered_at:
            self._lowered_at = self._last_serial
            self._ceiling, self._peak = min(self._limit, self._peak), 0
            self._limit = max(1.0, self._ceiling / 2)

    def throttled_for(self, now: float) -> tuple[float, int]:
        """How long (seconds) and how often all attempts have been throttled without any progress."""
        since = now if self._throttled_since is None else self._throttled_since
        return now - since, self._throttled
