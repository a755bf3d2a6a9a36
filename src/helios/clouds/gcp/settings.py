"""What can be chosen for a deployment."""

from __future__ import annotations

from dataclasses import dataclass

from helios.clouds.names import check_between, check_commands, check_name
from helios.errors import UsageError

DEFAULTS = {"memory": 4096, "cpus": 2, "timeout": 3600, "max_instances": 10, "keep_days": 30}
"""What a new deployment begins with. Files are kept in memory there, so it has more of it than a chunk needs; of such
instances the quota of a new project holds 10 (20 vCPU, 40 GiB)."""
MOST_INSTANCES = 100
"""Instances that a new deployment begins with at most, where the quota is known and holds so many."""
REGION = "us-central1"
_NAME = (6, 24)
"""How long a name may be: accounts are named after it, with ``-build`` at the end."""
_CPUS = (1, 2, 4, 6, 8)
_MEMORY_PER_CPU = 4096
"""MiB at most. Source: https://cloud.google.com/run/docs/configuring/services/memory-limits"""
_LEAST_MEMORY = {4: 2048, 6: 4096, 8: 4096}
"""MiB that so many processors need. Source: https://cloud.google.com/run/docs/configuring/services/cpu"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for. What is None stays as it is; in a new deployment, it is as in ``DEFAULTS``.

    ``name`` is the service's and the repository's. ``memory`` is in MiB, ``timeout`` is the seconds of a request,
    ``keep_days`` says after how many days what is in the store is deleted. ``allow`` are commands that workers
    run besides Helios' own. ``image`` is the URI of an image of one's own, instead of the one that is built;
    ``refresh`` has it built anew.
    """

    name: str
    region: str | None = None
    memory: int | None = None
    cpus: int | None = None
    timeout: int | None = None
    max_instances: int | None = None
    keep_days: int | None = None
    allow: tuple[str, ...] | None = None
    image: str | None = None
    refresh: bool = False

    def __post_init__(self) -> None:
        """
        Raises:
            UsageError: something can't be had.
        """
        if self.refresh and self.image:
            raise UsageError("--refresh has an image built, and --image names one: say one of them")
        check_name(self.name, shortest=_NAME[0], longest=_NAME[1])
        if self.cpus is not None and self.cpus not in _CPUS:
            raise UsageError(f"--cpus is one of {', '.join(map(str, _CPUS))}, not {self.cpus}")
        check_between("--memory", self.memory, 1024, 32768, "MiB")
        check_between("--timeout", self.timeout, 60, 3600, "seconds")
        check_between("--max-instances", self.max_instances, 1, 1000, "instances")
        check_commands(self.allow)
        check_between("--keep-days", self.keep_days, 1, 3650, "days")

    def over(self, before: dict[str, int]) -> dict[str, int]:
        """The numbers that are chosen, over those of ``before``, over the defaults.

        Raises:
            UsageError: so many processors can't have so much memory, or so little.
        """
        chosen = {name: getattr(self, name) for name in DEFAULTS if getattr(self, name) is not None}
        found = DEFAULTS | before | chosen
        most = found["cpus"] * _MEMORY_PER_CPU
        if found["memory"] > most:
            raise UsageError(f"{found['cpus']} processors can have {most} MiB at most: give more --cpus")
        least = _LEAST_MEMORY.get(found["cpus"], 0)
        if found["memory"] < least:
            raise UsageError(f"{found['cpus']} processors need {least} MiB at least: give more --memory")
        return found
