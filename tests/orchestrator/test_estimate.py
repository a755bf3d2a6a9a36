"""How long a video takes by so many workers, and what it costs."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from helios.adapters.prices import LambdaPrices, prices
from helios.errors import UsageError
from helios.orchestrator.chunks import split
from helios.orchestrator.estimate import Pace, is_worth_measuring, predict


def test_the_time_is_that_of_the_worker_who_is_last() -> None:
    pace = Pace(start_s=2, step_s=0.1, frame_s=0.5, rate=0.01)
    chunks = split(range(100), 25)
    repro = predict(pace, "seek", chunks, 1)
    assert (repro.chunks, repro.seconds, repro.cost) == (4, 4 * 2 + 50 + 1, pytest.approx(0.58))
    two = predict(pace, "seek", chunks, 2)
    assert (two.seconds, two.cost) == (2 * 2 + 25 + 1, pytest.approx(0.58))
    stepped = predict(pace, "step", chunks, 4)
    assert stepped.seconds == pytest.approx(2 + 75 * 0.1 + 12.5 + 1)
    assert stepped.cost == pytest.approx(0.01 * (58 + (25 + 50 + 75) * 0.1))
    assert predict(Pace(1, 0, 1, None), "seek", chunks, 4).cost is None


@given(some.integers(1, 5000), some.integers(1, 50), some.floats(0, 10), some.floats(0.001, 5))
def test_more_workers_never_take_longer_for_the_same_chunks(frames: int, most: int, start: float, frame: float) -> None:
    chunks = split(range(frames), max(1, frames // most))
    pace = Pace(start, 0, frame, 1.0)
    times = [predict(pace, "seek", chunks, workers).seconds for workers in (1, 2, 4, 8)]
    assert times == sorted(times, reverse=True)


def test_no_more_workers_are_looked_at_than_pay_off() -> None:
    assert is_worth_measuring(5, None) == [1]
    assert is_worth_measuring(300, None) == [1, 2, 5, 10, 20]
    assert is_worth_measuring(300, 4) == [1, 2]


def test_an_invocation_costs_its_memory_and_time_and_its_requests() -> None:
    table = LambdaPrices(gb_second={"x86_64": 2.0, "aarch64": 1.0}, invocation=0.5, put=0.25, get=0.125)
    assert table.invocation_cost(10, 2048, "x86_64") == 0.5 + 10 * (2 * 2.0 + 0.25 + 0.125)
    assert table.invocation_cost(10, 512, "aarch64") == 0.5 + 10 * (0.5 + 0.25 + 0.125)
    assert table.invocation_cost(1, 1024, "unknown") == table.invocation_cost(1, 1024, "x86_64")


def test_the_table_of_prices_can_be_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prices.cache_clear()
    ours = prices()
    assert ours.aws.gb_second["x86_64"] > ours.aws.gb_second["aarch64"] > 0
    table = tmp_path / "prices.json"
    table.write_text(json.dumps({**json.loads(ours.model_dump_json()), "dated": "2030-01"}))
    monkeypatch.setenv("HELIOS_PRICES", str(table))
    prices.cache_clear()
    assert prices().dated == "2030-01"
    table.write_text("{}")
    prices.cache_clear()
    with pytest.raises(UsageError, match="is no table of prices"):
        prices()
    prices.cache_clear()
