"""Prints the results."""

from __future__ import annotations

import os
import platform

from rich.box import ASCII_DOUBLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.compare import Row
from benchmarks.contenders import FLOORS

_HEADINGS = ("wall s", "±%", "x Helios", "CPU s", "machine s", "peak MB", "frames", "video MB", "PSNR dB")


def machine(browser: str) -> str:
    """Returns one line about the machine."""
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, load {load:.1f} before the first run, {browser}"


def show(rows: list[Row], cores: int) -> None:
    """Prints one table of all scenes, and the ratio of Helios to each scene's lower bound."""
    console = Console(width=130, soft_wrap=True)
    table = Table(box=ASCII_DOUBLE_HEAD)
    table.add_column("scene")
    table.add_column("who")
    for heading in _HEADINGS:
        table.add_column(heading, justify="right")
    scene = rows[0].scene if rows else ""
    for row in rows:
        if row.scene != scene:
            table.add_section()
            scene = row.scene
        table.add_row(row.scene, row.name, *cells(row, rows))
    console.print(table)
    for row in rows:
        if row.failure:
            console.print(f"{row.scene}, {row.name}: {row.failure}", markup=False)
    for scene in dict.fromkeys(row.scene for row in rows):
        if line := floor([row for row in rows if row.scene == scene], cores):
            console.print(line, markup=False, highlight=False)


def floor(rows: list[Row], cores: int) -> str | None:
    """Returns a line with the lower bound for the scene of ``rows``, or None if parts of it were not measured.

    The bound is the time of drawing alone, or the CPU time of drawing and encoding shared by all cores, if longer.
    """
    usages = {row.name.partition(",")[0]: row.median() for row in reversed(rows)}
    helios = rows[0].median()
    drawing, encoding = (usages.get(name) for name in FLOORS.values())
    if not (helios and drawing and encoding):
        return None
    shared = (drawing.cpu + encoding.cpu) / cores
    seconds = max(drawing.wall, shared)
    return (
        f"{rows[0].scene}: floor {seconds:.2f} s (drawing alone {drawing.wall:.2f} s; its and encoding alone's CPU "
        f"on {cores} cores {shared:.2f} s); {rows[0].name} takes {helios.wall / seconds:.2f} times that"
    )


def cells(row: Row, rows: list[Row]) -> list[str]:
    """Returns the figures of a row as text, relative to the first row of the scene."""
    usage = row.median()
    if row.failure or not usage:
        return ["failed", *[""] * (len(_HEADINGS) - 1)]
    base = next(other for other in rows if other.scene == row.scene).median()
    return [
        f"{usage.wall:.2f}",
        f"{row.spread() * 50:.0f}",
        f"{usage.wall / base.wall:.2f}" if base else "",
        f"{usage.cpu:.1f}",
        f"{usage.busy:.1f}" if usage.busy == usage.busy else "-",
        f"{usage.peak_mb:.0f}",
        "-" if row.frames is None else str(row.frames),
        "-" if row.megabytes is None else f"{row.megabytes:.1f}",
        "-" if row.likeness is None else f"{row.likeness:.1f}",
    ]
