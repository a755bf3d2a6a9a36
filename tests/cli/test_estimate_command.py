"""``helios estimate`` chooses among estimates: the cheapest in time, or the fastest for the money."""

import json
from collections.abc import Sequence

import pytest
from typer.testing import CliRunner

import helios
from helios.cli import app

FOUND = [
    helios.Estimate(1, 1, 100.0, 0.10),
    helios.Estimate(10, 10, 59.0, 0.20),
    helios.Estimate(50, 50, 20.0, 0.45),
    helios.Estimate(100, 100, 10.0, 0.60),
]


@pytest.fixture(autouse=True)
def _estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    async def estimate(source: str, **options: object) -> Sequence[helios.Estimate]:
        return FOUND

    monkeypatch.setattr(helios, "estimate", estimate)


@pytest.mark.parametrize(
    ("options", "workers"),
    [
        (["--deadline", "60s"], 10),
        (["--deadline", "1m"], 10),
        (["--deadline", "59"], 10),
        (["--deadline", "1.5h"], 1),
        (["--max-cost", "0.50"], 50),
        (["--deadline", "60s", "--max-cost", "0.50"], 10),
        (["--deadline", "15s", "--max-cost", "0.50"], None),
        (["--deadline", "0"], None),
        (["--max-cost", "0"], None),
    ],
)
def test_the_cheapest_in_time_or_the_fastest_for_the_money_is_chosen(options: list[str], workers: int | None) -> None:
    shown = CliRunner().invoke(app, ["estimate", "page.html", "--json", *options])
    lines = [json.loads(line) for line in shown.stdout.splitlines() if line.startswith("{")]
    assert [line["workers"] for line in lines if line["chosen"]] == ([] if workers is None else [workers])
    assert shown.exit_code == (0 if workers else 1)
    shown = CliRunner().invoke(app, ["estimate", "page.html", *options])
    assert (f"--workers {workers}" in shown.stdout) == bool(workers)


def test_a_deadline_that_is_no_length_of_time_is_refused() -> None:
    shown = CliRunner().invoke(app, ["estimate", "page.html", "--deadline", "soon"])
    assert shown.exit_code == 2
    assert "soon is no length of time" in shown.output
