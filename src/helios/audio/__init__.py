"""What a video sounds like: tracks, mixed to the sample."""

from helios.audio.track import AudioCodec, AudioMix, Track, check_track, codec_for, contains_audio, parse_track

__all__ = ["AudioCodec", "AudioMix", "Track", "check_track", "codec_for", "contains_audio", "parse_track"]
