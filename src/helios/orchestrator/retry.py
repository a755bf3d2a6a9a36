"""When and how often failed attempts are retried."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a chunk is attempted, and the interval before each retry.

    After k failures the interval is a random part of ``initial_interval`` * 2^(k-1), and of ``maximum_interval`` at
    most (seconds). A chunk has ``maximum_attempts``. ``Throttled`` costs none: the chunk is retried until its pool has
    throttled all attempts, without any progress, for ``throttle_timeout`` (seconds).
    """

    initial_interval: float = 0.5
    maximum_interval: float = 30.0
    maximum_attempts: int = 4
    throttle_timeout: float = 900.0

    def interval(self, failures: int, rng: random.Random) -> float:
        """Seconds before the next attempt. Full jitter spreads the retries of attempts that failed together.

        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        return rng.uniform(0, min(self.maximum_interval, self.initial_interval * 2.0 ** min(failures - 1, 30)))
