"""Joins segments into the output file, and checks it."""

from __future__ import annotations

from pathlib import Path

from helios.adapters import WorkerAdapter
from helios.composition import parse_format
from helios.stitcher.animation import AnimationStitcher
from helios.stitcher.base import VideoStitcher
from helios.stitcher.ffmpeg import FfmpegStitcher
from helios.stitcher.image_sequence import ImageSequenceStitcher

__all__ = ["AnimationStitcher", "FfmpegStitcher", "ImageSequenceStitcher", "VideoStitcher", "create_stitcher"]


def create_stitcher(output: Path, adapter: WorkerAdapter, first: int = 0) -> VideoStitcher:
    """Returns the stitcher for ``output``. It runs ffmpeg through ``adapter``; ``first`` is the first frame's number.

    Raises:
        UsageError: the output's format is unknown.
        MissingTool: ffmpeg is not installed.
    """
    match parse_format(output).kind:
        case "video":
            return FfmpegStitcher(adapter)
        case "animation":
            return AnimationStitcher(adapter)
        case "images":
            return ImageSequenceStitcher(adapter, first)
