"""Retries wait longer each time, and never too long."""

import random

from hypothesis import given
from hypothesis import strategies as st

from helios.orchestrator.retry import RetryPolicy


@given(
    failures=st.integers(1, 10_000),
    first=st.floats(0.001, 10),
    longest=st.floats(0.001, 100),
    seed=st.integers(0, 2**32),
)
def test_intervals_grow_and_are_bounded(failures: int, first: float, longest: float, seed: int) -> None:
    interval = RetryPolicy(first, longest).interval(failures, random.Random(seed))
    assert 0 <= interval <= min(longest, first * 2.0 ** min(failures - 1, 900))
