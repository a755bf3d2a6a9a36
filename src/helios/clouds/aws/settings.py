"""What can be chosen for a deployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from helios.clouds.names import check_between, check_commands, check_name
from helios.errors import UsageError

DEFAULTS = {
    "Architecture": "x86_64",
    "MemorySize": "3008",
    "Timeout": "900",
    "EphemeralStorage": "2048",
    "KeepDays": "30",
    "LogDays": "14",
    "AllowedCommands": "",
}
"""What a new stack begins with.

Frames of x86_64 are those of most laptops and CI machines, bit by bit; arm64 costs less, but may round
some colours otherwise. 3008 MB is the most that functions of new accounts can have.
"""
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365)
ARCHITECTURES = ("x86_64", "arm64")
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for. What is None stays as it is; in a new stack, it is as in ``DEFAULTS``.

    ``name`` is the stack's, the function's and the repository's. ``memory`` and ``disk`` are MB, ``timeout`` is in
    seconds, ``keep_days`` and ``log_days`` say after how many days what is in the store, and the logs, are deleted.
    ``allow`` are commands that workers run besides Helios' own. ``image`` is the URI of an image of one's own, instead
    of the one that is built; ``refresh`` has it built anew.
    """

    name: str
    architecture: str | None = None
    memory: int | None = None
    timeout: int | None = None
    disk: int | None = None
    keep_days: int | None = None
    log_days: int | None = None
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
        check_name(self.name, longest=_LONGEST_NAME)
        if self.architecture not in (None, *ARCHITECTURES):
            raise UsageError(f"--architecture is one of {', '.join(ARCHITECTURES)}, not {self.architecture!r}")
        check_between("--memory", self.memory, 512, 10240, "MB")
        check_between("--timeout", self.timeout, 30, 900, "seconds")
        check_between("--disk", self.disk, 512, 10240, "MB")
        check_between("--keep-days", self.keep_days, 1, 3650, "days")
        check_commands(self.allow)
        if self.log_days not in (None, *LOG_DAYS):
            raise UsageError(f"--log-days is one of {', '.join(map(str, LOG_DAYS))}, not {self.log_days}")

    def parameters(self, before: Mapping[str, str]) -> dict[str, str]:
        """The template's parameters that are chosen, over those of ``before``, over the defaults."""
        allowed = check_commands(self.allow)
        chosen = {
            "Architecture": self.architecture,
            "MemorySize": self.memory,
            "Timeout": self.timeout,
            "EphemeralStorage": self.disk,
            "KeepDays": self.keep_days,
            "LogDays": self.log_days,
            "AllowedCommands": None if allowed is None else ",".join(allowed),
        }
        kept = {name: before.get(name, default) for name, default in DEFAULTS.items()}
        return kept | {name: str(value) for name, value in chosen.items() if value is not None}
