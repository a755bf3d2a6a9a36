"""One command of the renderer that renders several videos."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from helios.orchestrator.chunk_cache import REPORT
from helios.orchestrator.dispatch import Dispatcher
from helios.orchestrator.execute import RendererCommand, RendererCrashed
from helios.renderer.messages import BatchSpec, VideoOutcome
from helios.worker import Artifact

_FOLDER = "videos"


class OnVideo(Protocol):
    """Called with each video that is rendered or has failed.

    ``artifact`` is its segment, None if it failed; it is at ``path`` if workers share our disk.
    """

    def __call__(
        self, name: str, outcome: VideoOutcome, artifact: Artifact | None, path: Path | None
    ) -> Awaitable[None]: ...


async def render_videos(
    dispatcher: Dispatcher,
    command: RendererCommand,
    folder: Path,
    on_heartbeat: Callable[[], None],
    on_video: OnVideo,
) -> None:
    """Has a worker render the videos of ``command``, in ``folder`` where workers share our disk.

    ``on_video`` is awaited for each video: where workers share our disk, as soon as it is rendered, also if the command
    fails later; else after the command.

    Raises:
        HeliosError: as ``Dispatcher.run_renderer``.
    """
    assert isinstance(command.spec, BatchSpec), "a command for videos"
    names = [video.name for video in command.spec.videos]
    tasks: dict[str, asyncio.Task[None]] = {}

    def start_tasks() -> None:
        for name in names if dispatcher.shares_disk else ():
            if name not in tasks and (folder / _outcome_file(name)).is_file():
                key = command.outputs[f"{_FOLDER}/{name}"]
                tasks[name] = asyncio.create_task(_read_video(folder, name, key, on_video))

    try:
        result = await dispatcher.run_renderer(
            command, folder, lambda percent: on_heartbeat(), lambda status: start_tasks()
        )
    finally:
        start_tasks()
        await asyncio.gather(*tasks.values())
    finished = [name for name in names if _outcome_file(name) in result.outputs]
    if not finished:
        raise RendererCrashed("the renderer finished no video")
    for name in () if dispatcher.shares_disk else finished:
        content = await dispatcher.read_output(result, folder, _outcome_file(name))
        outcome = VideoOutcome.model_validate_json(content)
        await on_video(name, outcome, result.outputs.get(f"{_FOLDER}/{name}"), None)


def make_command(spec: BatchSpec, suffix: str, artifact_keys: Mapping[str, Callable[[str], str]]) -> RendererCommand:
    """The command that renders the videos of ``spec``. ``suffix`` is that of their segments' names.

    ``artifact_keys`` give, for each video's name, the store's key of an output by its suffix.
    """
    outputs: dict[str, str] = {}
    for name, artifact_key in artifact_keys.items():
        outputs |= {f"{_FOLDER}/{name}": artifact_key(suffix), _outcome_file(name): artifact_key(REPORT)}
    return RendererCommand("videos", spec, outputs, _FOLDER)


async def _read_video(folder: Path, name: str, key: str, on_video: OnVideo) -> None:
    path = folder / _FOLDER / name
    outcome = VideoOutcome.model_validate_json((folder / _outcome_file(name)).read_bytes())
    artifact = await asyncio.to_thread(Artifact.of, path, key) if outcome.report else None
    await on_video(name, outcome, artifact, path)


def _outcome_file(name: str) -> str:
    return f"{_FOLDER}/{name}.json"
