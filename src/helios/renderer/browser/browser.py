"""A browser that runs, and the pages that it opens."""

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

_NOTHING: Params = {"color": {"r": 0, "g": 0, "b": 0, "a": 0}}
_LEFT = "local_storage,indexeddb,cache_storage,service_workers,file_systems,storage_buckets"
"""What a page can leave behind, beside cookies. (To clear "all" takes 60 ms more, for what no page can read.)"""
_LEAST = 1 << 20  # bytes on its disk without which a browser breaks in many ways


class Browser:
    """A browser that runs, and can be given pages of one source."""

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
        afresh: bool = False,
    ) -> Page:
        """The page, loaded into a target of its own. ``afresh``: as if it were the browser's first.

        Raises:
            PageError: it can't be loaded, its script throws, or it does not become ready.
            CaptureUnsafe: it can't be put on the stage.
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
        if afresh:
            self._used.clear()
            await self._forget(page)
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
            *([page.call("Emulation.setDefaultBackgroundColorOverride", _NOTHING)] if settings.alpha else []),
        )
        await page.load(self._source.url(ORIGIN))
        return page

    async def close(self, page: Page) -> None:
        """Lets go of a page, and of what is kept for it."""
        await page.close()
        self._pages.remove(page)

    async def check(self) -> None:
        """Makes sure that the browser is as it was started, so that what went wrong is the page's own fault.

        Raises:
            BrowserError: it has lost one of its processes.
        """
        await self._processes.check()

    async def _forget(self, page: Page) -> None:
        """Removes what earlier pages have left."""
        origin = parse_origin(self._source.url(ORIGIN))
        await page.call("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": _LEFT})
        await page.call("Network.clearBrowserCookies")

    def refused(self, host: str) -> None:
        """A page has asked for what it may not reach."""
        for page in self._pages:
            page.warn(f"{host} was not reached: the page may reach {self._network} of the network (--network)")


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
    """A browser for the page of ``source``, and the server of its folder, for as long as the block runs.

    ``workspace`` is a folder that the browser may fill. One for the stage can open ``rings`` pages on it at once, and
    any number without it. ``shared``: one process draws all pages, for to start one costs more than to load a page.

    Where one of its processes has died, the block ends with a BrowserError, whatever came of it.

    Raises:
        MissingTool: there is no browser.
        OutputError: it breaks because the disk is full.
        BrowserError: it does not start.
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
        elif capture in FAST:  # which needs what only secure contexts have
            flags.append(f"--unsafely-treat-insecure-origin-as-secure={source.entry}")
        files = stack.enter_context(ring_folder(profile, size, rings)) if capture in FAST else None
        told: list[Browser] = []
        if network != "all" or os.environ.get("HELIOS_WORKER"):
            guard = EgressProxy(network, own, lambda host: told[0].refused(host))
            flags += await stack.enter_async_context(guard.listening())
        elif own:
            flags.append(f"--host-resolver-rules=MAP {HOST}:80 127.0.0.1:{own[2]}")
        try:
            async with run_browser(profile, capture, flags=flags) as (connection, processes):
                await connection.call("Target.setDiscoverTargets", {"discover": True})  # tells of crashes
                told.append(Browser(connection, processes, source, files, used, network))
                try:
                    yield told[0]
                except HeliosError as error:
                    if not isinstance(error, ResponseTimeout):
                        await processes.check()
                    raise
                await processes.check()
        except (BrowserError, CaptureUnsafe, PageError) as error:
            if shutil.disk_usage(workspace).free < _LEAST:
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
    """The page of ``source`` in a browser of its own, for as long as the block runs.

    Raises:
        as ``open_browser`` and ``Browser.open``.
    """
    async with open_browser(source, size, capture, workspace, network=settings.network) as browser:
        yield await browser.open(size, capture, settings)


def _metrics(size: tuple[int, int]) -> Params:
    return {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
