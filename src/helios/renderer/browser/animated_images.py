"""Detection of animated images by their bytes."""

from __future__ import annotations

from collections.abc import Iterator

from helios.composition.animated import gif_frame_ends, webp_frame_ends

_PNG = b"\x89PNG\r\n\x1a\n"


def is_animated(data: bytes) -> bool:
    """Whether an image file has more than one frame: GIF, PNG (APNG), WebP, AVIF, or SVG with animations.

    In doubt, an image counts as animated. Sources: PNG third edition, acTL; AV1 image file
    format, brand avis.
    """
    if data.startswith(b"GIF8"):
        try:
            return len(gif_frame_ends(data)) > 1
        except ValueError:
            return True
    if data.startswith(_PNG):
        return b"acTL" in _png_chunks_before_pixels(data)
    if data.startswith(b"RIFF"):
        return len(webp_frame_ends(data)) > 1
    if data[4:8] == b"ftyp":
        end = int.from_bytes(data[:4], "big")
        return b"avis" in (data[at : at + 4] for at in range(8, min(end, len(data)), 4))
    return any(sign in data for sign in (b"<animate", b"<set", b"@keyframes", b"animation")) and b"<svg" in data


def _png_chunks_before_pixels(data: bytes) -> Iterator[bytes]:
    at = len(_PNG)
    while at + 8 <= len(data) and (name := data[at + 4 : at + 8]) != b"IDAT":
        yield name
        at += 12 + int.from_bytes(data[at : at + 4], "big")
