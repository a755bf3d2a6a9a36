import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from stage_pages import serve

PAGES = Path(__file__).parent / "pages"


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test pages, with the fonts that one of them wants."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(PAGES, folder, dirs_exist_ok=True)
    fonts = folder / "fonts"
    fonts.mkdir()
    installed = {path.name: path for path in Path("/usr/share/fonts").rglob("*.ttf")}
    shutil.copy(installed["DejaVuSerif-Bold.ttf"], fonts / "early.ttf")
    shutil.copy(installed["DejaVuSans.ttf"], fonts / "late.ttf")
    return folder


@pytest.fixture(scope="module")
def other_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of another origin, with an image (red.png) and a page (inner.html)."""
    folder = tmp_path_factory.mktemp("origin")
    with av.open(str(folder / "red.png"), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width = stream.height = 64
        stream.pix_fmt = "rgb24"
        red = np.full((64, 64, 3), (255, 0, 0), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(red, format="rgb24")))
        container.mux(stream.encode())
    (folder / "inner.html").write_text("<body style='background:#0c0'>inner")
    with serve(folder) as address:
        yield address
