"""The size at which a page is first looked at."""

from pathlib import Path

import pytest

from helios.composition import Declared, Source
from helios.renderer.messages import ProbeSpec
from helios.renderer.probe import expected_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ('<meta name="helios" content="width=320, height=180, fps=25">', (320, 180)),
        ("<META NAME=helios\n content='duration=1, height=90'>", (1920, 90)),
        ('<meta name="helios" content="width=wide">', (1920, 1080)),
        ("<p>none</p>", (1920, 1080)),
    ],
)
def test_a_page_is_looked_at_in_the_size_that_its_file_says(text: str, size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(text)
    source = Source.parse(str(tmp_path / "page.html"))
    assert expected_size(ProbeSpec(source=source, declared=Declared())) == size
    assert expected_size(ProbeSpec(source=source, declared=Declared(width=64))) == (64, size[1])
    assert expected_size(ProbeSpec(source=Source.parse("http://a.invalid/"), declared=Declared())) == (1920, 1080)
