"""Segments into what was asked for, checked."""

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
    """Who makes such a file of segments, with ffmpeg, run through ``adapter``. ``first`` is the first frame's number.

    Raises:
        UsageError: there is no such kind of file.
        MissingTool: there is no ffmpeg.
    """
    match parse_format(output).kind:
        case "video":
            return FfmpegStitcher(adapter)
        case "animation":
            return AnimationStitcher(adapter)
        case "images":
            return ImageSequenceStitcher(adapter, first)
