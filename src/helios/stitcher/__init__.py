"""Segments into one checked film."""

from helios.stitcher.base import VideoStitcher
from helios.stitcher.ffmpeg import FfmpegStitcher

__all__ = ["FfmpegStitcher", "VideoStitcher"]
