"""One command of the renderer that draws several films."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

from helios.orchestrator.dispatch import RendererCrashed, Workplace
from helios.orchestrator.ledger import REPORT
from helios.renderer.spec import FilmOutcome, FilmsSpec
from helios.worker import Artifact

_FOLDER = "films"


class Take(Protocol):
    """Gets a film that was brought to an end: its segment, if there is one, at ``path`` if that is on our disk."""

    def __call__(
        self, name: str, outcome: FilmOutcome, artifact: Artifact | None, path: Path | None
    ) -> Awaitable[None]: ...


async def draw_films(
    at: Workplace,
    spec: FilmsSpec,
    suffix: str,
    folder: Path,
    keys: Mapping[str, Callable[[str], str]],
    heard: Callable[[], None],
    take: Take,
) -> None:
    """Has films drawn, in ``folder`` if that is where the work is done; their files get the keys that ``keys`` say.

    ``suffix`` is the ending of their segments' names.

    ``take`` is awaited for each film that comes to an end: as soon as it does where workers share our disk, and there
    also if the command is lost later. ``heard`` is called when there is a sign of life.

    Raises:
        HeliosError: of the class that the renderer's exit code tells.
    """
    outputs: dict[str, str] = {}
    for film in spec.films:
        key = keys[film.name]
        outputs |= {f"{_FOLDER}/{film.name}": key(suffix), _said(film.name): key(REPORT)}
    taken: dict[str, asyncio.Task[None]] = {}

    def look() -> None:
        for film in spec.films if at.store is None else ():
            if film.name not in taken and (folder / _said(film.name)).is_file():
                taken[film.name] = asyncio.create_task(_take_here(folder, film.name, outputs, take))

    try:
        result = await at.draw(
            "films", spec, folder, outputs, lambda percent: heard(), told=lambda text: look(), into=_FOLDER
        )
    finally:
        look()
        await asyncio.gather(*taken.values())
    ended = [film.name for film in spec.films if _said(film.name) in result.outputs]
    if not ended:
        raise RendererCrashed("the renderer has brought no film to an end")
    for name in ended if at.store else ():
        outcome = FilmOutcome.model_validate_json(await at.read(result, folder, _said(name)))
        await take(name, outcome, result.outputs.get(f"{_FOLDER}/{name}"), None)


async def _take_here(folder: Path, name: str, outputs: Mapping[str, str], take: Take) -> None:
    path = folder / _FOLDER / name
    outcome = FilmOutcome.model_validate_json((folder / _said(name)).read_bytes())
    artifact = await asyncio.to_thread(Artifact.of, path, outputs[f"{_FOLDER}/{name}"]) if outcome.report else None
    await take(name, outcome, artifact, path)


def _said(name: str) -> str:
    return f"{_FOLDER}/{name}.json"
