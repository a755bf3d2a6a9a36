"""Which pictures move by themselves."""

import io
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from helios.renderer.moving import moves


def picture(format: str, codec: str, pixel_format: str, frames: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(codec, rate=5)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = 32, 32, pixel_format
        for number in range(frames):
            shade = np.full((32, 32, 3), 60 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shade, "rgb24").reformat(format=pixel_format)))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("format", "codec", "pixel_format"),
    [("gif", "gif", "rgb8"), ("apng", "apng", "rgb24"), ("webp", "libwebp_anim", "yuv420p")],
)
def test_several_frames_move_and_one_does_not(format: str, codec: str, pixel_format: str) -> None:
    assert moves(picture(format, codec, pixel_format, 4))
    if format != "apng":
        assert not moves(picture(format, codec, pixel_format, 1))


def test_a_plain_png_stands_still_whatever_its_pixels_are() -> None:
    data = zlib.compress(b"acTL" * 100, 0)
    assert not moves(b"\x89PNG\r\n\x1a\n" + b"....IHDR" + bytes(13) + len(data).to_bytes(4, "big") + b"IDAT" + data)


@pytest.mark.parametrize(
    ("text", "moving"),
    [
        ("<svg xmlns='http://www.w3.org/2000/svg'><rect width='9' height='9'/></svg>", False),
        (
            "<svg xmlns='http://www.w3.org/2000/svg'><rect><animate attributeName='x' to='9' dur='1s'/></rect></svg>",
            True,
        ),
        ("<svg><style>@keyframes a{to{x:9px}} rect{animation:a 1s}</style><rect/></svg>", True),
    ],
)
def test_svg_moves_by_its_animations(text: str, moving: bool) -> None:
    assert moves(text.encode()) == moving


def test_the_brand_of_an_avif_says_whether_it_is_a_sequence() -> None:
    assert moves(b"\x00\x00\x00\x20ftypavis\x00\x00\x00\x00avifavismif1")
    assert not moves(b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00avifmif1miaf")


def test_a_film_is_no_picture(tmp_path: Path) -> None:
    assert not moves(b"\x00\x00\x00\x20ftypisom" + bytes(64))
    assert not moves(b"")
