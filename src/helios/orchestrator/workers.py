"""The workers that carry out a plan: one numbering over the pools of all adapters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.orchestrator.chunk_cache import ChunkCache
from helios.orchestrator.dispatch import Dispatcher, make_dispatcher
from helios.orchestrator.remote import RemoteDispatcher
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.transitions import OnTransition, log_transition
from helios.storage import ArtifactStore


@dataclass(frozen=True, slots=True)
class WorkerPool:
    """``workers`` workers behind one adapter, or as many as the plan has. ``name`` is for messages, such as "aws"."""

    name: str
    adapter: WorkerAdapter
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class JobContext:
    """What all plans of one job share: its ``name``, its workers, the ``store`` of its chunks, and its retries.

    A ``fresh`` job reads no chunks of other jobs, and leaves none to them. ``on_transition`` observes its attempts.
    """

    name: str
    pools: Sequence[WorkerPool]
    store: ArtifactStore
    retry: RetryPolicy
    fresh: bool = False
    on_transition: OnTransition = log_transition

    def cache(self, root: Path | None) -> ChunkCache:
        """The cache of the job's chunks, whose page uses the files of ``root``."""
        return ChunkCache(self.store, self.name, root, fresh=self.fresh)


class Workers:
    """The workers of ``pools``, numbered from 0 in the order of the pools; ``root`` is the project folder."""

    def __init__(self, pools: Sequence[WorkerPool], planned: int, root: Path | None) -> None:
        """A pool without a number of workers has ``planned``."""
        self._sizes = {pool.name: pool.workers or planned for pool in pools}
        assert len(self._sizes) == len(pools), "pools have names of their own"
        self._dispatchers = [make_dispatcher(pool.adapter, root) for pool in pools]
        self._by_worker = [
            dispatcher
            for dispatcher, size in zip(self._dispatchers, self._sizes.values(), strict=True)
            for _ in range(size)
        ]

    def pool_sizes(self, chunks: int) -> dict[str, int]:
        """How many workers of each pool may be needed for ``chunks`` chunks.

        One pool needs no more than one for each chunk. Of several, each may have to take over what failed in another.
        """
        if len(self._sizes) > 1:
            return self._sizes
        return {name: min(size, max(1, chunks)) for name, size in self._sizes.items()}

    def dispatcher(self, worker: int) -> Dispatcher:
        """The dispatcher of the pool that ``worker`` belongs to."""
        return self._by_worker[worker]

    def remote_at(self, store: ArtifactStore) -> RemoteDispatcher | None:
        """The first dispatcher whose workers write their segments to ``store`` directly."""
        remote = (each for each in self._dispatchers if isinstance(each, RemoteDispatcher))
        return next((each for each in remote if each.store.url == store.url), None)


def total_cost(pools: Iterable[WorkerPool]) -> float | None:
    """The cost of all pools so far (US dollars); None if none of them is paid for."""
    costs = [pool.adapter.spent for pool in pools]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None
