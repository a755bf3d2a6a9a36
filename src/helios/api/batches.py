"""Many videos of one page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Unpack, cast

from helios.adapters import LocalWorkerAdapter, open_adapter
from helios.api.options import BatchOptions, RenderOptions, check_rate, check_text, make_request
from helios.api.targets import is_remote, resolve_targets, with_workers
from helios.audio import supports_audio
from helios.batches import (
    BatchRun,
    BatchSink,
    VideoResult,
    batch_state,
    create_folders,
    format_for,
    name_videos,
    plan_batch,
    read_rows,
)
from helios.errors import UsageError
from helios.jobs.journal import Journal
from helios.orchestrator import RenderOrchestrator, WorkerPool
from helios.orchestrator.retry import RetryPolicy
from helios.orchestrator.workers import JobContext
from helios.stitcher import create_stitcher
from helios.storage import ArtifactStore


async def batch(
    template: str | PathLike[str],
    rows: str | PathLike[str] | Sequence[Mapping[str, Any]],
    output: str,
    *,
    on_event: BatchSink = lambda event: None,
    **options: Unpack[BatchOptions],
) -> tuple[VideoResult, ...]:
    """Makes a video of a page for each row: of a .csv or .jsonl file, or as given. A row is its page's props.

    ``output`` names the videos by columns, as in "out/{id}.mp4"; folders are created. A row that fails fails alone.
    What is made is kept: the same batch goes on where it was stopped, and draws nothing that it has drawn before.

    Returns what became of each row. See docs/batch.md.

    Raises:
        HeliosError: what keeps any video from being made.
    """
    wanted = cast("RenderOptions", options)
    if options.get("attempts", 4) < 1:
        raise UsageError(f"a video must be tried at least once, not {options.get('attempts')} times")
    data = read_rows(Path(rows)) if isinstance(rows, str | PathLike) else rows
    check_text({"input": str(template), "output": output, **options})
    check_text({f"row {number}": row for number, row in enumerate(data, 1)})
    videos = name_videos(output, data, options.get("props"))
    targets, url = await resolve_targets(wanted)
    form = format_for(videos)
    request = replace(
        make_request(template, wanted, form, fleet=is_remote(targets)), listen=supports_audio(form.suffix)
    )
    create_folders(videos)
    stitcher = create_stitcher(videos[0].output, LocalWorkerAdapter())
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(closing(Journal()))
        name = (str(request.source), str(Path(output).absolute()), url or "")
        state = stack.enter_context(batch_state(journal.folder, name, prunes=url is None))
        adapters = [await stack.enter_async_context(open_adapter(place)) for place in targets]
        looks = RenderOrchestrator(next((one for one in adapters if one.store), adapters[0]), stitcher)
        plan = await plan_batch(looks, request, videos)
        check_rate(form, plan.template.composition.fps)
        pools = [
            WorkerPool(target.kind, adapter, target.workers)
            for adapter, target in zip(adapters, with_workers(targets, plan.workers), strict=True)
        ]
        store = ArtifactStore.at(url or journal.folder / "artifacts")
        retry = RetryPolicy(maximum_attempts=options.get("attempts", 4))
        job = JobContext(state.job, pools, store, retry, fresh=options.get("fresh", False))
        results = await BatchRun(job, plan, stitcher, state.folder, on_event).run()
        state.done = all(result.outcome != "failed" for result in results)
        return results


def batch_sync(
    template: str | PathLike[str],
    rows: str | PathLike[str] | Sequence[Mapping[str, Any]],
    output: str,
    *,
    on_event: BatchSink = lambda event: None,
    **options: Unpack[BatchOptions],
) -> tuple[VideoResult, ...]:
    """``batch`` for callers without an event loop."""
    return asyncio.run(batch(template, rows, output, on_event=on_event, **options))
