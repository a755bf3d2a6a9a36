"""Writes what documents say of the code: docs/cli.md, from the commands' own help, and docs/job.schema.json.

With --check it only says whether they are up to date.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from inspect import formatannotation
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

import helios
from helios.api.option import declared_options
from helios.cli import app
from helios.jobs import JobSpec

DOCS = Path(__file__).parent.parent / "docs"
HEAD = """# The `helios` command

<!-- Made by scripts/make_docs.py (`make docs`): change the commands' own help instead. -->

Exit codes: 0 done, 1 failed, 2 asked for something that can't be, 130, 143 and 129 stopped by Ctrl-C, SIGTERM, SIGHUP.
An output appears whole or not at all.
"""
OPTIONS_HEAD = """# Options of the Python functions

<!-- Written by scripts/make_docs.py (`make docs`): change api/options.py instead. -->

All options are keyword arguments. `help(helios.render)` shows the same texts. A misspelt name is refused with the
nearest one, and a value of a wrong type with the expected type. A single value works where a list is expected.
"""
_KINDS = {int: "N", float: "NUMBER", str: "TEXT", Path: "PATH"}


def reference() -> str:
    """The whole of docs/cli.md."""
    return "\n".join([HEAD, *(line for name, command in commands() for line in _section(name, command))])


def commands() -> Iterator[tuple[str, Any]]:
    """Every command by its full name."""
    top: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in top.items():
        inner: dict[str, Any] | None = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            yield from ((f"{name} {sub}", command) for sub, command in inner.items())


def options() -> str:
    """The whole of docs/options.md: one table for each group of options of the Python functions."""
    lines = [OPTIONS_HEAD]
    seen: set[str] = set()
    for heading, kind in (
        ("Pages: still, batch, render", helios.CompositionOptions),
        ("Videos: batch, render", helios.BatchOptions),
        ("render, render_events, submit, create_job and estimate only", helios.RenderOptions),
    ):
        lines += [f"## {heading}\n", "| Option | Type | Meaning |", "| --- | --- | --- |"]
        for name, (hint, option) in declared_options(kind).items():
            if name not in seen:
                shown = re.sub(r"\b[a-z]+\.(?:\w+\.)*", "", formatannotation(get_args(hint)[0])).replace("|", r"\|")
                lines.append(f"| `{name}` | {shown} | {option.help} |")
        lines.append("")
        seen |= declared_options(kind).keys()
    return "\n".join(lines)


def schema() -> str:
    """The JSON Schema of a job spec."""
    return json.dumps(JobSpec.model_json_schema(), indent=1) + "\n"


def _section(name: str, command: Any) -> Iterator[str]:
    arguments = [param for param in command.params if not param.opts[0].startswith("-")]
    options = [param for param in command.params if param.opts[0].startswith("-")]
    yield f"## helios {name}\n"
    yield f"```\n{' '.join(['helios', name, *(param.metavar for param in arguments), '[OPTIONS]'])}\n```\n"
    text, _, examples = inspect.cleandoc(command.help).partition("Example")
    yield f"{text.strip()}\n"
    lines = [line.strip() for line in examples.splitlines()[1:] if line.strip()]
    if lines:
        yield "```sh\n" + "\n".join(lines) + "\n```\n"
    if command.params:
        yield "| | | default |\n| --- | --- | --- |"
        hints = get_type_hints(inspect.unwrap(command.callback))
        yield from (f"| `{param.metavar}` | {param.help} | |" for param in arguments)
        yield from (_option(param, hints[param.name]) for param in options)
        yield ""


def _option(param: Any, hint: Any) -> str:
    kinds = [shown for kind, shown in _KINDS.items() if kind is hint or kind in getattr(hint, "__args__", ())]
    value = "" if param.is_flag else f" {param.metavar or kinds[0]}"
    shown = " ".join(f"`{name}{value}`" for name in param.opts)
    default = "" if param.is_flag or param.default is None else f"`{param.default}`"
    return f"| {shown} | {param.help} | {default} |".replace("N|auto", r"N\|auto")


def main() -> int:
    """Writes or checks the file; returns the exit code."""
    wanted = {DOCS / "cli.md": reference(), DOCS / "job.schema.json": schema(), DOCS / "options.md": options()}
    if "--check" not in sys.argv[1:]:
        for path, text in wanted.items():
            path.write_text(text, "utf-8")
        return 0
    old = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in old:
        sys.stderr.write(f"docs/{path.name} is out of date: run make docs\n")
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
