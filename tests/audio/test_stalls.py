"""An audio server that stops responding is an error in every phase, and blocks nothing else meanwhile."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest

import helios
from helios.audio import AudioSettings, Track, check_track, source
from helios.audio.mix import mix
from helios.errors import UsageError
from helios.jobs import Journal
from helios.orchestrator import StitchStarted
from support.audio_files import tone, write_audio
from support.processes import wait_until
from support.stalling import Phase, accepted, half, headers, redirects, stalling

PAGE = "<!doctype html><meta name=helios content='width=320, height=180, fps=25, frames=5'><p>words"
CODECS = [
    ("wav", "pcm_s16le"),
    ("mp3", "libmp3lame"),
    ("m4a", "aac"),
    ("ogg", "libopus"),
    ("flac", "flac"),
    ("mkv", "libopus"),
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SERVER_TIMEOUT", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("scheme", "phase"), [("http", accepted), ("https", accepted), ("http", headers)], ids=["open", "tls", "headers"]
)
def test_a_server_that_never_sends_a_body_is_an_error(scheme: str, phase: Phase) -> None:
    with stalling(phase, bytes(1_000_000)) as (host, _):
        address = f"{scheme}://{host}/music.wav"
        with pytest.raises(UsageError, match=r"sent no data for 0\.5 s: check that the server answers") as caught:
            check_track(Track(source=address))
    assert str(caught.value).startswith(address)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("ending", "codec"), CODECS)
def test_a_body_that_stops_in_the_middle_is_an_error_not_shorter_audio(ending: str, codec: str, tmp_path: Path) -> None:
    data = write_audio(tmp_path / f"music.{ending}", tone(20), codec=codec).read_bytes()
    with stalling(half, data) as (host, _):
        audio = AudioSettings(tracks=(Track(source=f"http://{host}/music.{ending}"),))
        with pytest.raises(UsageError, match=r"sent no data for 0\.5 s"):
            mix(audio, range(500), 500, Fraction(25), tmp_path / "mix", ".mp4")


@pytest.mark.usefixtures("impatient")
def test_endless_redirects_are_an_error() -> None:
    with stalling(redirects) as (host, _), pytest.raises(UsageError, match="can't be read as audio"):
        check_track(Track(source=f"http://{host}/music.wav"))


@pytest.mark.usefixtures("impatient")
def test_a_name_that_is_not_resolved_in_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: asked.wait(600))
    try:
        with pytest.raises(UsageError, match=r"the name slow\.example was not resolved within 0\.5 s"):
            check_track(Track(source="http://slow.example/music.wav"))
    finally:
        asked.set()


def test_a_name_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"the name nowhere\.invalid can't be resolved"):
        check_track(Track(source="https://nowhere.invalid/music.wav"))


def test_opening_an_address_blocks_neither_the_event_loop_nor_a_cancelled_render(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)

    async def work(host: str, stalled: threading.Event) -> None:
        render = asyncio.create_task(
            helios.render(tmp_path / "page.html", tmp_path / "video.mp4", audio=[f"http://{host}/music.wav"])
        )
        while not stalled.is_set():  # noqa: ASYNC110 - it is the server's thread that sets it
            await asyncio.sleep(0.01)
        render.cancel()
        with pytest.raises(asyncio.CancelledError):
            await render

    with stalling(headers, bytes(1_000_000)) as (host, stalled):
        asyncio.run(work(host, stalled))


def command(*args: object, silence: float = 600) -> list[str]:
    script = f"from helios.audio import source; source.SERVER_TIMEOUT = {silence}; from helios.cli import main; main()"
    return [sys.executable, "-c", script, *map(str, args)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("more", [[], ["--emit-job", "job.json"]], ids=["render", "emit"])
@pytest.mark.parametrize(("scheme", "phase"), [("http", headers), ("https", accepted)], ids=["headers", "tls"])
def test_a_signal_stops_a_command_that_waits_for_a_server(
    scheme: str, phase: Phase, more: list[str], number: signal.Signals, code: int, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    with stalling(phase, bytes(1_000_000)) as (host, stalled):
        line = command("render", "page.html", "-o", "a.mp4", "--audio", f"{scheme}://{host}/music.wav", *more)
        with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as job:
            assert stalled.wait(60)
            job.send_signal(number)
            message = job.communicate(timeout=60)[1]
    assert job.returncode == code, message
    (line,) = message.splitlines()
    assert line.startswith("helios: stopped")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_a_command_reports_the_silent_server_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    with stalling(headers, bytes(1_000_000)) as (host, _):
        address = f"http://{host}/music.wav"
        line = command("render", "page.html", "-o", "a.mp4", "--audio", address, silence=0.5)
        done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"helios: {address} sent no data for 0.5 s")


def test_a_job_whose_server_stalls_while_it_mixes_is_stopped(tmp_path: Path) -> None:
    """The server responds while the job is planned, and stalls while it runs."""
    (tmp_path / "page.html").write_text(PAGE)
    write_audio(tmp_path / "music.wav", tone(1))
    line = command("render", "page.html", "-o", "a.mp4", "--audio", tmp_path / "music.wav", "--emit-job", "job.json")
    subprocess.run(line, cwd=tmp_path, check=True)
    with stalling(headers, bytes(1_000_000)) as (host, stalled):
        spec = (tmp_path / "job.json").read_text().replace(str(tmp_path / "music.wav"), f"http://{host}/music.wav")
        (tmp_path / "job.json").write_text(spec)
        line = command("job", "run", "job.json", "--json")
        with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as job:
            assert job.stdout
            assert any('"stitch-started"' in line for line in job.stdout)
            assert stalled.wait(60)
            job.send_signal(signal.SIGTERM)
            message = job.communicate(timeout=60)[1]
        assert job.returncode == 143, message
        detached = subprocess.run(
            command("job", "submit", "job.json"), capture_output=True, text=True, cwd=tmp_path, check=True
        ).stdout.strip()
        with closing(Journal()) as journal:
            wait_until(
                lambda: any(isinstance(event, StitchStarted) for *_, event in journal.events(detached)), "the join", 60
            )
        subprocess.run([sys.executable, "-m", "helios", "job", "cancel", detached], check=True, timeout=60)
    assert not (tmp_path / "a.mp4").exists()
    assert list(Path(os.environ["HELIOS_STATE"], "work").glob("*")) == []
