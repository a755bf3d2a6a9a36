"""The audio of a video: tracks, mixed exactly to the sample."""

from helios.audio.track import (
    AudioCodec,
    AudioSettings,
    Track,
    check_track,
    choose_audio_codec,
    parse_track,
    supports_audio,
)

__all__ = ["AudioCodec", "AudioSettings", "Track", "check_track", "choose_audio_codec", "parse_track", "supports_audio"]
