"""The settings of a deployment."""

from __future__ import annotations

from dataclasses import dataclass

from helios.clouds.names import check_between, check_commands, check_name
from helios.errors import UsageError

DEFAULTS = {"memory": 4096, "cpus": 2, "timeout": 3600, "max_instances": 10, "keep_days": 30}
"""The values of a new deployment. Cloud Run stores files in memory, so it needs more than a chunk does. The quota of a
new project allows 10 such instances (20 vCPU, 40 GiB)."""
DEFAULT_MAX_INSTANCES = 100
"""The maximum instances of a new deployment if the quota allows so many."""
REGION = "us-central1"
_NAME = (6, 24)
"""Length of a name: service accounts have it too, one with ``-build`` at the end."""
_CPUS = (1, 2, 4, 6, 8)
_MEMORY_PER_CPU = 4096
"""Maximum MiB. Source: https://cloud.google.com/run/docs/configuring/services/memory-limits"""
_MIN_MEMORY = {4: 2048, 6: 4096, 8: 4096}
"""Minimum MiB by vCPU. Source: https://cloud.google.com/run/docs/configuring/services/cpu"""


@dataclass(frozen=True, slots=True)
class Settings:
    """The requested settings. A setting of None keeps its current value, or has the one in ``DEFAULTS`` at first.

    ``name`` names the service and the repository. ``memory`` (MiB) and ``cpus`` (vCPU) are those of an instance,
    ``timeout`` is that of a request in seconds. Chunks are deleted after ``keep_days``. ``allow_commands`` are the
    commands that workers run besides Helios' own. ``image`` is the URI of an image of your own, to use instead of
    building one; ``refresh`` builds the image again.
    """

    name: str
    region: str | None = None
    memory: int | None = None
    cpus: int | None = None
    timeout: int | None = None
    max_instances: int | None = None
    keep_days: int | None = None
    allow_commands: tuple[str, ...] | None = None
    image: str | None = None
    refresh: bool = False

    def __post_init__(self) -> None:
        """
        Raises:
            UsageError: a setting is out of range, or two conflict.
        """
        if self.refresh and self.image:
            raise UsageError("--refresh builds an image, --image names one: drop one of them")
        check_name(self.name, shortest=_NAME[0], longest=_NAME[1])
        if self.cpus is not None and self.cpus not in _CPUS:
            raise UsageError(f"--cpus must be one of {', '.join(map(str, _CPUS))}, not {self.cpus}")
        check_between("--memory", self.memory, 1024, 32768, "MiB")
        check_between("--timeout", self.timeout, 60, 3600, "seconds")
        check_between("--max-instances", self.max_instances, 1, 1000, "instances")
        check_commands(self.allow_commands)
        check_between("--keep-days", self.keep_days, 1, 3650, "days")

    def numbers(self, before: dict[str, int]) -> dict[str, int]:
        """Returns the numbers: those requested, else those of ``before``, else the defaults.

        Raises:
            UsageError: memory and vCPU don't fit together.
        """
        requested = {name: getattr(self, name) for name in DEFAULTS if getattr(self, name) is not None}
        numbers = DEFAULTS | before | requested
        highest = numbers["cpus"] * _MEMORY_PER_CPU
        if numbers["memory"] > highest:
            raise UsageError(f"{numbers['cpus']} vCPU can have at most {highest} MiB: use more --cpus")
        lowest = _MIN_MEMORY.get(numbers["cpus"], 0)
        if numbers["memory"] < lowest:
            raise UsageError(f"{numbers['cpus']} vCPU need at least {lowest} MiB: use more --memory")
        return numbers
