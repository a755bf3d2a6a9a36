"""Pages driven by what people really bring, unmodified, as npm has it today."""

import os
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from test_parity import draw

from support.videos import assert_exact

LIBRARIES = {
    "gsap": "gsap",
    "gsap-seek": "gsap",
    "three": "three",
    "lottie": "lottie-web",
    "d3": "d3",
    "anime": "animejs",
    "p5": "p5",
}
FRAMES = 21


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, pages: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        assert not os.environ.get("CI"), "npm is missing: apt-get install npm"
        pytest.skip("npm is missing")
    folder = tmp_path_factory.mktemp("npm")
    shutil.copytree(pages / "npm", folder, dirs_exist_ok=True)
    command = [
        npm,
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--no-package-lock",
        *sorted({*LIBRARIES.values()}),
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


@pytest.mark.parametrize("capture", ["fast", "faithful"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_one_and_seven_chunks_have_the_same_frames(library: str, capture: str, project: Path, tmp_path: Path) -> None:
    page, output = project / f"{library}.html", tmp_path / "video.mp4"
    whole = draw(page, output, frames=FRAMES, chunk_frames=FRAMES, capture=capture)
    assert len(set(whole.hashes)) >= FRAMES - 3, "the page moves"
    assert draw(page, output, frames=FRAMES, chunk_frames=FRAMES // 7, capture=capture).hashes == whole.hashes
    assert_exact(output, FRAMES, Fraction(30))
