"""Many videos of one page, one for each row of data."""

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
from helios.batches.names import create_folders, format_for, name_videos
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
    "create_folders",
    "format_for",
    "name_videos",
    "plan_batch",
    "read_rows",
]
