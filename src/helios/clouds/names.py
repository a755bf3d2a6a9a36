"""Names of deployments."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from helios.errors import UsageError

_NAME = re.compile(r"[a-z](-?[a-z0-9])*")


def default_name(version: str) -> str:
    """The name of a version's deployment: ``helios-0-1-0``."""
    return "helios-" + re.sub(r"[^a-z0-9]+", "-", version.lower()).strip("-")


def image_tag(content: str, image: str, *, refresh: bool) -> str:
    """The tag of an image of that ``content``: the one of ``image``, which is there, if it is of it, else a new one.

    The same content gives another image later: its browser and its fonts are then the newest. So a ``refresh`` has a
    tag of its own, which is kept until the next.
    """
    if refresh:
        return f"{content}-{datetime.now(UTC):%Y%m%d%H%M%S}"
    tag = image.rpartition(":")[2]
    return tag if tag.startswith(content) else content


_COMMAND = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_.+/-]*")


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


def check_commands(commands: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The commands that were given by --allow-command, sorted, each once; an empty one stands for none.

    Raises:
        UsageError: one is no name or path of a command.
    """
    if commands is None:
        return None
    for command in commands:
        if command and not _COMMAND.fullmatch(command):
            raise UsageError(f"--allow-command takes a command's name or path, and not {command!r}")
    return tuple(sorted({command for command in commands if command}))
