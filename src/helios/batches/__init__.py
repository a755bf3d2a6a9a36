"""Many videos of one page, a row of data each: rows, their videos' names, the groups in which they are drawn."""

from helios.batches.events import (
    BatchEvent,
    BatchFinished,
    BatchPlanned,
    BatchSink,
    VideoCached,
    VideoFailed,
    VideoRendered,
    VideoResult,
)
from helios.batches.names import format_for, make_room, name_videos
from helios.batches.plan import BatchPlan, plan_batch
from helios.batches.rows import Row, read_rows
from helios.batches.run import BatchRun
from helios.batches.state import batch_state

__all__ = [
    "BatchEvent",
    "BatchFinished",
    "BatchPlan",
    "BatchPlanned",
    "BatchRun",
    "BatchSink",
    "Row",
    "VideoCached",
    "VideoFailed",
    "VideoRendered",
    "VideoResult",
    "batch_state",
    "format_for",
    "make_room",
    "name_videos",
    "plan_batch",
    "read_rows",
]
