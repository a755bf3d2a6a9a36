import shutil
from pathlib import Path

import pytest

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
