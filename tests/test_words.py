"""Code, help and documents use plain words: a reader never has to translate."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from helios.cli import app

ROOT = Path(__file__).parent.parent
TEXTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "src/**/*.py", "src/**/*.js", "src/**/*.yaml", "src/**/Dockerfile")
    for path in ROOT.glob(pattern)
)
# Each with the word to use instead.
DIALECT = {
    r"begun": "started",
    r"films?|footage": "video, clip",
    r"pictures?(?!-in-)(?!>)": "frame, image",
    r"heard|hears|heeds?|heeded": "audio, recorded, handled",
    r"told|tells": "reported, reports",
    r"ledger": "cache",
    r"nobody|whoever|anew": "no one, the caller, again",
    r"at once": "immediately, in parallel",
    r"by hand": "manually",
    r"stand-ins?": "placeholder",
    r"hurry|hurried": "fast",
    r"luck": "random source",
    r"says nothing|is said": "reports nothing, is reported",
    r"stands? (?:on|still|in|at)": "is on, is paused, is in",
    r"a place to run": "adapter, target",
}
WORDS = re.compile("|".join(rf"(?<![\w</-])(?:{word})(?![\w-])" for word in DIALECT), re.IGNORECASE)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_has_no_word_of_the_old_dialect(path: Path) -> None:
    lines = enumerate(path.read_text("utf-8").splitlines(), 1)
    assert [f"{number}: {line.strip()}" for number, line in lines if WORDS.search(line)] == []


@pytest.mark.parametrize("command", ["", "render", "batch", "still", "estimate", "job", "deploy", "worker", "doctor"])
def test_help_has_no_word_of_the_old_dialect(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert WORDS.findall(shown.output) == []


def test_the_words_are_found() -> None:
    assert WORDS.search("what is told")
    assert WORDS.search("a Film")
    assert not WORDS.search("<picture>")
