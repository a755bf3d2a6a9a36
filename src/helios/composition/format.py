"""Output formats, chosen by the suffix of the output."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from helios.errors import UsageError

ENCODERS = {
    "h264": "libx264",
    "h265": "libx265",
    "hevc": "libx265",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "prores": "prores_ks",
}
"""ffmpeg's default encoder for each codec."""
_OTHER_ENCODERS = {
    "libx264rgb": "h264",
    "libopenh264": "h264",
    "prores": "prores",
    "prores_aw": "prores",
    "libaom-av1": "av1",
    "librav1e": "av1",
}
_CODECS = {encoder: codec for codec, encoder in ENCODERS.items() if codec != "hevc"} | _OTHER_ENCODERS

Kind = Literal["video", "animation", "images"]
"""Videos and image sequences are joined from encoded chunks; an animation is encoded from lossless chunks."""


@dataclass(frozen=True, slots=True)
class Format:
    """An output format. ``codecs`` are the codecs that it can hold, the default first; ``alpha_codec`` is the one that
    supports transparency. ``max_fps`` is the highest frame rate that it can store.
    """

    suffix: str
    codecs: tuple[str, ...]
    alpha_codec: str | None = None
    kind: Kind = "video"
    max_fps: int | None = None

    def encoder(self, wanted: str | None, *, alpha: bool = False) -> str:
        """Returns ffmpeg's encoder for ``wanted``, which is a codec, an encoder, or None for the default.

        Raises:
            UsageError: the format can't hold the codec, or not with transparency.
        """
        if alpha and self.alpha_codec is None:
            raise UsageError(f"{self.suffix} files hold no transparency: use {_named(_with_alpha())}")
        if self.kind != "video":
            if wanted is not None:
                raise UsageError(f"{self.suffix} files have one codec only: drop --codec {wanted}")
            return self.codecs[0]
        codec = wanted or (self.alpha_codec if alpha and self.alpha_codec else self.codecs[0])
        encoder = ENCODERS.get(codec, codec)
        known = _CODECS.get(encoder)
        if known and known not in self.codecs:
            raise UsageError(f"{self.suffix} files can't hold {codec}: use {', '.join(self.codecs)}")
        if alpha and known != self.alpha_codec:
            raise UsageError(
                f"{codec} does not support transparency in {self.suffix} files: use --codec {self.alpha_codec}"
            )
        return encoder


FORMATS = {
    "mp4": Format(".mp4", ("h264", "h265", "av1", "vp9")),
    "m4v": Format(".m4v", ("h264", "h265")),
    "mov": Format(".mov", ("h264", "h265", "prores"), alpha_codec="prores"),
    "mkv": Format(".mkv", ("h264", "h265", "av1", "vp9", "prores"), alpha_codec="vp9"),
    "webm": Format(".webm", ("vp9", "av1"), alpha_codec="vp9"),
    "ts": Format(".ts", ("h264", "h265")),
    "gif": Format(".gif", ("png",), alpha_codec="png", kind="animation", max_fps=50),
    "webp": Format(".webp", ("png",), alpha_codec="png", kind="animation", max_fps=1000),
    "png": Format(".png", ("png",), alpha_codec="png", kind="images"),
    "jpg": Format(".jpg", ("mjpeg",), kind="images"),
}
"""All output formats by name."""
_SPELLINGS = {"jpeg": "jpg"}
_NUMBER = re.compile(r"%0?\d*d")


def parse_format(output: Path) -> Format:
    """Returns the format for the suffix of ``output``.

    Raises:
        UsageError: the suffix is unknown, or an image sequence's name has no place for the frame number.
    """
    name = output.suffix.lower().removeprefix(".")
    found = FORMATS.get(_SPELLINGS.get(name, name))
    if found is None:
        raise UsageError(f"{output.name}: the name must end in {_named(FORMATS)}")
    if found.kind == "images" and not names_each_frame(output):
        numbered = output.with_name(f"{output.stem}-%05d{output.suffix}").name
        raise UsageError(f"{output.name} is one image: helios still renders one; for one image a frame, use {numbered}")
    return found


def named(output: Path | None, name: str | None) -> Path:
    """Returns the output path: ``output``, with the suffix of the format ``name`` added if it is missing.

    Raises:
        UsageError: the format is unknown, or ``output`` has the suffix of another one.
    """
    if name is None:
        return output or Path("out.mp4")
    found = FORMATS.get(_SPELLINGS.get(name, name))
    if found is None:
        raise UsageError(f"the format {name!r} is unknown: use {', '.join(FORMATS)}")
    output = output or Path("out")
    suffix = output.suffix.lower().removeprefix(".")
    if _SPELLINGS.get(suffix, suffix) in FORMATS:
        if parse_format(output) is not found:
            raise UsageError(f"{output.name} conflicts with --format {name}: drop one of them")
        return output
    return output / f"%05d{found.suffix}" if found.kind == "images" else Path(f"{output}{found.suffix}")


def names_each_frame(output: Path) -> bool:
    """Whether a name is a pattern for one image a frame, such as ``frame-%05d.png``."""
    name = output.suffix.lower().removeprefix(".")
    found = FORMATS.get(_SPELLINGS.get(name, name))
    return found is not None and found.kind == "images" and len(_NUMBER.findall(output.name)) == 1


def image_name(pattern: str, number: int) -> str:
    """Returns the file name of a frame's image; ``pattern`` has one place for a number, as in ``frame-%05d.png``."""
    return _NUMBER.sub(lambda place: place[0] % number, pattern)


def _with_alpha() -> list[str]:
    return [name for name, known in FORMATS.items() if known.alpha_codec]


def _named(names: Iterable[str]) -> str:
    *most, last = [f".{name}" for name in names]
    return f"{', '.join(most)} or {last}"
