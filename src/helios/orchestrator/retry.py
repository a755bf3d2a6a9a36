"""When failed work is tried again, and how often."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a chunk is tried, and how long it waits before each retry.

    A chunk that has failed k times waits a random part of ``initial_interval`` * 2^(k-1), and of ``maximum_interval``
    at most (seconds). It is tried ``maximum_attempts`` times. ``Throttled`` costs no attempt: it is retried until a
    pool of workers has thrown back all that it was given, without any progress, for ``throttle_timeout`` (seconds).
    """

    initial_interval: float = 0.5
    maximum_interval: float = 30.0
    maximum_attempts: int = 4
    throttle_timeout: float = 900.0

    def interval(self, failures: int, luck: random.Random) -> float:
        """Seconds before the next attempt: full jitter, so that many that failed together don't come back so.

        Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        return luck.uniform(0, min(self.maximum_interval, self.initial_interval * 2.0 ** min(failures - 1, 30)))
