"""The audio that a page plays is in the video, exact to the sample."""

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream

import helios
from helios.api import create_job
from helios.audio import Track
from helios.jobs import JobSpec
from helios.renderer.browser.server import serve
from support.audio_files import clicks, read_samples, tone, write_audio
from support.clips import write_video

RATE = 48_000
HEAD = "<!doctype html><meta charset=utf-8><body>"
SECOND: dict[str, Any] = {"width": 64, "height": 48, "fps": 30, "preset": "ultrafast"}


def write_page(folder: Path, html: str) -> Path:
    page = folder / "page.html"
    page.write_text(HEAD + html, "utf-8")
    return page


def render(page: Path | str, output: Path, frames: int, **more: Any) -> list[str]:
    """Renders a page's video, and returns its warnings."""
    events: list[helios.RenderEvent] = []
    options: dict[str, Any] = {
        **SECOND,
        "frames": frames,
        "workers": 2,
        "fresh": True,
        "on_event": events.append,
        **more,
    }
    if output.suffix == ".mov":
        options["audio_codec"] = "pcm"
    helios.render_sync(page, output, **options)
    return [event.message for event in events if event.event == "warning-issued"]


def planned(page: Path, frames: int = 30, **more: Any) -> JobSpec:
    return asyncio.run(create_job(page, page.with_suffix(".mov"), **SECOND, frames=frames, **more))


def tracks_of(page: Path, frames: int = 30, **more: Any) -> Sequence[Track]:
    audio = planned(page, frames, **more).audio
    return audio.tracks if audio else ()


def warned(job: JobSpec) -> Sequence[str]:
    assert job.page
    return job.page.warnings


def clicked(folder: Path, name: str, seconds: float, at: Sequence[float]) -> Path:
    return write_audio(folder / name, clicks(round(seconds * RATE), [round(click * RATE) for click in at]))


def write_clip(folder: Path, name: str, at: Sequence[float]) -> Path:
    """Writes a second of video with audio."""
    clip = write_video(folder / "silent.mov", 30)
    audio = clicked(folder, "clip.wav", 1, at)
    with av.open(str(clip)) as images, av.open(str(audio)) as samples, av.open(str(folder / name), "w") as clip:
        video = clip.add_stream_from_template(images.streams.video[0])
        audio = clip.add_stream("pcm_s16le", rate=RATE)
        assert isinstance(audio, AudioStream)
        audio.layout = "mono"
        resampler = AudioResampler("s16", "mono", RATE)
        for packet in images.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                clip.mux(packet)
        for frame in samples.decode(audio=0):
            for shaped in resampler.resample(frame):
                clip.mux(audio.encode(shaped))
        clip.mux(audio.encode(None))
    return folder / name


def test_all_audio_of_a_page_is_at_its_sample_for_any_chunks(tmp_path: Path) -> None:
    clicked(tmp_path, "at start.wav", 1, [0.1])
    clicked(tmp_path, "declared.wav", 1, [0.05, 0.2])
    clicked(tmp_path, "looped.wav", 0.5, [0.23])
    clicked(tmp_path, "played.wav", 1, [0.31, 0.62])
    clicked(tmp_path, "muted.wav", 1, [0.9])
    clicked(tmp_path, "created.wav", 1, [0.15])
    write_clip(tmp_path, "clip.mov", [0.4])
    page = write_page(
        tmp_path,
        """<audio src="at start.wav" autoplay></audio>
        <audio src=declared.wav data-start=0.5 data-duration=0.1></audio>
        <audio src=looped.wav autoplay loop></audio>
        <audio id=played src=played.wav></audio>
        <audio src=muted.wav autoplay muted></audio>
        <video src=clip.mov autoplay></video>
        <script>
        setTimeout(() => played.play(), 500);
        setTimeout(() => played.pause(), 1000);
        const created = new Audio("created.wav");
        created.volume = 0.5;
        setTimeout(() => created.play(), 1250);
        </script>""",
    )
    assert render(page, tmp_path / "whole.mov", 60, chunk_frames=60) == []
    assert render(page, tmp_path / "parts.mov", 60, chunk_frames=17) == []
    whole = read_samples(tmp_path / "whole.mov")
    assert len(whole) == 2 * RATE
    assert np.array_equal(read_samples(tmp_path / "parts.mov"), whole)
    found = np.flatnonzero(np.abs(whole[:, 0]) > 0.05)
    expected = [0.1, 0.23, 0.4, 0.55, 0.73, 0.81, 1.23, 1.4, 1.73]
    assert found.tolist() == [round(at * RATE) for at in expected]
    assert np.abs(whole[round(1.4 * RATE), 0]) == pytest.approx(0.45, abs=0.01)


def test_a_fade_by_script_has_no_steps(tmp_path: Path) -> None:
    write_audio(tmp_path / "steady.wav", np.full((2 * RATE, 1), 0.5, np.float32))
    page = write_page(
        tmp_path,
        """<audio id=steady src=steady.wav autoplay></audio><script>
        let k = 0;
        requestAnimationFrame(function loop() { steady.volume = 1 - k++ / 60; requestAnimationFrame(loop); });
        </script>""",
    )
    render(page, tmp_path / "video.mov", 45)
    audio = read_samples(tmp_path / "video.mov")[: RATE * 44 // 30, 0]
    expected = 0.5 * (1 - np.arange(len(audio)) / RATE / 2)
    assert np.abs(audio - expected).max() < 0.001


def test_another_rate_keeps_the_pitch_and_mixes_with_the_users_tracks(tmp_path: Path) -> None:
    write_audio(tmp_path / "tone.wav", tone(1))
    user = clicked(tmp_path, "user.wav", 1, [0.75])
    page = write_page(
        tmp_path, "<audio id=a src=tone.wav autoplay></audio><script>a.playbackRate = 2; helios.seek = () => 0</script>"
    )
    render(page, tmp_path / "video.mov", 30, audio=[str(user)])
    audio = read_samples(tmp_path / "video.mov")[:, 0]
    inside = audio[RATE // 10 : RATE * 4 // 10]
    assert np.abs(np.fft.rfft(inside * np.hanning(len(inside)))).argmax() * RATE / len(inside) == pytest.approx(
        1000, abs=15
    )
    assert np.abs(audio[round(0.55 * RATE) : round(0.74 * RATE)]).max() < 0.01
    assert audio[round(0.75 * RATE)] == pytest.approx(0.9, abs=0.01)


SPANS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "sought while it plays": (
        "<audio id=a src=a.wav autoplay></audio><script>setTimeout(() => { a.currentTime = 0.25 }, 500)</script>",
        [{"length": 0.5}, {"start": 0.5, "offset": 0.25}],
    ),
    "sought to where it is": (
        "<audio id=a src=a.wav autoplay></audio><script>helios.seek = (s) => { a.currentTime = s }</script>",
        [{}],
    ),
    "only sought": ("<audio id=a src=a.wav></audio><script>helios.seek = (s) => { a.currentTime = s }</script>", []),
    "another source": (
        "<audio id=a src=a.wav autoplay></audio><script>setTimeout(() => { a.src = 'b.wav'; a.play() }, 500)</script>",
        [{"length": 0.5}, {"source": "b.wav", "start": 0.5}],
    ),
    "taken away": (
        "<audio id=a src=a.wav autoplay></audio><script>setTimeout(() => a.remove(), 490)</script>",
        [{"length": 0.5}],
    ),
    "declared late": (
        """<script>const a = document.createElement("audio"); a.src = "a.wav"; a.dataset.start = 0.1;
        setTimeout(() => document.body.append(a), 300)</script>""",
        [{"start": 0.3, "offset": 0.2}],
    ),
    "over before it was there": (
        """<script>helios.seek = () => 0; const a = new Audio("a.wav"); Object.assign(a.dataset, { start: 0.1, duration: 0.1 });
        setTimeout(() => document.body.append(a), 300)</script>""",
        [],
    ),
    "a loop from within": (
        "<audio id=a src=a.wav loop></audio><script>a.currentTime = 0.5; setTimeout(() => a.play(), 100)</script>",
        [{"start": 0.1, "offset": 0.5, "loop": True, "period": 1.0}],
    ),
    "faster from some time on": (
        "<audio id=a src=a.wav autoplay></audio><script>setTimeout(() => { a.playbackRate = 2 }, 200)</script>",
        [{"length": 0.2}, {"start": 0.2, "offset": 0.2, "rate": 2.0, "length": 0.4}],
    ),
    "louder from some time on": (
        "<audio id=a src=a.wav autoplay data-volume=0.5></audio><script>setTimeout(() => { a.volume = 1 }, 200)</script>",
        [{"envelope": ((0.0, 0.5), (0.2 - 1 / 30, 0.5), (0.2, 1.0))}],
    ),
    "a part": ("<audio src='a.wav#t=0.25,0.75' autoplay></audio>", [{"offset": 0.25, "length": 0.5}]),
    "a part to the end": ("<audio src='a.wav?v=1#t=npt:0.25' autoplay></audio>", [{"offset": 0.25}]),
    "a part of a source": (
        "<audio autoplay><source src='a.wav#t=,0.75'></audio>",
        [{"length": 0.75}],
    ),
    "a part of what is chosen later": (
        "<audio id=a></audio><script>setTimeout(() => { a.src = 'a.wav#t=0.25,0.75'; a.play() }, 110)</script>",
        [{"start": 0.11, "offset": 0.25, "length": 0.5}],
    ),
    "a part that is left": (
        "<audio id=a src='a.wav#t=0.25,0.75' autoplay></audio><script>setTimeout(() => { a.currentTime = 0.8 }, 200)</script>",
        [{"offset": 0.25, "length": 0.2}],
    ),
    "a part that goes on": (
        "<audio id=a src='a.wav#t=0.25,0.75' autoplay></audio><script>setTimeout(() => a.play(), 600)</script>",
        [{"offset": 0.25, "length": 0.5}, {"start": 0.6, "offset": 0.75, "length": 26 / 30 - 0.6}],
    ),
    "a part, faster": (
        "<audio id=a src='a.wav#t=0.2,0.6' autoplay></audio><script>a.playbackRate = 2</script>",
        [{"offset": 0.2, "length": 0.2, "rate": 2.0}],
    ),
    "a part with a time of its own": (
        "<audio src='a.wav#t=0.25,0.75' data-start=0.1 data-media-start=0.5></audio>",
        [{"start": 0.1, "offset": 0.5, "length": 0.25}],
    ),
    "in a frame of its own": ("<iframe srcdoc='<audio src=a.wav autoplay></audio>'></iframe>", [{}]),
}


@pytest.mark.parametrize("kind", SPANS)
def test_each_playback_is_a_track(kind: str, tmp_path: Path) -> None:
    html, expected = SPANS[kind]
    for name in ("a.wav", "b.wav"):
        clicked(tmp_path, name, 1, [0.1])
    found = tracks_of(write_page(tmp_path, html))
    assert len(found) == len(expected)
    for track, values in zip(found, expected, strict=True):
        wanted = {"start": 0.0, "offset": 0.0, "length": None, "rate": 1.0, "loop": False, "source": "a.wav"} | values
        actual = {**track.model_dump(), "source": Path(track.source).name}
        for name, value in wanted.items():
            if name == "envelope":
                assert np.array(actual[name]) == pytest.approx(np.array(value), abs=1e-6)
            else:
                assert actual[name] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value), name


def test_unusable_audio_is_named_and_the_video_is_rendered(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    clicked(folder, "good.wav", 1, [0.1])
    (folder / "words.mp3").write_text("no audio")
    clicked(tmp_path, "secret.wav", 1, [0.2])
    (folder / "link.wav").symlink_to(tmp_path / "secret.wav")
    (folder / "list.mp3").write_text(
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST"
    )
    write_video(folder / "mute.mp4", 30)
    write_audio(folder / "silence.wav", np.zeros((RATE, 1), np.float32))
    names = ("good.wav", "words.mp3", "link.wav", "list.mp3", "none.mp3", "silence.wav", "http://127.0.0.1:9/far.mp3",
             "blob:x", "%2e%2e/secret.wav", "a%00b.wav")  # fmt: skip
    page = write_page(
        folder,
        "".join(f"<audio src='{name}' autoplay></audio>" for name in names) + "<video src=mute.mp4 autoplay></video>",
    )
    warnings = render(page, tmp_path / "video.mov", 30, network="none")
    for message in (
        "words.mp3 is left out of the audio: ",
        "list.mp3 is left out of the audio: ",
        "link.wav is left out of the audio: it leads out of the page's folder",
        "none.mp3 is left out of the audio: ",
        "http://127.0.0.1:9/far.mp3 is left out of the audio: this machine fetches",
        "b.wav is left out of the audio: ",
        "secret.wav is left out of the audio: ",
        "blob:x is left out of the audio: it is neither a file",
        "silence.wav is silent",
    ):
        assert [message in warning for warning in warnings].count(True) == 1, (message, warnings)
    assert not any("good.wav" in warning or "mute.mp4" in warning for warning in warnings)
    assert np.flatnonzero(np.abs(read_samples(tmp_path / "video.mov")[:, 0]) > 0.1).tolist() == [RATE // 10]


def test_audio_that_starts_unexpectedly_is_a_warning_of_the_render(tmp_path: Path) -> None:
    clicked(tmp_path, "late.wav", 1, [0.1])
    page = write_page(
        tmp_path,
        """<script>
        setTimeout(() => new Audio("late.wav").play(), 300);
        setTimeout(() => new AudioContext(), 400);
        </script>""",
    )
    warnings = render(page, tmp_path / "video.mov", 20)
    assert [warning.partition(" is left out of the audio")[0] for warning in warnings] == [
        "late.wav",
        "AudioContext",
    ]
    with av.open(str(tmp_path / "video.mov")) as clip:
        assert not clip.streams.audio


def test_only_outputs_that_can_hold_audio_are_checked_for_it(tmp_path: Path) -> None:
    data = base64.b64encode(clicked(tmp_path, "a.wav", 0.1, [0.05]).read_bytes()).decode()
    page = write_page(tmp_path, f"<audio src='data:audio/wav;base64,{data}' autoplay></audio>")
    (track,) = tracks_of(page)
    assert track.source.startswith("data:audio/wav")
    assert render(page, tmp_path / "video.mov", 5) == []
    assert np.abs(read_samples(tmp_path / "video.mov")).max() > 0.5
    job = asyncio.run(create_job(page, tmp_path / "video.gif", width=64, height=48, fps=25, frames=3))
    assert job.audio is None
    assert warned(job) == ()


def test_a_page_at_an_address_plays_audio_beside_it(tmp_path: Path) -> None:
    clicked(tmp_path, "a.wav", 0.2, [0.1])
    write_page(tmp_path, "<audio src=a.wav autoplay></audio>")
    with serve(tmp_path, {}) as port:
        assert render(f"http://127.0.0.1:{port}/page.html", tmp_path / "video.mov", 6) == []
    assert np.flatnonzero(np.abs(read_samples(tmp_path / "video.mov")[:, 0]) > 0.1).tolist() == [RATE // 10]
