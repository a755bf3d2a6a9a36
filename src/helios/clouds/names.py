"""Names of deployments and images, and checks of settings that both clouds have."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from helios.errors import UsageError

_NAME = re.compile(r"[a-z](-?[a-z0-9])*")
_COMMAND = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_.+/-]*")


def default_name(version: str) -> str:
    """Returns the name of a version's deployment, such as ``helios-0-1-0``."""
    return "helios-" + re.sub(r"[^a-z0-9]+", "-", version.lower()).strip("-")


def image_tag(content: str, image: str, *, refresh: bool) -> str:
    """Returns the tag for an image of that ``content``: the tag of the current ``image`` if it has the same content.

    The same content built later has a newer browser and newer fonts. So ``refresh`` returns a tag with the time, which
    then stays current until the next refresh or new content.
    """
    if refresh:
        return f"{content}-{datetime.now(UTC):%Y%m%d%H%M%S}"
    tag = image.rpartition(":")[2]
    return tag if tag.startswith(content) else content


def check_name(name: str, *, shortest: int = 1, longest: int) -> None:
    """
    Raises:
        UsageError: it is not a valid deployment name.
    """
    if not _NAME.fullmatch(name) or not shortest <= len(name) <= longest:
        length = f"{shortest} to {longest}" if shortest > 1 else f"at most {longest}"
        raise UsageError(
            f"{name!r} is not a valid name: use {length} lower-case letters, digits and single dashes, "
            "starting with a letter"
        )


def check_between(option: str, value: float | None, lowest: float, highest: float, unit: str) -> None:
    """
    Raises:
        UsageError: the option's value is out of range.
    """
    if value is not None and not lowest <= value <= highest:
        raise UsageError(f"{option} must be {lowest:g} to {highest:g} {unit}, not {value:g}")


def check_commands(commands: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Returns the commands of --allow-command, sorted and without duplicates. An empty one stands for none.

    Raises:
        UsageError: one is not a command's name or path.
    """
    if commands is None:
        return None
    for command in commands:
        if command and not _COMMAND.fullmatch(command):
            raise UsageError(f"--allow-command needs a command's name or path, not {command!r}")
    return tuple(sorted({command for command in commands if command}))
