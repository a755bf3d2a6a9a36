"""What a worker finds out about a page before its video is planned, and single frames of it."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import get_args

from helios.adapters import WorkerAdapter
from helios.composition import Declared, Network
from helios.errors import CaptureUnsafe, UsageError
from helios.orchestrator.dispatch import make_dispatcher, query_renderer
from helios.orchestrator.fallback import with_advice
from helios.orchestrator.plan import RenderRequest
from helios.output import beside, check_output, place
from helios.renderer.messages import FAST, CaptureChoice, Probe, ProbeSpec, StillSpec


async def probe_video(adapter: WorkerAdapter, request: RenderRequest) -> Probe:
    """Loads the page of ``request`` once, and returns its properties and how it can be captured.

    Raises:
        UsageError: the page can't be captured or encoded as requested.
        MissingTool, PageError: the page can't be rendered.
    """
    if request.workers is not None and request.workers < 1:
        raise UsageError(f"there must be at least 1 worker, not {request.workers}")
    if request.capture not in get_args(CaptureChoice):
        raise UsageError(f"capture is auto, fast or faithful, not {request.capture!r}")
    _check_network(request)
    spec = ProbeSpec(
        source=request.source,
        declared=request.declared,
        encoding=request.encoding,
        capture=request.capture,
        page=request.page,
        listen=request.listen,
    )
    probe = await _probe(adapter, spec)
    if request.capture == "fast" and probe.capture not in FAST:
        raise UsageError(f"{probe.browser} has no begin-frame control, which fast capture needs: --capture faithful")
    if request.encoding.encoder == "browser" and probe.capture not in FAST:
        why = f" ({probe.comparison.reason})" if probe.comparison else ""
        raise UsageError(
            f"the browser only encodes with fast capture, which this page can't use{why}: --encoder ffmpeg"
        )
    return probe


async def render_still(adapter: WorkerAdapter, request: RenderRequest, frame: int, output: Path) -> None:
    """Renders one frame into a PNG or JPEG. A page without a length has ``frame`` as its last.

    Raises:
        UsageError: there is no such frame, or no such image format.
        MissingTool, PageError, OutputError: it can't be rendered or written.
    """
    name = f"still{output.suffix.lower()}"
    if name not in ("still.png", "still.jpg", "still.jpeg"):
        raise UsageError(f"{output.name}: a still is a .png or a .jpg")
    if request.alpha and name != "still.png":
        raise UsageError(f"{output.name}: only a .png holds transparency")
    check_output(output)
    _check_network(request)
    probe = await _probe(
        adapter,
        ProbeSpec(
            source=request.source,
            declared=request.declared,
            fallback=Declared(frames=max(0, frame) + 1),
            page=request.page,
        ),
    )
    if not 0 <= frame < probe.composition.frames:
        raise UsageError(f"there is no frame {frame}: the video has frames 0 to {probe.composition.frames - 1}")
    spec = StillSpec(composition=probe.composition, frame=frame, capture=probe.capture, motion=probe.motion)
    with beside(output) as folder:
        image = folder / name
        dispatcher = make_dispatcher(adapter, request.source.root)
        image.write_bytes(await query_renderer(dispatcher, "still", spec, folder / "still", name))
        await asyncio.to_thread(place, image, output)


async def _probe(adapter: WorkerAdapter, spec: ProbeSpec) -> Probe:
    with tempfile.TemporaryDirectory(prefix="helios-", ignore_cleanup_errors=True) as folder:
        dispatcher = make_dispatcher(adapter, spec.source.root)
        try:
            answer = await query_renderer(dispatcher, "probe", spec, Path(folder), "probe.json")
        except CaptureUnsafe as error:
            raise with_advice(error, spec.encoding.encoder if spec.encoding else "ffmpeg") from error
    probe = Probe.model_validate_json(answer)
    composition = probe.composition.model_copy(update={"source": spec.source})
    return probe.model_copy(update={"composition": composition})


def _check_network(request: RenderRequest) -> None:
    if request.reach not in get_args(Network):
        raise UsageError(f"network is none, public or all, not {request.reach!r}")
    if request.reach == "none" and request.source.root is None:
        raise UsageError(f"{request.source.entry} needs the network: --network public")
