"""A pool learns how many attempts its adapter takes in parallel."""

from helios.orchestrator.attempt import Attempt
from helios.orchestrator.chunks import Chunk
from helios.orchestrator.pools import PoolSlots


class Pool:
    """A pool of workers, and the attempts that run in it."""

    def __init__(self, workers: int) -> None:
        self.pool = PoolSlots("local", range(workers))
        self.serial = 0

    def start(self) -> Attempt | None:
        worker = self.pool.take() if self.pool.has_room else None
        if worker is None:
            return None
        self.serial += 1
        attempt = Attempt(Chunk(0, 0, 1), 1, self.serial, worker, "local", 0.0, 0.0)
        self.pool.started(attempt)
        return attempt

    def fill(self) -> list[Attempt]:
        return list(iter(self.start, None))


def test_all_workers_work_at_first_the_lowest_number_first() -> None:
    assert [attempt.worker for attempt in Pool(5).fill()] == [0, 1, 2, 3, 4]


def test_a_worker_may_be_avoided_but_for_the_only_one() -> None:
    pool = PoolSlots("local", [4, 7])
    assert pool.take(avoid=4) == 7
    assert pool.take(avoid=4) is None
    assert pool.take() == 4
    assert pool.take() is None


def test_one_wave_of_throttling_halves_the_limit_once_and_success_raises_it() -> None:
    pool = Pool(16)
    for attempt in pool.fill():
        pool.pool.release(attempt.worker)
        pool.pool.throttled(attempt, 0.0)
    running = pool.fill()
    assert len(running) == 8
    for attempt in running:
        pool.pool.release(attempt.worker)
        pool.pool.succeeded()
    assert len(pool.fill()) == 15, "by one each, up to where it was too much"


def test_the_next_wave_halves_it_again_down_to_one() -> None:
    pool = Pool(8)
    for now in range(5):
        for attempt in pool.fill():
            pool.pool.release(attempt.worker)
            pool.pool.throttled(attempt, float(now))
    assert len(pool.fill()) == 1


def test_throttling_is_timed_from_the_last_progress() -> None:
    pool = Pool(1)
    attempt = pool.start()
    assert attempt
    assert pool.pool.throttled_for(5.0) == (0.0, 0)
    pool.pool.throttled(attempt, 5.0)
    pool.pool.throttled(attempt, 7.0)
    assert pool.pool.throttled_for(9.0) == (4.0, 2)
    pool.pool.progressed()
    assert pool.pool.throttled_for(9.0) == (0.0, 0)


def test_a_closed_pool_has_no_room() -> None:
    pool = PoolSlots("local", [0])
    assert pool.has_room
    pool.closed = True
    assert not pool.has_room
