"""A running browser and the pages that it opens."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from helios.composition import Network, PageSettings, Source
from helios.errors import BrowserError, CaptureUnsafe, HeliosError, OutputError, PageError
from helios.renderer.browser.devtools import Connection, Params, ResponseTimeout
from helios.renderer.browser.launch import run_browser
from helios.renderer.browser.page import ASK, Page, parse_origin
from helios.renderer.browser.processes import Processes
from helios.renderer.browser.proxy import EgressProxy
from helios.renderer.browser.ring import Ring, ring_folder
from helios.renderer.browser.scripts import clock_script
from helios.renderer.browser.server import HOST, ORIGIN, Used, serve
from helios.renderer.messages import FAST, CaptureMethod

_TRANSPARENT: Params = {"color": {"r": 0, "g": 0, "b": 0, "a": 0}}
_STORAGE_TYPES = "local_storage,indexeddb,cache_storage,service_workers,file_systems,storage_buckets"
"""Data that a page can store, beside cookies. (Clearing "all" takes 60 ms more, for data that no page can read.)"""
_MIN_FREE_DISK = 1 << 20  # bytes; with less, a browser fails in many ways


class Browser:
    """A running browser for pages of one source."""

    def __init__(
        self,
        connection: Connection,
        processes: Processes,
        source: Source,
        files: Path | None,
        used: Used,
        network: Network,
    ) -> None:
        self._used = used
        self._network = network
        self._pages: list[Page] = []
        self._connection = connection
        self._processes = processes
        self._source = source
        self._files = files

    async def open(
        self,
        size: tuple[int, int],
        capture: CaptureMethod,
        settings: PageSettings,
        *,
        fresh: bool = False,
    ) -> Page:
        """Loads the page into a new target. ``fresh`` first deletes everything that earlier pages have stored.

        Raises:
            PageError: the page can't be loaded, its script throws, or it does not become ready.
            CaptureUnsafe: it can't be drawn on the stage.
        """
        staged = capture in FAST
        target: Params = {"url": "about:blank", "width": size[0], "height": size[1]}
        if capture != "screenshot":
            target["enableBeginFrameControl"] = True
        created = await self._connection.call("Target.createTarget", target)
        answer = await self._connection.call(
            "Target.attachToTarget", {"targetId": created["targetId"], "flatten": True}
        )
        browser = (await self._connection.call("Browser.getVersion"))["product"]
        ring = Ring(self._files, size, alpha=settings.alpha) if staged and self._files else None
        page = Page(
            self._connection,
            answer["sessionId"],
            browser,
            settings,
            capture,
            ring,
            self._used,
            self._processes,
        )
        self._pages.append(page)
        if fresh:
            self._used.clear()
            await self._clear_storage(page)
        script = clock_script(
            props=settings.props,
            manual=capture == "screenshot",
            staged=staged,
            origin=ORIGIN if self._source.root else None,
            captions=settings.captions,
        )
        await asyncio.gather(
            page.call("Page.enable"),
            page.call("Runtime.enable"),
            page.call("Network.enable"),
            page.call("Page.addScriptToEvaluateOnNewDocument", {"source": script}),
            page.call("Runtime.addBinding", {"name": ASK}),
            *([page.call("Emulation.setDeviceMetricsOverride", _metrics(size))] if capture == "screenshot" else []),
            *([page.call("Runtime.addBinding", {"name": "heliosStage"})] if staged else []),
            *([page.call("Emulation.setDefaultBackgroundColorOverride", _TRANSPARENT)] if settings.alpha else []),
        )
        await page.load(self._source.url(ORIGIN))
        return page

    async def close(self, page: Page) -> None:
        """Closes a page and forgets it."""
        await page.close()
        self._pages.remove(page)

    async def check(self) -> None:
        """Checks that the browser is intact, so that an error is the page's own.

        Raises:
            BrowserError: it has lost a process.
        """
        await self._processes.check()

    async def _clear_storage(self, page: Page) -> None:
        """Deletes the data that earlier pages have stored."""
        origin = parse_origin(self._source.url(ORIGIN))
        await page.call("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": _STORAGE_TYPES})
        await page.call("Network.clearBrowserCookies")

    def warn_refused(self, host: str) -> None:
        """Warns that the proxy refused a connection to ``host``."""
        for page in self._pages:
            page.warn(f"{host} was blocked: the page's network access is {self._network} (--network)")


@asynccontextmanager
async def open_browser(
    source: Source,
    size: tuple[int, int],
    capture: CaptureMethod,
    workspace: Path,
    *,
    network: Network = "all",
    rings: int = 1,
    shared: bool = False,
) -> AsyncGenerator[Browser]:
    """Runs a browser for the page of ``source``, and a server for its folder, for the duration of the block.

    ``workspace`` is a folder for the browser's files. With a fast ``capture`` it can open ``rings`` staged pages at the
    same time, and any number of others. ``shared``: one process draws all pages, because starting one takes longer
    than loading a page.

    If one of its processes has died, the block fails with a BrowserError, even if it succeeded otherwise.

    Raises:
        MissingTool: there is no browser.
        OutputError: the disk is full.
        BrowserError: the browser does not start, or has lost a process.
    """
    profile = workspace / "browser"
    used: Used = {}
    async with AsyncExitStack() as stack:
        flags = [f"--window-size={size[0]},{size[1]}"]
        if shared:
            flags.append("--renderer-process-limit=1")
        own: tuple[str, int, int] | None = None
        if source.root:
            own = (HOST, 80, stack.enter_context(serve(source.root, used)))
        elif capture in FAST:  # the stage needs a secure context
            flags.append(f"--unsafely-treat-insecure-origin-as-secure={source.entry}")
        files = stack.enter_context(ring_folder(profile, size, rings)) if capture in FAST else None
        browsers: list[Browser] = []
        if network != "all" or os.environ.get("HELIOS_WORKER"):
            proxy = EgressProxy(network, own, lambda host: browsers[0].warn_refused(host))
            flags += await stack.enter_async_context(proxy.listening())
        elif own:
            flags.append(f"--host-resolver-rules=MAP {HOST}:80 127.0.0.1:{own[2]}")
        try:
            async with run_browser(profile, capture, flags=flags) as (connection, processes):
                await connection.call("Target.setDiscoverTargets", {"discover": True})  # reports crashes
                browsers.append(Browser(connection, processes, source, files, used, network))
                try:
                    yield browsers[0]
                except HeliosError as error:
                    if not isinstance(error, ResponseTimeout):
                        await processes.check()
                    raise
                await processes.check()
        except (BrowserError, CaptureUnsafe, PageError) as error:
            if shutil.disk_usage(workspace).free < _MIN_FREE_DISK:
                raise OutputError(f"the disk is full: the browser has no room in {workspace}") from error
            raise


@asynccontextmanager
async def open_page(
    source: Source,
    size: tuple[int, int],
    capture: CaptureMethod,
    workspace: Path,
    settings: PageSettings = PageSettings(),  # noqa: B008 (frozen)
) -> AsyncGenerator[Page]:
    """Opens the page of ``source`` in a browser of its own, for the duration of the block.

    Raises:
        HeliosError: as ``open_browser`` and ``Browser.open``.
    """
    async with open_browser(source, size, capture, workspace, network=settings.network) as browser:
        yield await browser.open(size, capture, settings)


def _metrics(size: tuple[int, int]) -> Params:
    return {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
