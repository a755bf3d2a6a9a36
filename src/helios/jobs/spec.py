"""What a job is: one file that says all that is needed to run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from helios.adapters import AnyTarget
from helios.audio import AudioSettings
from helios.errors import UsageError
from helios.jobs.webhook import check_webhook
from helios.orchestrator import CommandPlan, RenderPlan
from helios.orchestrator.assemble import StitchChoice
from helios.text import Text

VERSION = 1


class JobSpec(BaseModel):
    """A job: a ``page`` as it was planned, with its ``audio`` and ``text``, or plain ``commands``, and the file that
    comes of it. ``hls`` is a folder for a stream that can be played before the video is whole.

    Chunks are made here, or at ``places``, from one queue. ``store`` is the URL where they are kept, if it is not the
    user's own folder. They are joined here, or, remote, at a place whose store that is: ``stitch``. ``attempts`` is how
    often a chunk may be tried in all; a ``fresh`` job takes nothing that other jobs have made. ``webhook`` is an
    address that is told what becomes of the job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="Helios job")

    version: Literal[1] = VERSION
    page: RenderPlan | None = None
    commands: CommandPlan | None = None
    output: Path
    audio: AudioSettings | None = None
    hls: Path | None = None
    text: Text | None = None
    targets: tuple[AnyTarget, ...] = ()
    stitch: StitchChoice = "local"
    attempts: int = Field(default=4, ge=1)
    store: str | None = None
    fresh: bool = False
    webhook: Annotated[str, AfterValidator(check_webhook)] | None = None

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> JobSpec:
        if (self.page is None) == (self.commands is None):
            raise ValueError("a job has either a page or commands")
        if self.audio and not self.page:
            raise ValueError("commands bring their own audio: leave audio out")
        if self.hls and not self.page:
            raise ValueError("only videos of pages can be played before their end")
        if self.text and not self.page:
            raise ValueError("only videos of pages have metadata, chapters and subtitles")
        stores = [target.store_url for target in self.targets if target.store_url]
        if self.stitch == "remote" and not (self.page and self.store in stores):
            raise ValueError("only chunks of a page that are kept at a place to run can be joined there")
        return self

    @property
    def plan(self) -> RenderPlan | CommandPlan:
        """What is to be made."""
        plan = self.page or self.commands
        assert plan, "a job has either a page or commands"
        return plan

    @classmethod
    def read(cls, path: Path) -> JobSpec:
        """The job in a file; its output is taken from where the file lies, if it is no absolute path.

        Raises:
            UsageError: there is no such file, or it is no job of this version.
        """
        try:
            spec = cls.parse(path.read_bytes(), str(path))
        except OSError as error:
            raise UsageError(f"{path} can't be read: {error.strerror}") from None
        return spec.from_folder(path.absolute().parent)

    def from_folder(self, folder: Path) -> JobSpec:
        """The same job, whose paths are taken from ``folder``."""
        commands = self.commands
        if commands:
            parts = (
                part.model_copy(update={"inputs": tuple(folder / path for path in part.inputs)})
                for part in commands.chunks
            )
            commands = commands.model_copy(update={"chunks": tuple(parts)})
        store = self.store if self.store is None or "://" in self.store else str(folder / self.store)
        return self.model_copy(
            update={
                "output": folder / self.output,
                "hls": self.hls and folder / self.hls,
                "commands": commands,
                "store": store,
                "audio": self.audio and self.audio.from_folder(folder),
            }
        )

    @classmethod
    def parse(cls, data: bytes | str, label: str) -> JobSpec:
        """The job that ``data`` (JSON) describes; ``label`` names it in errors.

        Raises:
            UsageError: it is no job of this version.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            (first, *others) = error.errors()
            where = ".".join(map(str, first["loc"]))
            version = _version(data)
            if isinstance(version, int) and version != VERSION:
                raise UsageError(f"{label} is a job of version {version}, and this Helios runs {VERSION}") from None
            more = f" (and {len(others)} more)" if others else ""
            raise UsageError(f"{label} is no job: {where + ': ' if where else ''}{first['msg']}{more}") from None


def _version(data: bytes | str) -> object:
    try:
        found = json.loads(data)
    except ValueError:
        return None
    return found.get("version") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
