"""ffmpeg comes from HELIOS_FFMPEG, else from PATH, else from the imageio-ffmpeg package."""

import sys
from pathlib import Path

import pytest

from helios.errors import MissingTool
from helios.stitcher.binary import find_ffmpeg


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An executable called ffmpeg in a folder that is not on PATH; PATH and HELIOS_FFMPEG are empty."""
    path = tmp_path / "bin" / "ffmpeg"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("HELIOS_FFMPEG", raising=False)
    monkeypatch.chdir(tmp_path)
    return path


def test_helios_ffmpeg_comes_first(tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tool.with_name("own")
    own.write_bytes(tool.read_bytes())
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    monkeypatch.setenv("HELIOS_FFMPEG", str(own))
    assert find_ffmpeg() == own


@pytest.mark.parametrize("name", ["bin/ffmpeg", "./bin/ffmpeg"])
def test_a_relative_path_becomes_absolute_because_ffmpeg_runs_elsewhere(
    name: str, tool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOS_FFMPEG", name)
    assert find_ffmpeg() == tool


@pytest.mark.parametrize("folder", ["{tmp}/bin", "bin"])
def test_then_the_one_on_path(folder: str, tool: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", folder.format(tmp=tmp_path))
    assert find_ffmpeg() == tool


@pytest.mark.usefixtures("tool")
def test_then_the_one_in_the_wheel() -> None:
    found = find_ffmpeg()
    assert found.is_file()
    assert "imageio_ffmpeg" in found.parts


def test_a_name_that_is_not_executable_is_refused(tool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool.chmod(0o644)
    monkeypatch.setenv("HELIOS_FFMPEG", str(tool))
    with pytest.raises(MissingTool, match=r"HELIOS_FFMPEG is .*bin/ffmpeg.*apt-get install ffmpeg"):
        find_ffmpeg()


@pytest.mark.usefixtures("tool")
def test_a_missing_ffmpeg_is_an_error_that_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingTool, match=r"ffmpeg was not found.*apt-get install ffmpeg"):
        find_ffmpeg()
