"""The scripts that Helios injects into pages, from the files of clock/ and stage/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files

from helios.composition import Cue
from helios.renderer.browser.devtools import Params

EPOCH_MS = 1_767_225_600_000
"""The value of ``Date.now()`` at frame 0: 2026-01-01T00:00:00Z in every render, so that renders are repeatable."""
SEED = 0x48454C49

CLOCK = "window[Symbol.for('helios.clock')]"
STAGE = "window[Symbol.for('helios.stage')]"
STAGE_PATH = "/.helios/stage"
"""The path of the stage at the page's own origin, which gives it access to the page's frame."""


def clock_script(*, props: object, manual: bool, staged: bool, origin: str | None, captions: Sequence[Cue] = ()) -> str:
    """Returns the files of clock/ as one function with a ``config``. ``origin`` is that of the page's folder."""
    parts = sorted(
        files("helios.renderer").joinpath("clock").iterdir(), key=lambda part: (part.name == "main.js", part.name)
    )
    source = "\n".join(part.read_text("utf-8") for part in parts)
    config = {"epoch": EPOCH_MS, "seed": SEED, "props": props, "manual": manual, "staged": staged, "origin": origin}
    config["captions"] = [(cue.start_ms, cue.end_ms, cue.text) for cue in captions]
    return _closure(source, config)


def stage_document(url: str, size: tuple[int, int], *, direct: bool, alpha: bool) -> str:
    """Returns the document that holds the page of ``url`` in a canvas, on white or, with ``alpha``, transparent.

    ``direct``: the stage may read the page's own canvas.
    """
    folder = files("helios.renderer").joinpath("stage")
    writer = folder.joinpath("writer.js").read_text("utf-8")
    parts = ("plain_canvas.js", "unsupported.js", "stage.js")
    source = "\n".join(folder.joinpath(part).read_text("utf-8") for part in parts)
    config = {"url": url, "width": size[0], "height": size[1], "direct": direct, "alpha": alpha, "writer": writer}
    script = _closure(source, config)
    behind = "#fff0" if alpha else "#fff"
    style = f"html,body{{margin:0;overflow:hidden}}canvas,iframe{{display:block;border:0}}iframe{{background:{behind}}}"
    style += f"iframe.repaint{{background:linear-gradient({behind},{behind})0 0/1px 1px no-repeat {behind}}}"
    return f"<!doctype html><meta charset=utf-8><style>{style}</style><body><script>{script}</script>"


def _closure(source: str, config: Params) -> str:
    values = json.dumps(config).replace("</", "<\\/")  # a string must not close the script element
    return f"((config) => {{\n{source}\n}})({values});"
