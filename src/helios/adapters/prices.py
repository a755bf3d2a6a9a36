"""What workers cost: a table that is data, and ages. ``HELIOS_PRICES`` names a file to take instead of prices.json."""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from helios.errors import UsageError

_FILES = 2


class LambdaPrices(BaseModel):
    """Prices of AWS Lambda, by the kind of machine, and of S3's requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gb_second: dict[str, float]
    invocation: float
    put: float
    get: float

    def invocation_cost(self, seconds: float, memory_mb: float, machine: str) -> float:
        """What an invocation costs that was billed for so long, with what its signs of life cost: one a second."""
        gb_second = self.gb_second.get(machine, max(self.gb_second.values()))
        return self.invocation + seconds * (memory_mb / 1024 * gb_second + self.put + self.get)


class CloudRunPrices(BaseModel):
    """Prices of Cloud Run, where it is paid for while requests are answered, and of Cloud Storage's requests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_second: float
    gib_second: float
    request: float
    put: float
    get: float

    def make_request(self, seconds: float, memory_mb: float, cpus: float) -> float:
        """What a request costs that was billed for so long, with the few files that a chunk's worker gets and puts."""
        return (
            self.request
            + seconds * (cpus * self.cpu_second + memory_mb / 1024 * self.gib_second)
            + _FILES * (self.put + self.get)
        )


class Prices(BaseModel):
    """A table of prices, as they were when it is ``dated``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dated: str
    currency: str
    source: str
    aws: LambdaPrices
    gcp: CloudRunPrices


@cache
def prices() -> Prices:
    """The table.

    Raises:
        UsageError: the one that is named can't be read.
    """
    named = os.environ.get("HELIOS_PRICES")
    try:
        table = Path(named) if named else files("helios.adapters") / "prices.json"
        text = table.read_text("utf-8")
        return Prices.model_validate_json(text)
    except (OSError, ValidationError) as error:
        raise UsageError(f"HELIOS_PRICES: {named} is no table of prices: {str(error).splitlines()[0]}") from None
