"""Finds ffmpeg."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from helios.errors import MissingTool

HINT = "apt-get install ffmpeg, or pip install imageio-ffmpeg, or set HELIOS_FFMPEG to its path"


def find_ffmpeg() -> Path:
    """Returns the path of ffmpeg: ``$HELIOS_FFMPEG``, else the one on PATH, else the one in the imageio-ffmpeg package.

    Raises:
        MissingTool: none of them exists.
    """
    if named := os.environ.get("HELIOS_FFMPEG"):
        path = shutil.which(named)
        if path is None:
            raise MissingTool(f"HELIOS_FFMPEG is {named}, which is not an executable on this machine: {HINT}")
        return Path(path).absolute()
    if path := shutil.which("ffmpeg"):
        return Path(path).absolute()
    try:
        import imageio_ffmpeg  # pyright: ignore[reportMissingTypeStubs]

        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise MissingTool(f"ffmpeg was not found: {HINT}") from None
