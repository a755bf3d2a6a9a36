"""What kind of file a video becomes, told by the ending of its name."""

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
"""Names of codecs, and who encodes them."""
_OF_THE_SAME = {
    "libx264rgb": "h264",
    "libopenh264": "h264",
    "prores": "prores",
    "prores_aw": "prores",
    "libaom-av1": "av1",
    "librav1e": "av1",
}
_CODECS = {encoder: codec for codec, encoder in ENCODERS.items() if codec != "hevc"} | _OF_THE_SAME

Kind = Literal["video", "animation", "images"]
"""A video is joined of what its chunks were encoded into, and so are images, one file for each frame. An animation is
encoded as a whole, of chunks that were kept without loss."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file. ``codecs`` are those that it can hold, the usual one first; ``alpha_codec`` is the one that keeps
    transparency. ``max_fps`` is the highest rate (frames per second) that it can say.
    """

    suffix: str
    codecs: tuple[str, ...]
    alpha_codec: str | None = None
    kind: Kind = "video"
    max_fps: int | None = None

    def encoder(self, wanted: str | None, *, alpha: bool = False) -> str:
        """The encoder for ``wanted``: a codec, an encoder of ffmpeg's, or, if nothing is wanted, the usual one.

        Raises:
            UsageError: files of this kind don't hold that, or not with transparency.
        """
        if alpha and self.alpha_codec is None:
            raise UsageError(f"{self.suffix} files hold no transparency: take {_named(_with_alpha())}")
        if self.kind != "video":
            if wanted is not None:
                raise UsageError(f"{self.suffix} files have one codec only: leave --codec {wanted} out")
            return self.codecs[0]
        codec = wanted or (self.alpha_codec if alpha and self.alpha_codec else self.codecs[0])
        encoder = ENCODERS.get(codec, codec)
        known = _CODECS.get(encoder)
        if known and known not in self.codecs:
            raise UsageError(f"{self.suffix} files can't hold {codec}: they take {', '.join(self.codecs)}")
        if alpha and known != self.alpha_codec:
            raise UsageError(f"{codec} keeps no transparency in {self.suffix} files: --codec {self.alpha_codec}")
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
"""Every kind of file, by its name."""
_SPELLINGS = {"jpeg": "jpg"}
_NUMBER = re.compile(r"%0?\d*d")


def parse_format(output: Path) -> Format:
    """The kind of file that the ending of ``output`` names.

    Raises:
        UsageError: none, or a file for each frame whose name has no place for its number.
    """
    name = output.suffix.lower().removeprefix(".")
    found = FORMATS.get(_SPELLINGS.get(name, name))
    if found is None:
        raise UsageError(f"{output.name}: the name must end in {_named(FORMATS)}")
    if found.kind == "images" and not names_each_frame(output):
        numbered = output.with_name(f"{output.stem}-%05d{output.suffix}").name
        raise UsageError(f"{output.name} is one image: helios still draws one; for one of each frame, say {numbered}")
    return found


def named(output: Path | None, name: str | None) -> Path:
    """Where a video goes: to ``output``, which may lack the ending that the format of that ``name`` has.

    Raises:
        UsageError: there is no such format, or ``output`` has the ending of another.
    """
    if name is None:
        return output or Path("out.mp4")
    found = FORMATS.get(_SPELLINGS.get(name, name))
    if found is None:
        raise UsageError(f"there is no format {name!r}: take {', '.join(FORMATS)}")
    output = output or Path("out")
    ending = output.suffix.lower().removeprefix(".")
    if _SPELLINGS.get(ending, ending) in FORMATS:
        if parse_format(output) is not found:
            raise UsageError(f"{output.name} is no name for {name}: leave its ending or --format out")
        return output
    return output / f"%05d{found.suffix}" if found.kind == "images" else Path(f"{output}{found.suffix}")


def names_each_frame(output: Path) -> bool:
    """Whether a name stands for one image of each frame, as ``frame-%05d.png`` does."""
    name = output.suffix.lower().removeprefix(".")
    found = FORMATS.get(_SPELLINGS.get(name, name))
    return found is not None and found.kind == "images" and len(_NUMBER.findall(output.name)) == 1


def image_name(pattern: str, number: int) -> str:
    """The name of a frame's image; ``pattern`` has one place for a number, as ``frame-%05d.png`` has."""
    return _NUMBER.sub(lambda place: place[0] % number, pattern)


def _with_alpha() -> list[str]:
    return [name for name, known in FORMATS.items() if known.alpha_codec]


def _named(names: Iterable[str]) -> str:
    *most, last = [f".{name}" for name in names]
    return f"{', '.join(most)} or {last}"
