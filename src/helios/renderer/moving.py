"""Pictures that move by themselves, told by their bytes."""

from __future__ import annotations


def moves(data: bytes) -> bool:
    """Whether a picture file has more than one frame: GIF, PNG (APNG), WebP, AVIF, or SVG with animations.

    Where it can't be told for sure, a picture is said to move. Sources: GIF89a, graphic control extension; PNG third
    edition, acTL; WebP container specification, ANIM; AV1 image file format, brand avis.
    """
    if data.startswith(b"GIF8"):
        return data.count(b"\x21\xf9\x04") > 1
    if data.startswith(b"\x89PNG"):
        return b"acTL" in data.partition(b"IDAT")[0]
    if data.startswith(b"RIFF"):
        return b"ANIM" in data[12:4096]
    if data[4:8] == b"ftyp":
        return b"avis" in data[8:64]
    return any(sign in data for sign in (b"<animate", b"<set", b"@keyframes", b"animation")) and b"<svg" in data
