"""What a worker runs: Helios' own commands, each with typed settings, and those that its deployment allows besides."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from helios.errors import WorkerRefused

RENDERER = "helios-renderer"
"""What a payload calls Helios' own renderer."""

STITCHER = "helios-stitch"
"""And what joins segments."""

_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
"""A file in the job's folder, by a name that nothing takes for an option or an address."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Draw(_Settings):
    """What the renderer is to do: the file ``spec`` says it all (see ``helios.renderer.messages``)."""

    kind: Literal["chunk", "videos", "still", "probe"]
    spec: _Name
    output: _Name

    @classmethod
    def read(cls, args: Sequence[str]) -> Draw:
        """The settings that a payload's ``args`` are: KIND SPEC OUTPUT."""
        return cls.model_validate(dict(zip(("kind", "spec", "output"), args, strict=True)))

    def arguments(self) -> tuple[str, ...]:
        """What the renderer is called with."""
        return (self.kind, self.spec, self.output)


class Join(_Settings):
    """Which segments are joined, in order, and into what."""

    output: _Name
    segments: tuple[_Name, ...] = Field(min_length=1)

    @classmethod
    def read(cls, args: Sequence[str]) -> Join:
        """The settings that a payload's ``args`` are: OUTPUT SEGMENT..."""
        output, *segments = args
        return cls.model_validate({"output": output, "segments": segments})

    def arguments(self) -> tuple[str, ...]:
        """What ``helios stitch`` is called with."""
        return (*self.segments, "-o", self.output)


OWN: Mapping[str, tuple[type[Draw] | type[Join], tuple[str, ...]]] = {
    # -P: the workspace is no place to import from.
    RENDERER: (Draw, (sys.executable, "-P", "-m", "helios.renderer")),
    STITCHER: (Join, (sys.executable, "-P", "-m", "helios", "stitch")),
}
"""Helios' own commands: the type of their settings, and how they are called."""


def command_line(command: str, args: Sequence[str], allowed: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """How a command is called: one of Helios' own by its settings, one that is ``allowed`` by the very ``args``.

    Raises:
        WorkerRefused: the worker does not run it, or not so.
    """
    if command in OWN:
        settings, program = OWN[command]
        try:
            return (*program, *settings.read(args).arguments())
        except ValueError:  # pydantic's ValidationError is one
            raise WorkerRefused(f"{command} does not take the arguments {' '.join(args)!r}") from None
    if command not in allowed:
        more = f" and {', '.join(sorted(allowed))}" if allowed else ""
        raise WorkerRefused(
            f"the worker runs Helios' own commands{more}, and not {command!r}: to allow it, "
            f"helios deploy aws|gcp --allow-command {command}"
        )
    return (*allowed[command], *args)


def allowed_here() -> dict[str, tuple[str, ...]]:
    """The commands that this deployment allows besides Helios' own: ``HELIOS_COMMANDS``, with commas between.

    They are not confined: a caller who may send jobs can use every right of the worker.
    """
    names = [name.strip() for name in os.environ.get("HELIOS_COMMANDS", "").split(",")]
    ffmpeg = {"ffmpeg": (os.environ.get("HELIOS_FFMPEG", "ffmpeg"),)}
    return {name: ffmpeg.get(name, (name,)) for name in names if name}
