"""Names of deployments."""

from __future__ import annotations

import re

from helios.errors import UsageError

_NAME = re.compile(r"[a-z](-?[a-z0-9])*")


def default_name(version: str) -> str:
    """The name of a version's deployment: ``helios-0-1-0``."""
    return "helios-" + re.sub(r"[^a-z0-9]+", "-", version.lower()).strip("-")


def check_name(name: str, *, shortest: int = 1, longest: int) -> None:
    """
    Raises:
        UsageError: it can't be a deployment's name.
    """
    if not _NAME.fullmatch(name) or not shortest <= len(name) <= longest:
        raise UsageError(
            f"{name!r} can't be a name: lower-case letters, digits and single dashes, a letter first, "
            f"{f'{shortest} to' if shortest > 1 else 'at most'} {longest}"
        )


def check_between(option: str, value: float | None, least: float, most: float, unit: str) -> None:
    """
    Raises:
        UsageError: what was given for an option can't be had.
    """
    if value is not None and not least <= value <= most:
        raise UsageError(f"{option} is from {least:g} to {most:g} {unit}, not {value:g}")
