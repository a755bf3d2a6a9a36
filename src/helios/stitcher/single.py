"""Copies a segment that is a complete video: no join is needed."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from helios.errors import StitchError, unwritable
from helios.output import beside, place
from helios.stitcher.segment import read_segment

_SUFFIXES = frozenset({".mp4", ".mov"})
_RETAGGED = "hevc"
"""The codec whose tag a join changes to the one that players expect."""


def place_video(segment: Path, output: Path) -> bool:
    """Copies a segment to ``output``, which appears complete or not at all, unless an equal file exists. It blocks.

    The segment is first read from end to end: its frames must start at 0 and be evenly spaced. Returns False, and
    copies nothing, if a join would write a different file.

    Raises:
        StitchError: the segment is broken.
        OutputError: the output can't be written.
    """
    if segment.suffix not in _SUFFIXES or output.suffix.lower() != segment.suffix:
        return False
    video = read_segment(segment)
    if video.format.codec == _RETAGGED:
        return False
    frame = video.duration / len(video.times)
    if video.times != tuple(k * frame for k in range(len(video.times))):
        raise StitchError(f"the frames of {segment} are not evenly spaced from 0")
    try:
        if output.is_file() and filecmp.cmp(segment, output, shallow=False):
            return True
        with beside(output) as folder:
            copy = folder / f"video{segment.suffix}"
            shutil.copyfile(segment, copy)
            if not filecmp.cmp(segment, copy, shallow=False):
                raise StitchError(f"the copy of {segment} differs from the original")
            place(copy, output)
    except OSError as error:
        raise unwritable(output, error) from error
    return True
