"""One command of the renderer that draws several videos."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from helios.orchestrator.chunk_cache import REPORT
from helios.orchestrator.dispatch import RendererCrashed, Workplace
from helios.renderer.messages import BatchSpec, VideoOutcome
from helios.worker import Artifact

_FOLDER = "videos"


class Take(Protocol):
    """Gets a video that was brought to an end: its segment, if there is one, at ``path`` if that is on our disk."""

    def __call__(
        self, name: str, outcome: VideoOutcome, artifact: Artifact | None, path: Path | None
    ) -> Awaitable[None]: ...


async def draw_videos(
    at: Workplace,
    spec: BatchSpec,
    suffix: str,
    folder: Path,
    keys: Mapping[str, Callable[[str], str]],
    heard: Callable[[], None],
    take: Take,
) -> None:
    """Has videos drawn, in ``folder`` if that is where the work is done; their files get the keys that ``keys`` say.

    ``suffix`` is the ending of their segments' names.

    ``take`` is awaited for each video that comes to an end: as soon as it does where workers share our disk, and there
    also if the command is lost later. ``heard`` is called when there is a sign of life.

    Raises:
        HeliosError: of the class that the renderer's exit code tells.
    """
    outputs: dict[str, str] = {}
    for video in spec.videos:
        key = keys[video.name]
        outputs |= {f"{_FOLDER}/{video.name}": key(suffix), _error_text(video.name): key(REPORT)}
    taken: dict[str, asyncio.Task[None]] = {}

    def look() -> None:
        for video in spec.videos if at.store is None else ():
            if video.name not in taken and (folder / _error_text(video.name)).is_file():
                taken[video.name] = asyncio.create_task(_take_here(folder, video.name, outputs, take))

    try:
        result = await at.draw(
            "videos", spec, folder, outputs, lambda percent: heard(), told=lambda text: look(), into=_FOLDER
        )
    finally:
        look()
        await asyncio.gather(*taken.values())
    finished = [video.name for video in spec.videos if _error_text(video.name) in result.outputs]
    if not finished:
        raise RendererCrashed("the renderer has brought no video to an end")
    for name in finished if at.store else ():
        outcome = VideoOutcome.model_validate_json(await at.read(result, folder, _error_text(name)))
        await take(name, outcome, result.outputs.get(f"{_FOLDER}/{name}"), None)


async def _take_here(folder: Path, name: str, outputs: Mapping[str, str], take: Take) -> None:
    path = folder / _FOLDER / name
    outcome = VideoOutcome.model_validate_json((folder / _error_text(name)).read_bytes())
    artifact = await asyncio.to_thread(Artifact.of, path, outputs[f"{_FOLDER}/{name}"]) if outcome.report else None
    await take(name, outcome, artifact, path)


def _error_text(name: str) -> str:
    return f"{_FOLDER}/{name}.json"
