"""Which images move by themselves."""

import io
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from helios.renderer.browser.animated_images import is_animated


def image(format: str, codec: str, pixel_format: str, frames: int) -> bytes:
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
    assert is_animated(image(format, codec, pixel_format, 4))
    if format != "apng":
        assert not is_animated(image(format, codec, pixel_format, 1))


def test_a_plain_png_stands_still_whatever_its_pixels_are() -> None:
    data = zlib.compress(b"acTL" * 100, 0)
    assert not is_animated(
        b"\x89PNG\r\n\x1a\n" + b"....IHDR" + bytes(13) + len(data).to_bytes(4, "big") + b"IDAT" + data
    )


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
    assert is_animated(text.encode()) == moving


def test_the_brand_of_an_avif_says_whether_it_is_a_sequence() -> None:
    assert is_animated(b"\x00\x00\x00\x20ftypavis\x00\x00\x00\x00avifavismif1")
    assert not is_animated(b"\x00\x00\x00\x20ftypavif\x00\x00\x00\x00avifmif1miaf")


def test_a_video_is_no_image(tmp_path: Path) -> None:
    assert not is_animated(b"\x00\x00\x00\x20ftypisom" + bytes(64))
    assert not is_animated(b"")


def chunked(name: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def test_an_animated_webp_moves_behind_a_long_colour_profile() -> None:
    data = image("webp", "libwebp_anim", "yuv420p", 4)
    assert data[12:16] == b"VP8X"
    profile = b"ICCP" + (5000).to_bytes(4, "little") + bytes(5000)
    assert is_animated(data[:30] + profile + data[30:])


def test_a_still_webp_stands_still_whatever_its_profile_holds() -> None:
    profile = b"ICCP" + (400).to_bytes(4, "little") + b"ANIM" * 100
    assert not is_animated(b"RIFF\0\0\0\0WEBPVP8X" + (10).to_bytes(4, "little") + bytes(10) + profile)


def test_a_still_gif_stands_still_whatever_its_pixels_are() -> None:
    data = image("gif", "gif", "rgb8", 1)
    comment = b"\x21\xfe\x0c" + b"\x21\xf9\x04" * 4 + b"\0"
    assert not is_animated(data[:-1] + comment + data[-1:])


def test_a_png_is_told_by_its_chunks_not_by_what_they_hold() -> None:
    signature, header, end = b"\x89PNG\r\n\x1a\n", chunked(b"IHDR", bytes(13)), chunked(b"IEND", b"")
    pixels = chunked(b"IDAT", b"")
    assert is_animated(signature + header + chunked(b"iCCP", b"IDAT") + chunked(b"acTL", bytes(8)) + pixels + end)
    assert not is_animated(signature + header + chunked(b"tEXt", b"acTL") + pixels + end)
