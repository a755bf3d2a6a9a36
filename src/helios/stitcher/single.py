"""A segment that is a video of its own: nothing is to be joined."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from helios.errors import StitchError, unwritable
from helios.output import beside, place
from helios.stitcher.segment import read_segment

_ENDINGS = frozenset({".mp4", ".mov"})
_RETAGGED = "hevc"
"""What a join gives another name, which players want."""


def place_video(segment: Path, output: Path) -> bool:
    """Copies a segment to ``output``, which appears whole or not at all, unless it is there already. It blocks.

    It is read from end to end before: its frames must stand at equal distances from 0 on. Returns False, and does
    nothing, where a join would make another file of it.

    Raises:
        StitchError: the segment is broken.
        OutputError: the output can't be written.
    """
    if segment.suffix not in _ENDINGS or output.suffix.lower() != segment.suffix:
        return False
    video = read_segment(segment)
    if video.format.codec == _RETAGGED:
        return False
    frame = video.duration / len(video.times)
    if video.times != tuple(k * frame for k in range(len(video.times))):
        raise StitchError(f"the frames of {segment} don't stand at equal distances")
    try:
        if output.is_file() and filecmp.cmp(segment, output, shallow=False):
            return True
        with beside(output) as folder:
            copy = folder / f"video{segment.suffix}"
            shutil.copyfile(segment, copy)
            if not filecmp.cmp(segment, copy, shallow=False):
                raise StitchError(f"the copy of {segment} is another than what was copied")
            place(copy, output)
    except OSError as error:
        raise unwritable(output, error) from error
    return True
