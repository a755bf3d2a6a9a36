"""The audio that a page plays, as tracks."""

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
    """The tracks of a page, and a warning for each source left out. ``here``: this machine draws the page.

    A page is not trusted: it may use files of its folder, and the addresses that it could load on this machine itself.
    """
    video = probe.composition
    tracks: list[Track] = []
    warnings: dict[str, None] = {}
    outcomes: dict[str, str | None] = {}
    for clip in probe.audio_clips:
        if clip.start >= video.frames / video.fps or not SLOWEST <= clip.rate <= FASTEST:
            continue
        try:
            track = _track(clip, video, here=here)
            if track.source not in outcomes:
                outcomes[track.source] = _trouble(track, clip)
            if (trouble := outcomes[track.source]) is None:
                tracks.append(track)
            elif trouble:
                warnings[trouble] = None
        except UsageError as error:
            warnings[str(error)] = None
    return tracks, list(warnings)


def _trouble(track: Track, clip: AudioClip) -> str | None:
    """Why the track can't be used: None if it can, "" if no warning is due, as for a video without audio."""
    from helios.audio.source import NoAudio

    try:
        check_track(track)
    except NoAudio as error:
        return "" if clip.video else f"{_named(clip)} is left out of the audio: {error}"
    except UsageError as error:
        return f"{_named(clip)} is left out of the audio: {error}"
    return None


def _track(clip: AudioClip, video: Composition, *, here: bool) -> Track:
    return Track(
        source=_source(clip, video, here=here),
        start=clip.start,
        offset=clip.offset,
        length=clip.length,
        rate=clip.rate,
        loop=clip.loop,
        period=clip.period,
        envelope=clip.volume,
        found=True,
    )


def _source(clip: AudioClip, video: Composition, *, here: bool) -> str:
    """The path or address of a clip's audio.

    Raises:
        UsageError: it may not be opened.
    """
    root, parts = video.source.root, urlsplit(clip.source)
    if clip.inside and root:
        path = root / clip.source.replace("\0", "")
        if not path.resolve().is_relative_to(root.resolve()):
            raise UsageError(f"{clip.source} is left out of the audio: it leads out of the page's folder")
        return str(path)
    own = urlsplit(video.source.entry) if root is None else None
    if parts.scheme == "data" or (own and (parts.scheme, parts.netloc) == (own.scheme, own.netloc)):
        return clip.source
    if parts.scheme not in _EVERYWHERE:
        raise UsageError(
            f"{_named(clip)} is left out of the audio: it is neither a file in the page's folder nor an http address"
        )
    if not here or video.page.network != "all":
        raise UsageError(
            f"{_named(clip)} is left out of the audio: this machine fetches audio only for pages that it draws "
            "itself with access to the whole network (--adapter local, --network all)"
        )
    return clip.source


def _named(clip: AudioClip) -> str:
    return clip.source if len(clip.source) <= 80 else f"{clip.source[:40]}…"
