"""The settings of a deployment."""

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
"""The template's parameters for a new stack.

x86_64 renders the same frames, bit by bit, as most laptops and CI machines; arm64 costs less, but may round some
colours differently. 3008 MB is the maximum in new accounts.
"""
LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365)
ARCHITECTURES = ("x86_64", "arm64")
_NAME_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Settings:
    """The requested settings. A setting of None keeps its current value, or has the one in ``DEFAULTS`` at first.

    ``name`` names the stack, the function and the repository. ``memory`` and ``disk`` (/tmp) are in MB, ``timeout`` is
    in seconds. Chunks are deleted after ``keep_days``, logs after ``log_days``. ``allow_commands`` are the commands
    that workers run besides Helios' own. ``image`` is the URI of an image of your own, to use instead of building one;
    ``refresh`` builds the image again.
    """

    name: str
    architecture: str | None = None
    memory: int | None = None
    timeout: int | None = None
    disk: int | None = None
    keep_days: int | None = None
    log_days: int | None = None
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
        check_name(self.name, longest=_NAME_LENGTH)
        if self.architecture not in (None, *ARCHITECTURES):
            raise UsageError(f"--architecture must be one of {', '.join(ARCHITECTURES)}, not {self.architecture!r}")
        check_between("--memory", self.memory, 512, 10240, "MB")
        check_between("--timeout", self.timeout, 30, 900, "seconds")
        check_between("--disk", self.disk, 512, 10240, "MB")
        check_between("--keep-days", self.keep_days, 1, 3650, "days")
        check_commands(self.allow_commands)
        if self.log_days not in (None, *LOG_DAYS):
            raise UsageError(f"--log-days must be one of {', '.join(map(str, LOG_DAYS))}, not {self.log_days}")

    def parameters(self, before: Mapping[str, str]) -> dict[str, str]:
        """Returns the template's parameters: those requested, else those of ``before``, else the defaults."""
        allowed = check_commands(self.allow_commands)
        requested = {
            "Architecture": self.architecture,
            "MemorySize": self.memory,
            "Timeout": self.timeout,
            "EphemeralStorage": self.disk,
            "KeepDays": self.keep_days,
            "LogDays": self.log_days,
            "AllowedCommands": None if allowed is None else ",".join(allowed),
        }
        current = {name: before.get(name, default) for name, default in DEFAULTS.items()}
        return current | {name: str(value) for name, value in requested.items() if value is not None}
