"""Captured frames, between the browser and the encoder.

Their pixels are BGRX, 8 bits each, X full, or BGRA of a page with a transparent background.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import xxhash

from helios.errors import BrowserError, HeliosError
from helios.renderer.browser.ring import Ring

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


_TIMEOUT_S = 60.0
"""Seconds to wait for the pixels of a frame."""


class CapturedFrame(Protocol):
    """One frame of the page."""

    async def arrived(self) -> None:
        """Waits until its pixels are in this process.

        Raises:
            HeliosError: they can't arrive.
        """
        ...

    def pixels(self) -> VideoFrame:
        """Returns its pixels (bgr0 or bgra); call it once. It blocks: call it from a thread."""
        ...


class EncodedFrame:
    """A frame as the DevTools protocol carries it: PNG or JPEG, in base64."""

    def __init__(self, data: str, *, alpha: bool = False) -> None:
        self._data = data
        self.alpha = alpha

    def file(self) -> bytes:
        """Returns the bytes of the PNG or JPEG file."""
        return base64.b64decode(self._data)

    async def arrived(self) -> None:
        return

    def pixels(self) -> VideoFrame:
        return self.decode().reformat(format="bgra" if self.alpha else "bgr0")

    def decode(self) -> VideoFrame:
        """Decodes the image: RGB, or the YUV of JPEG. It blocks.

        Each image has its own decoder: ffmpeg's carries state over from one image to the next.
        """
        import av  # here, and below: it loads while the browser starts
        from av.codec.context import CodecContext
        from av.video.frame import VideoFrame

        data = self.file()
        codec = "mjpeg" if data.startswith(b"\xff\xd8") else "png"
        (frame,) = CodecContext.create(codec, "r").decode(av.Packet(data))
        assert isinstance(frame, VideoFrame)
        return frame


class RawFrame:
    """A frame in the ring, where it occupies a slot until ``pixels`` is called."""

    def __init__(self, ring: Ring, sequence: int, frame: int, free: Callable[[], None]) -> None:
        self._ring = ring
        self._sequence = sequence
        self._frame = frame
        self._free = free
        self._loop = asyncio.get_running_loop()
        self._arrival: asyncio.Future[None] = self._loop.create_future()

    def arrive(self) -> None:
        """Marks its pixels as written to the ring."""
        if not self._arrival.done():
            self._arrival.set_result(None)

    def fail(self, error: HeliosError) -> None:
        """Makes ``arrived`` raise ``error``."""
        if not self._arrival.done():
            self._arrival.set_exception(error)
            self._arrival.exception()  # retrieved, in case that no caller waits

    async def arrived(self) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                await asyncio.shield(self._arrival)
        except TimeoutError:
            raise BrowserError(
                f"the browser did not deliver the pixels of frame {self._frame} within {_TIMEOUT_S:g} s"
            ) from None

    def pixels(self) -> VideoFrame:
        from av.video.frame import VideoFrame

        width, height = self._ring.size
        frame = VideoFrame(width, height, "bgra" if self._ring.alpha else "bgr0")
        pixels = self._ring.image(self._sequence, self._frame)
        (plane,) = frame.planes
        if plane.line_size == 4 * width:
            plane.update(pixels)  # pyright: ignore[reportArgumentType]: any buffer will do
        else:
            rows = memoryview(plane)
            for row in range(height):
                rows[row * plane.line_size : row * plane.line_size + 4 * width] = pixels[4 * width * row :][: 4 * width]
        self._loop.call_soon_threadsafe(self._free)
        if self._ring.alpha:
            _divide_by_opacity(frame)
        return frame


def _divide_by_opacity(frame: VideoFrame) -> None:
    """Divides the colours of translucent pixels by their opacity."""
    import numpy as np  # only these pages need it

    (plane,) = frame.planes
    pixels = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, 4)  # includes the rows' padding
    (translucent,) = np.nonzero((pixels[:, 3] > 0) & (pixels[:, 3] < 255))
    opacity = pixels[translucent, 3:].astype(np.uint16)
    pixels[translucent, :3] = (pixels[translucent, :3].astype(np.uint16) * 255 + opacity // 2) // opacity


def hash_pixels(frame: VideoFrame) -> str:
    """Returns the XXH3-128 of a bgr0 or bgra frame's pixels, row by row, in hexadecimal."""
    (plane,) = frame.planes
    width = frame.width * 4
    data = memoryview(plane)
    if plane.line_size == width:
        return xxhash.xxh3_128_hexdigest(data)
    digest = xxhash.xxh3_128()
    for row in range(frame.height):
        digest.update(data[row * plane.line_size : row * plane.line_size + width])
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """A frame of H.264 as the browser encoded it (ITU-T H.264, annex B)."""

    data: bytes
    key: bool
