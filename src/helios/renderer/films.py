"""Whole films of one page, drawn one after another in one browser: what it takes to start is paid once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from helios.composition import Composition, compose
from helios.errors import CaptureUnsafe, HeliosError, PageError, UsageError
from helios.renderer.browser import Browser, open_browser
from helios.renderer.draw import Progress, draw_on
from helios.renderer.fast import BREAKDOWN, broken
from helios.renderer.memory import keep_freed_memory
from helios.renderer.page import Page
from helios.renderer.spec import FAST, ChunkReport, ChunkSpec, Film, FilmFailure, FilmOutcome, FilmsSpec

_OF_FILMS = (PageError, CaptureUnsafe, UsageError)
"""Errors that one film has, and others need not have."""
_SHARE = 1_000_000


async def draw_films(
    spec: FilmsSpec, folder: Path, workspace: Path, progress: Progress, done: Callable[[str], None]
) -> None:
    """Draws films into ``folder``, which is made: each one's segment under its name, and its outcome (JSON) under the
    name and ``.json``. Both appear whole, the outcome last; then ``done`` is called with the name.

    A film that can't be drawn has an outcome too, and the next begins in a new browser. Those that are not begun in
    time have none.

    Raises:
        MissingTool, BrowserError, OutputError, WorkerRefused: what keeps any from being drawn.
    """
    keep_freed_memory()
    folder.mkdir(parents=True, exist_ok=True)
    films = _Films(spec, folder, progress, done)
    browsers = 0
    while films.left:
        browsers += 1
        try:
            await films.draw_some(workspace / f"browser-{browsers}")
        except BREAKDOWN as error:
            if spec.capture not in FAST or not films.left:
                raise
            films.broke_down(error)


class _Films:
    """``left`` are those that have no outcome yet; ``size`` is what the last one had: that of the next, most likely."""

    def __init__(self, spec: FilmsSpec, folder: Path, progress: Progress, done: Callable[[str], None]) -> None:
        self._spec = spec
        self._folder = folder
        self._progress = progress
        self._done = done
        self._until = time.monotonic() + spec.seconds
        self._checked: tuple[int, int, Fraction] | None = None
        self._broken = ""
        """The film at which the browser broke down last."""
        self.left = deque(spec.films)
        self.size = spec.size

    async def draw_some(self, workspace: Path) -> None:
        """Draws films in one browser, until one of them fails or time is up."""
        spec = self._spec
        opened = open_browser(spec.source, self.size, spec.capture, workspace, network=spec.network, shared=True)
        async with opened as browser:
            sound = True
            while self.left and sound:
                before = len(spec.films) - len(self.left)
                outcome = await self._outcome(browser, self.left[0], _part(self._progress, before, len(spec.films)))
                self._end(outcome)
                sound = outcome.failure is None

    def broke_down(self, error: HeliosError) -> None:
        """The film that was being drawn is drawn once more; if that was so already, it can't be drawn fast."""
        film = self.left[0].name
        if self._broken == film:
            self._end(FilmOutcome(failure=_failure(broken(error))))
        self._broken = film

    def _end(self, outcome: FilmOutcome) -> None:
        film = self.left.popleft()
        _write(outcome, self._folder / f"{film.name}.json")
        self._done(film.name)
        if time.monotonic() > self._until:
            self.left.clear()

    async def _outcome(self, browser: Browser, film: Film, progress: Progress) -> FilmOutcome:
        try:
            return FilmOutcome(report=await self._draw(browser, film, progress))
        except _OF_FILMS as error:
            await browser.check()
            return FilmOutcome(failure=_failure(error))

    async def _draw(self, browser: Browser, film: Film, progress: Progress) -> ChunkReport:
        begun = time.monotonic()
        page, composition = await self._load(browser, film)
        self._check(composition)
        spec = self._spec
        whole = ChunkSpec(
            composition=composition,
            start=0,
            stop=composition.frames,
            encoding=spec.encoding,
            encoder_threads=spec.encoder_threads,
            browser=spec.browser,
            renderer=spec.renderer,
            capture=spec.capture,
            motion="step",  # from its first frame on, all are the same
        )
        report = await draw_on(page, whole, self._folder / film.name, progress, begun, index_first=True)
        await browser.close(page)
        return report

    async def _load(self, browser: Browser, film: Film) -> tuple[Page, Composition]:
        """The page, at the size that it declares."""
        spec = self._spec
        for _ in range(2):
            page = await browser.open(
                self.size,
                spec.capture,
                props=film.props,
                ready_timeout=spec.ready_timeout,
                alpha=spec.alpha,
                afresh=True,
            )
            composition = compose(
                spec.source,
                spec.declared.over(await page.declared()),
                props=film.props,
                ready_timeout=spec.ready_timeout,
                network=spec.network,
                alpha=spec.alpha,
            )
            if (composition.width, composition.height) == self.size:
                return page, composition
            self.size = composition.width, composition.height
            await browser.close(page)
        raise PageError("the page declares another size each time that it is loaded")

    def _check(self, film: Composition) -> None:
        from helios.renderer.codec import check_encoding

        kind = film.width, film.height, film.fps
        if kind != self._checked:
            check_encoding(self._spec.encoding, film)
            self._checked = kind


def _part(progress: Progress, before: int, films: int) -> Progress:
    """The progress of one film, as a part of that of all."""
    return lambda done, total: progress(_SHARE * before + _SHARE * done // total, _SHARE * films)


def _failure(error: HeliosError) -> FilmFailure:
    return FilmFailure(code=error.code, message=str(error))


def _write(outcome: FilmOutcome, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_text(outcome.model_dump_json(), "utf-8")
    part.replace(path)
