"""What is heard of a page, as tracks."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from helios.audio import Track, check_track
from helios.audio.track import FASTEST, SLOWEST
from helios.composition import Composition
from helios.errors import UsageError
from helios.renderer.messages import AudioClip, Probe

_EVERYWHERE = ("http", "https")


def tracks_found(probe: Probe, *, here: bool) -> tuple[Sequence[Track], Sequence[str]]:
    """The tracks of a page, and why others can't be heard. ``here``: it is drawn on this machine.

    A page is not trusted: its files are those of its folder, and from this machine it is answered only by whom it may
    reach from here.
    """
    video = probe.composition
    tracks: list[Track] = []
    warnings: dict[str, None] = {}
    outcomes: dict[str, str | None] = {}
    for heard in probe.heard:
        if heard.start >= video.frames / video.fps or not SLOWEST <= heard.rate <= FASTEST:
            continue
        try:
            track = _track(heard, video, here=here)
            if track.source not in outcomes:
                outcomes[track.source] = _trouble(track, heard)
            if (trouble := outcomes[track.source]) is None:
                tracks.append(track)
            elif trouble:
                warnings[trouble] = None
        except UsageError as error:
            warnings[str(error)] = None
    return tracks, list(warnings)


def _trouble(track: Track, heard: AudioClip) -> str | None:
    """Why a track is not heard, if it isn't; nothing is to be said of a video that has no sound."""
    from helios.audio.source import NoAudio

    try:
        check_track(track)
    except NoAudio as error:
        return "" if heard.video else f"{_named(heard)} is not heard: {error}"
    except UsageError as error:
        return f"{_named(heard)} is not heard: {error}"
    return None


def _track(heard: AudioClip, video: Composition, *, here: bool) -> Track:
    return Track(
        source=_source(heard, video, here=here),
        start=heard.start,
        offset=heard.offset,
        length=heard.length,
        rate=heard.rate,
        loop=heard.loop,
        period=heard.period,
        envelope=heard.volume,
        found=True,
    )


def _source(heard: AudioClip, video: Composition, *, here: bool) -> str:
    """The file or address of a sound.

    Raises:
        UsageError: it may not be opened.
    """
    root, parts = video.source.root, urlsplit(heard.source)
    if heard.inside and root:
        path = root / heard.source.replace("\0", "")
        if not path.resolve().is_relative_to(root.resolve()):
            raise UsageError(f"{heard.source} is not heard: it leads out of the page's folder")
        return str(path)
    own = urlsplit(video.source.entry) if root is None else None
    if parts.scheme == "data" or (own and (parts.scheme, parts.netloc) == (own.scheme, own.netloc)):
        return heard.source
    if parts.scheme not in _EVERYWHERE:
        raise UsageError(f"{_named(heard)} is not heard: it is no file of the page's folder, and no address")
    if not here or video.network != "all":
        raise UsageError(
            f"{_named(heard)} is not heard: this machine fetches sound only for a page that is drawn here and may "
            "reach all of the network (--adapter local, --network all)"
        )
    return heard.source


def _named(heard: AudioClip) -> str:
    return heard.source if len(heard.source) <= 80 else f"{heard.source[:40]}…"
