"""What a page, or a caller, says of its size, rate and length."""

from __future__ import annotations

import re
from fractions import Fraction

from pydantic import BaseModel, ConfigDict

from helios.composition.rate import parse_rate
from helios.errors import UsageError


class Declared(BaseModel):
    """Settings of a composition, each of which may be missing. ``duration`` is in seconds."""

    # Infinity stays what it is in JSON, so that compose() can report what is wrong with it.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    width: int | None = None
    height: int | None = None
    fps: Fraction | None = None
    duration: float | None = None
    frames: int | None = None

    def over(self, other: Declared) -> Declared:
        """These settings, and ``other``'s where these say nothing.

        Length is one setting with two spellings: frames here hide a duration there.
        """
        mine = self.model_dump(exclude_none=True)
        theirs = other.model_dump(exclude_none=True)
        if "frames" in mine or "duration" in mine:
            theirs.pop("frames", None)
            theirs.pop("duration", None)
        return Declared.model_validate(theirs | mine)


def parse_meta(content: str) -> Declared:
    """The settings in a page's ``<meta name="helios" content="width=1920, height=1080, fps=30, duration=8">``.

    Raises:
        UsageError: an unknown name, or a value that can't be read.
    """
    values: dict[str, int | float | Fraction] = {}
    for part in re.split(r"[,;]", content):
        if not part.strip():
            continue
        name, _, text = (piece.strip() for piece in part.partition("="))
        try:
            if name in ("width", "height", "frames"):
                values[name] = int(text)
            elif name == "duration":
                values[name] = float(text.removesuffix("s"))
            elif name == "fps":
                values[name] = parse_rate(text)
            else:
                known = "width, height, fps, duration and frames"
                raise UsageError(f'the page\'s <meta name="helios"> has {name!r}: known are {known}')
        except ValueError:
            raise UsageError(f'the page\'s <meta name="helios"> has {name}={text}: not a number') from None
    return Declared.model_validate(values)
