"""The spec of a job: one file that holds everything that is needed to run it."""

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
    """A job: the plan of a ``page``, with its ``audio`` and ``text``, or plain ``commands``, and the ``output`` file.

    ``hls`` is a folder for a stream that can be played before the video is complete. ``targets`` share one queue of
    chunks; without any, this machine renders them. ``store`` is the URL of the chunk cache, by default the user's own
    folder. ``stitch`` says whether this machine joins the chunks or (``remote``) a worker at the target with that
    store. ``attempts`` is the most attempts at a chunk. A ``fresh`` job reuses no chunks of other jobs. ``webhook`` is
    a URL that receives the job's changes of state.
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
    def _check_combination(self) -> JobSpec:
        if (self.page is None) == (self.commands is None):
            raise ValueError("a job has either a page or commands")
        if self.audio and not self.page:
            raise ValueError("audio needs a page, not commands")
        if self.hls and not self.page:
            raise ValueError("hls needs a page, not commands")
        if self.text and not self.page:
            raise ValueError("text (metadata, chapters, subtitles) needs a page, not commands")
        stores = [target.store_url for target in self.targets if target.store_url]
        if self.stitch == "remote" and not (self.page and self.store in stores):
            raise ValueError("stitch remote needs a page, and a target whose store is the job's store")
        return self

    @property
    def plan(self) -> RenderPlan | CommandPlan:
        """The plan of the page or of the commands."""
        plan = self.page or self.commands
        assert plan, "a job has either a page or commands"
        return plan

    @classmethod
    def read(cls, path: Path) -> JobSpec:
        """Reads a spec from a file. Its relative paths are relative to the file's folder.

        Raises:
            UsageError: the file can't be read, or is not a spec of this version.
        """
        try:
            spec = cls.parse(path.read_bytes(), str(path))
        except OSError as error:
            raise UsageError(f"{path} can't be read: {error.strerror}") from None
        return spec.from_folder(path.absolute().parent)

    def from_folder(self, folder: Path) -> JobSpec:
        """Returns the spec with relative paths resolved against ``folder``."""
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
        """Parses a spec from JSON; ``label`` names it in errors.

        Raises:
            UsageError: it is not a spec of this version.
        """
        try:
            return cls.model_validate_json(data)
        except ValidationError as error:
            (first, *others) = error.errors()
            where = ".".join(map(str, first["loc"]))
            version = _read_version(data)
            if isinstance(version, int) and version != VERSION:
                raise UsageError(
                    f"{label} has version {version}; this Helios runs job specs of version {VERSION}"
                ) from None
            field = f"{where}: " if where else ""
            more = f" (and {len(others)} more)" if others else ""
            raise UsageError(f"{label} is not a job spec: {field}{first['msg']}{more}") from None


def _read_version(data: bytes | str) -> object:
    try:
        values = json.loads(data)
    except ValueError:
        return None
    return values.get("version") if isinstance(values, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
