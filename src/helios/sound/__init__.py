"""What a film sounds like: tracks, mixed to the sample."""

from helios.sound.track import AudioCodec, Sound, Track, check_track, codec_for, holds_sound, parse_track

__all__ = ["AudioCodec", "Sound", "Track", "check_track", "codec_for", "holds_sound", "parse_track"]
