"""The browser starts wherever it is started from."""

import asyncio
import os
from pathlib import Path

import pytest

from helios.renderer.browser.launch import run_browser


@pytest.mark.parametrize("lowest", range(56, 64))
def test_it_starts_whatever_numbers_its_pipes_get(lowest: int, tmp_path: Path) -> None:
    async def version() -> str:
        async with run_browser(tmp_path / "profile", "begin-frame") as (connection, _):
            return (await connection.call("Browser.getVersion"))["product"]

    held: list[int] = []
    try:
        while not held or held[-1] < lowest:
            held.append(os.open(os.devnull, os.O_RDONLY))
        assert "/" in asyncio.run(version())
    finally:
        for descriptor in held:
            os.close(descriptor)
