"""What a film sounds like: tracks, mixed to the sample."""

from helios.sound.mix import mix, sample_of
from helios.sound.source import RATE
from helios.sound.track import AudioCodec, Sound, Track, check_track, codec_for, parse_track

__all__ = ["RATE", "AudioCodec", "Sound", "Track", "check_track", "codec_for", "mix", "parse_track", "sample_of"]
