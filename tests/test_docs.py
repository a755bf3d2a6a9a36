"""The documents say what is so."""

import ast
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import av
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import helios
from helios.batches import BatchEvent
from helios.batches.plan import MAXIMUM_PROBES
from helios.cli import app
from helios.orchestrator.events import RenderEvent, RunFailed

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md")])
COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]
GROUPS = {name for name, command in COMMANDS.items() if "commands" in vars(command)}
EVENTS = [*get_args(RenderEvent), RunFailed]


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a document that are in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    """Every line of a document's shell blocks that calls ``program``, as words."""
    lines = [line for path in DOCUMENTS for block in blocks(path, "sh") for line in block.splitlines()]
    calls = [shlex.split(line, comments=True) for line in lines]
    return [words for words in calls if words[:1] == [program]]


def anchors(path: Path) -> set[str]:
    """What a link into a document may name after #, as GitHub makes it from headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_reference_is_up_to_date() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "make_docs.py"), "--check"]
    checked = subprocess.run(script, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_every_command_is_documented() -> None:
    names = {
        f"{name} {inner}".strip() for name, command in COMMANDS.items() for inner in vars(command).get("commands", [""])
    }
    assert {"render", "still", "stitch", "doctor", "job run", "job resume", "worker exec", "deploy aws"} <= names
    assert set(re.findall(r"^## helios (.+)$", (ROOT / "docs/cli.md").read_text("utf-8"), re.MULTILINE)) == names
    assert names <= {" ".join(call[1 : 2 + (call[1] in GROUPS)]) for call in commands("helios")}


@pytest.mark.parametrize("call", commands("helios"), ids=shlex.join)
def test_a_command_that_a_document_shows_is_understood(
    call: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if call[1] in GROUPS:
        subcommand = vars(COMMANDS[call[1]])["commands"][call[2]]
        assert subcommand.make_context(call[2], call[3:])
        return
    called: list[tuple[Any, ...]] = []

    async def placeholder(*arguments: Any, **options: Any) -> SimpleNamespace:
        called.append((arguments, options))
        return SimpleNamespace(model_dump_json=lambda indent: "{}")

    async def estimate(*arguments: Any, **options: Any) -> list[helios.Estimate]:
        called.append((arguments, options))
        return [helios.Estimate(workers=1, chunks=1, seconds=1.0, cost=0.1)]

    async def batch(*arguments: Any, **options: Any) -> tuple[helios.VideoResult, ...]:
        called.append((arguments, options))
        return (helios.VideoResult(row=1, output=Path("1.mp4"), outcome="rendered", frames=1, seconds=1.0),)

    for verb in ("render", "still", "stitch", "create_job"):
        monkeypatch.setattr(helios, verb, placeholder)
    monkeypatch.setattr(helios, "estimate", estimate)
    monkeypatch.setattr(helios, "batch", batch)
    monkeypatch.chdir(tmp_path)
    Path("props.json").write_text("{}")
    outcome = CliRunner().invoke(app, call[1:])
    assert outcome.exit_code == 0, outcome.output
    assert called


def test_every_event_of_a_batch_is_documented_with_its_fields() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.+) \|$", (ROOT / "docs/batch.md").read_text("utf-8"), re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", cells)) for name, cells in rows}
    events = get_args(BatchEvent)
    assert documented == {event.model_fields["event"].default: {*event.model_fields} - {"event"} for event in events}


def test_make_commands_that_documents_show_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    shown = {target for path in DOCUMENTS for target in re.findall(r"`make (\w+)`", path.read_text("utf-8"))}
    shown |= {words[1] for words in commands("make")}
    assert {"demo", "test"} <= shown <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (path.parent / name) if name else path
        assert linked.exists(), f"{path.name} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{path.name} links to {target}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_that_a_document_shows_uses_what_there_is(path: Path) -> None:
    for block in blocks(path, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "helios":
                assert hasattr(helios, node.attr), f"helios.{node.attr}"


def test_python_that_a_document_shows_is_well_typed(tmp_path: Path) -> None:
    for path in DOCUMENTS:
        for number, block in enumerate(blocks(path, "python")):
            name = re.sub(r"\W", "_", str(path.relative_to(ROOT)))
            (tmp_path / f"{name}_{number}.py").write_text(block)
    settings = {"include": ["."], "extraPaths": [str(ROOT / "src")], "typeCheckingMode": "standard"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    pyright = [sys.executable, "-m", "pyright", "--project", str(tmp_path), "--pythonpath", sys.executable]
    checked = subprocess.run(pyright, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_every_environment_variable_is_documented() -> None:
    read = {name for path in SOURCES for name in re.findall(r"\bHELIOS_[A-Z_]+\b", path.read_text("utf-8"))}
    documented = re.findall(r"^\| `(HELIOS_\w+)` \|", (ROOT / "docs/environment.md").read_text("utf-8"), re.MULTILINE)
    assert set(documented) == read
    assert len(documented) == len(read)


def test_the_website_is_built_without_a_warning(tmp_path: Path) -> None:
    config = (ROOT / "mkdocs.yml").read_text("utf-8").replace("paths: [src]", f"paths: [{ROOT / 'src'}]")
    (tmp_path / "mkdocs.yml").write_text(config)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    zensical = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    built = subprocess.run(zensical, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {path.parent.name for path in (tmp_path / "out/site").glob("*/index.html")}
    assert {path.stem for path in ROOT.glob("docs/*.md")} - {"index"} <= pages
    assert "frame_range" in (tmp_path / "out/site/options/index.html").read_text("utf-8")


def test_every_event_is_documented_with_its_fields() -> None:
    text = (ROOT / "docs/events.md").read_text("utf-8")
    documented: dict[str, set[str]] = {}
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
        documented[section.split("\n", 1)[0]] = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    fields = {event.model_fields["event"].default: {*event.model_fields} - {"event"} for event in EVENTS}
    assert documented == fields


FILES = {path.name for folder in ("src", "tests", "scripts") for path in (ROOT / folder).rglob("*")}
SOURCES = sorted(path for path in (ROOT / "src").rglob("*") if path.suffix in (".py", ".js"))


@pytest.mark.parametrize("path", [*DOCUMENTS, *SOURCES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"\b\w+\.(?:py|js)\b", path.read_text("utf-8")))
    assert named <= FILES


def test_the_rows_that_a_batch_tries_to_plan_with_are_as_many_as_documented() -> None:
    words = ("one", "two", "three", "four", "five")
    assert f"with any of the first {words[MAXIMUM_PROBES - 1]} rows" in (ROOT / "docs/batch.md").read_text("utf-8")


def test_the_page_that_the_readme_shows_has_something_to_see_in_every_frame(tmp_path: Path) -> None:
    (page,) = blocks(ROOT / "README.md", "html")
    (tmp_path / "page.html").write_text(page)
    video = helios.render_sync(tmp_path / "page.html", tmp_path / "hello.mp4", preset="ultrafast", fresh=True)
    assert (video.frames, len(set(video.hashes)) > 60) == (90, True)
    with av.open(str(tmp_path / "hello.mp4")) as container:
        contrasts = [int(np.ptp(frame.to_ndarray(format="gray"))) for frame in container.decode(video=0)]
    assert len(contrasts) == 90
    assert min(contrasts) > 60
