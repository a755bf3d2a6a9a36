"""Finding ffmpeg."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from helios.errors import MissingTool

HINT = "apt-get install ffmpeg, or pip install imageio-ffmpeg, or set HELIOS_FFMPEG to its path"


def find_ffmpeg() -> Path:
    """The ffmpeg to join with: ``$HELIOS_FFMPEG``, else the one on PATH, else the one in imageio-ffmpeg's wheel.

    Raises:
        MissingTool: there is none.
    """
    if named := os.environ.get("HELIOS_FFMPEG"):
        path = shutil.which(named)
        if path is None:
            raise MissingTool(f"HELIOS_FFMPEG is {named}, which is no program on this machine. Mend it: {HINT}")
        return Path(path).absolute()
    if path := shutil.which("ffmpeg"):
        return Path(path).absolute()
    try:
        import imageio_ffmpeg  # pyright: ignore[reportMissingTypeStubs]

        return Path(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise MissingTool(f"no ffmpeg was found. Install it: {HINT}") from None
