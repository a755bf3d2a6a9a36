"""Imports go one way: each part knows what is below it and nothing else."""

import ast
from pathlib import Path

import pytest

import helios

ROOT = Path(helios.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# What each part may import of Helios, besides itself.
MAY_IMPORT = {
    "errors": set[str](),
    "release": set[str](),
    "stopping": set[str](),
    "locks": set[str](),
    "threads": set[str](),
    "output": {"errors"},
    "extras": {"errors"},
    "logs": set[str](),
    "composition": {"errors"},
    "worker": {"storage", "errors", "logs", "release"},
    "adapters": {"worker", "storage", "clouds", "errors", "extras", "release"},
    "stitcher": {"composition", "adapters", "output", "text", "worker", "errors"},
    "renderer": {"composition", "errors"},
    "storage": {"errors"},
    "audio": {"errors"},
    "text": {"composition", "errors"},
    "orchestrator": {
        "composition",
        "logs",
        "adapters",
        "audio",
        "output",
        "stitcher",
        "storage",
        "text",
        "threads",
        "worker",
        "errors",
        "renderer.messages",
        "renderer.frame_diff",
    },
    "batches": {
        "composition",
        "adapters",
        "jobs",
        "orchestrator",
        "output",
        "stitcher",
        "storage",
        "worker",
        "errors",
        "renderer.messages",
    },
    "clouds": {"errors", "extras", "release", "threads"},
    "jobs": {
        "adapters",
        "locks",
        "logs",
        "orchestrator",
        "output",
        "audio",
        "stitcher",
        "stopping",
        "storage",
        "text",
        "threads",
        "worker",
        "errors",
    },
    "api": {
        "batches",
        "composition",
        "adapters",
        "clouds",
        "orchestrator",
        "jobs",
        "output",
        "audio",
        "stitcher",
        "storage",
        "text",
        "threads",
        "errors",
        "release",
        "renderer.messages",
    },
    "": {"adapters", "api", "batches", "errors", "jobs", "orchestrator", "release", "stitcher", "storage", "worker"},
    "cli": {
        "",
        "adapters",
        "api",
        "batches",
        "composition",
        "clouds",
        "jobs",
        "logs",
        "orchestrator",
        "output",
        "renderer",
        "audio",
        "stitcher",
        "stopping",
        "worker",
        "errors",
        "extras",
        "release",
    },
    "__main__": {"cli"},
}


def part_of(path: Path) -> str:
    """The folder, or the module beside the folders, that a file belongs to."""
    inside = path.relative_to(ROOT).with_suffix("")
    return "" if inside.parts == ("__init__",) else inside.parts[0]


def imports(source: str) -> set[str]:
    """What a module imports of Helios, anywhere in it, as dotted names without the first part."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written out in full"
            # What is imported from a package may be a module of it.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.partition(".")[2] for name in names if name.partition(".")[0] == "helios"}
    return found


def allowed(name: str, part: str) -> bool:
    """Whether a name imported by a part is of that part or of one that it may import."""
    if "" in MAY_IMPORT[part] and (not name or name in dir(helios)):
        return True
    targets = (MAY_IMPORT[part] | {part}) - {""}
    return any(name == target or name.startswith(f"{target}.") for target in targets)


def test_every_part_is_known() -> None:
    assert {part_of(path) for path in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_part_may(path: Path) -> None:
    part = part_of(path)
    wrong = {name for name in imports(path.read_text("utf-8")) if not allowed(name, part)}
    assert not wrong, f"{part} must not know of {wrong}"


def test_nobody_imports_the_command_line() -> None:
    for part, others in MAY_IMPORT.items():
        assert "cli" not in others or part == "__main__"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_has_a_name_that_says_nothing(path: Path) -> None:
    assert not {"utils", "util", "helpers", "manager", "common", "misc"} & set(path.with_suffix("").parts)


@pytest.mark.parametrize(
    ("line", "part", "right"),
    [
        ("from helios.worker import WorkerJob", "adapters", True),
        ("from helios.adapters import WorkerAdapter", "worker", False),
        ("import helios.orchestrator", "worker", False),
        ("from helios import orchestrator", "worker", False),
        ("import helios", "composition", False),
        ("import helios", "cli", True),
        ("from helios.renderer.messages import Probe", "orchestrator", True),
        ("from helios.renderer import messages", "orchestrator", True),
        ("from helios.renderer.browser.browser import page", "orchestrator", False),
        ("from helios.renderer.browser.page import Page", "orchestrator", False),
        ("def f():\n    from helios.cli import main", "api", False),
        ("from helios.errors import HeliosError", "composition", True),
        ("import heliosphere", "composition", True),
    ],
)
def test_a_wrong_import_is_seen(line: str, part: str, right: bool) -> None:
    assert all(allowed(name, part) for name in imports(line)) == right
