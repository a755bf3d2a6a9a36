"""The times of an animation's frames come from its container, whatever bytes its pixels are."""

import random
from fractions import Fraction

import pytest

from helios.composition.animated import gif_frame_ends, webp_frame_ends

CONTROL = b"\x21\xf9\x04"
"""How a GIF's graphic control extension begins."""


def gif(delays: list[int], pixels: bytes) -> bytes:
    """A GIF of 1x1 frames, whose delays are in 1/100 s, each with ``pixels`` as its compressed data."""
    frame = b"\x2c" + bytes(4) + b"\1\0\1\0" + b"\0" + b"\2" + bytes([len(pixels)]) + pixels + b"\0"
    frames = b"".join(CONTROL + b"\0" + delay.to_bytes(2, "little") + b"\0\0" + frame for delay in delays)
    return b"GIF89a\1\0\1\0\x80\0\0" + bytes(6) + frames + b"\x3b"


def chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + bytes(len(content) % 2)


def webp(delays: list[int], *before: bytes) -> bytes:
    frames = [chunk(b"ANMF", bytes(12) + delay.to_bytes(3, "little") + b"\0" + b"ANMF") for delay in delays]
    chunks = b"WEBP" + b"".join([chunk(b"VP8X", bytes(10)), *before, chunk(b"ANIM", bytes(6)), *frames])
    return b"RIFF" + len(chunks).to_bytes(4, "little") + chunks


@pytest.mark.parametrize("pixels", [b"\x44\1", CONTROL + bytes(8), b"\x44" + CONTROL * 30])
def test_gif_times_are_those_of_its_blocks(pixels: bytes) -> None:
    ends = gif_frame_ends(gif([2, 3, 1, 0, 5], pixels))
    assert ends == [Fraction(at, 100) for at in (2, 5, 6, 6, 11)]


def test_a_gif_of_a_thousand_random_frames_has_a_thousand() -> None:
    pixels = random.Random(1).randbytes(255)
    assert len(gif_frame_ends(gif([4] * 1000, pixels))) == 1000


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"not an image"])
def test_what_is_no_gif_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="GIF"):
        gif_frame_ends(data)


@pytest.mark.parametrize("profile", [3, 4096, 100_001])
def test_webp_times_are_those_of_its_chunks_behind_any_profile(profile: int) -> None:
    data = webp([40, 33, 0, 1], chunk(b"ICCP", b"ANMF" * (profile // 4) + bytes(profile % 4)))
    assert webp_frame_ends(data) == [Fraction(at, 1000) for at in (40, 73, 73, 74)]


def test_a_still_webp_has_no_frame_ends() -> None:
    assert webp_frame_ends(b"RIFF\0\0\0\0WEBP" + chunk(b"VP8 ", b"ANMF" * 9)) == []
