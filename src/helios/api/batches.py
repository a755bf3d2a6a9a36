"""The verbs for a batch: a video of one page for each row of data."""

# pyright: reportTypedDictNotRequiredAccess=false
# ``complete`` adds the defaults of the options that the caller leaves out.

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

from helios.adapters import LocalWorkerAdapter, open_adapter
from helios.api.options import BatchOptions, check_rate, check_text, complete, make_request
from helios.api.targets import is_remote, resolve_targets, with_workers
from helios.api.verb import documented, verb
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
from helios.threads import run_sync


@verb
async def batch(
    template: str | PathLike[str],
    rows: str | PathLike[str] | Sequence[Mapping[str, Any]],
    output: str,
    *,
    on_event: BatchSink | None = None,
    **options: Unpack[BatchOptions],
) -> tuple[VideoResult, ...]:
    """Renders a video of a page for each row of data, and returns the result of each row.

    ``rows`` are mappings, or a .csv or .jsonl file. A row is the props of its video. ``output`` is a pattern with
    columns, such as "out/{id}.mp4"; missing folders are created. A row that fails does not stop the others. Finished
    videos are stored: the same batch continues where it was stopped. ``on_event`` is called with each event, in this
    event loop. See docs/batch.md.

    Raises:
        HeliosError: no video can be rendered.
    """
    chosen = complete(options)
    if chosen["attempts"] < 1:
        raise UsageError(f"attempts must be 1 or more, not {chosen['attempts']}")
    data = read_rows(Path(rows)) if isinstance(rows, str | PathLike) else rows
    check_text({"input": str(template), "output": output, **options})
    check_text({f"row {number}": row for number, row in enumerate(data, 1)})
    videos = name_videos(output, data, chosen["props"])
    targets, url = await resolve_targets(chosen)
    form = format_for(videos)
    request = replace(
        make_request(template, chosen, form, fleet=is_remote(targets)), listen=supports_audio(form.suffix)
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
        retry = RetryPolicy(maximum_attempts=chosen["attempts"])
        job = JobContext(state.job, pools, store, retry, fresh=chosen["fresh"])
        results = await BatchRun(job, plan, stitcher, state.folder, on_event or (lambda event: None)).run()
        state.done = all(result.outcome != "failed" for result in results)
        return results


@documented
def batch_sync(
    template: str | PathLike[str],
    rows: str | PathLike[str] | Sequence[Mapping[str, Any]],
    output: str,
    *,
    on_event: BatchSink | None = None,
    **options: Unpack[BatchOptions],
) -> tuple[VideoResult, ...]:
    """Like ``batch``, for synchronous code, in any thread.

    Where an event loop is running (in a notebook), it blocks that loop, and calls ``on_event`` in another thread.

    Raises:
        HeliosError: no video can be rendered.
    """
    return run_sync(lambda: batch(template, rows, output, on_event=on_event, **options))
