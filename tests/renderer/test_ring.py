"""Images are read from where the stage's worker writes them, never another one, and nothing is left in memory."""

import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helios.errors import BrowserError
from helios.renderer.browser import ring
from helios.renderer.browser.ring import SLOTS, Ring, ring_folder

SIZE = (6, 4)
MANY = 2**32

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


class Writer:
    """The file as stage/writer.js makes it and writes to it."""

    def __init__(self, ring: Ring, folder: Path, *, name: str = "00000000", token: str | None = None) -> None:
        self.path = folder / "001" / "t" / "00" / name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        token = token or ring.token
        self._slot = ring.slot
        self._slots = ring.bytes // ring.slot
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT)
        os.truncate(self._file, ring.bytes)
        os.pwrite(self._file, token.encode(), ring.bytes - len(token))

    def keep(self, sequence: int, frame: int, pixels: bytes, size: tuple[int, int] = SIZE) -> None:
        slot = pixels + struct.pack("<4I", frame, sequence % MANY, *size)
        assert len(slot) == self._slot
        os.pwrite(self._file, slot, sequence % self._slots * self._slot)

    def close(self) -> None:
        os.close(self._file)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Ring, Writer]]:
    """A ring that is mapped, and its writer."""
    opened = Ring(tmp_path, SIZE)
    writer = Writer(opened, tmp_path)
    opened.map()
    yield opened, writer
    writer.close()


def pixels(value: int) -> bytes:
    return bytes([value, value + 1, value + 2, 255]) * (SIZE[0] * SIZE[1])


def test_every_image_is_read_from_its_slot(opened: tuple[Ring, Writer]) -> None:
    ring, writer = opened
    for first in range(0, 3 * SLOTS, SLOTS):
        for sequence in range(first, first + SLOTS):
            writer.keep(sequence, 10 * sequence, pixels(sequence))
        for sequence in reversed(range(first, first + SLOTS)):
            assert bytes(ring.image(sequence, 10 * sequence)) == pixels(sequence)


def test_a_ring_has_as_many_slots_as_it_says(opened: tuple[Ring, Writer]) -> None:
    ring, _ = opened
    assert ring.slot == 4 * SIZE[0] * SIZE[1] + 16
    assert ring.bytes // ring.slot == SLOTS, "which is how the worker counts them"


def test_a_image_that_was_overwritten_is_not_read(opened: tuple[Ring, Writer]) -> None:
    ring, writer = opened
    for sequence in range(SLOTS + 1):
        writer.keep(sequence, sequence, pixels(sequence))
    with pytest.raises(BrowserError, match="expected image 0 of frame 0"):
        ring.image(0, 0)
    assert bytes(ring.image(SLOTS, SLOTS)) == pixels(SLOTS)
    assert bytes(ring.image(1, 1)) == pixels(1)


@pytest.mark.parametrize(
    ("sequence", "frame", "size"),
    [(5, 8, SIZE), (5 + SLOTS, 7, SIZE), (1, 7, SIZE), (5, 7, (SIZE[1], SIZE[0])), (5, 7, (12, 2))],
    ids=["another frame", "a later image", "an earlier image", "turned", "of another shape"],
)
def test_another_image_in_its_place_is_an_error(
    sequence: int, frame: int, size: tuple[int, int], opened: tuple[Ring, Writer]
) -> None:
    ring, writer = opened
    writer.keep(sequence, frame, pixels(1), size)
    with pytest.raises(BrowserError, match="expected image 5 of frame 7") as caught:
        ring.image(5, 7)
    assert caught.value.retryable
    writer.keep(5, 7, pixels(2))
    assert bytes(ring.image(5, 7)) == pixels(2)


def test_a_image_that_never_came_is_an_error(opened: tuple[Ring, Writer]) -> None:
    ring, _ = opened
    with pytest.raises(BrowserError, match="expected image 1 of frame 1"):
        ring.image(1, 1)


def test_images_are_counted_past_what_their_number_holds(opened: tuple[Ring, Writer]) -> None:
    ring, writer = opened
    writer.keep(MANY + 1, 3, pixels(9))
    assert bytes(ring.image(MANY + 1, 3)) == pixels(9)


def test_the_file_is_unlinked_once_it_is_mapped(tmp_path: Path) -> None:
    ring = Ring(tmp_path, SIZE)
    writer = Writer(ring, tmp_path)
    assert writer.path.stat().st_size == ring.bytes
    ring.map()
    assert not writer.path.exists()
    writer.keep(0, 0, pixels(3))
    writer.close()
    assert bytes(ring.image(0, 0)) == pixels(3)


def test_only_the_file_with_the_token_is_taken(tmp_path: Path) -> None:
    ring = Ring(tmp_path, SIZE)
    others = [Writer(ring, tmp_path, name=f"0000000{k}", token=token * 16) for k, token in ((0, "ab"), (2, "cd"))]
    (tmp_path / "001" / "t" / "00" / "00000003").write_bytes(ring.token.encode())
    writer = Writer(ring, tmp_path, name="00000001")
    ring.map()
    writer.keep(0, 0, pixels(4))
    for other in others:
        other.keep(0, 0, pixels(5))
        assert other.path.exists()
        other.close()
    assert bytes(ring.image(0, 0)) == pixels(4)
    writer.close()


def test_without_a_file_of_its_own_a_ring_can_not_be_mapped(tmp_path: Path) -> None:
    ring = Ring(tmp_path, SIZE)
    with pytest.raises(BrowserError, match="where Helios expects them"):
        ring.map()
    writer = Writer(ring, tmp_path, token="no" * 16)
    with pytest.raises(BrowserError, match="where Helios expects them"):
        ring.map()
    writer.close()
    assert writer.path.exists()
    assert Ring(tmp_path, SIZE).token != ring.token


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB in memory."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # a test that failed may hold a file of it


@root_only
def test_a_file_without_room_is_an_error_and_not_a_crash_later(small: Path) -> None:
    ring = Ring(small, (1920, 1080))
    writer = Writer(ring, small)
    writer.close()
    with pytest.raises(BrowserError, match="no room for images"):
        ring.map()


# Where the file is.


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for /dev/shm."""
    folder = tmp_path / "memory"
    folder.mkdir()
    monkeypatch.setattr(ring, "MEMORY", folder)
    return folder


def files_of(profile: Path) -> Path:
    return profile / "Default" / "File System"


def test_a_browser_keeps_its_files_in_memory_while_the_block_runs(tmp_path: Path, memory: Path) -> None:
    with ring_folder(tmp_path / "profile", SIZE) as folder:
        assert list(memory.iterdir()) == [folder]
        assert files_of(tmp_path / "profile").readlink() == folder
        (files_of(tmp_path / "profile") / "001").mkdir()
        assert (folder / "001").is_dir()
    assert list(memory.iterdir()) == []


def test_a_folder_goes_with_a_failure_too(tmp_path: Path, memory: Path) -> None:
    with pytest.raises(BrowserError, match="died"), ring_folder(tmp_path / "profile", SIZE):
        raise BrowserError("died")
    assert list(memory.iterdir()) == []


def test_a_ring_that_is_larger_than_memory_is_kept_with_the_profile(tmp_path: Path, memory: Path) -> None:
    size = (1_000_000, 1_000_000)
    assert Ring(memory, size).bytes > shutil.disk_usage(memory).free
    with ring_folder(tmp_path / "profile", size) as folder:
        assert folder == files_of(tmp_path / "profile")
        assert not folder.is_symlink()
        assert folder.parent.is_dir()
        assert list(memory.iterdir()) == []


def test_without_memory_a_ring_is_kept_with_the_profile(tmp_path: Path, memory: Path) -> None:
    memory.rmdir()
    with ring_folder(tmp_path / "profile", SIZE) as folder:
        assert folder == files_of(tmp_path / "profile")


@root_only
def test_some_memory_is_left_to_others(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "MEMORY", small)
    with ring_folder(tmp_path / "one", (320, 180)) as folder:
        assert folder.parent == small
    assert Ring(small, (640, 480)).bytes < shutil.disk_usage(small).free
    with ring_folder(tmp_path / "other", (640, 480)) as folder:
        assert folder == files_of(tmp_path / "other")


@root_only
def test_room_in_memory_is_promised_to_one_only(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "MEMORY", small)
    size = (640, 320)
    with ring_folder(tmp_path / "one", size) as folder:
        assert folder.parent == small
        with ring_folder(tmp_path / "two", size) as other:
            assert other == files_of(tmp_path / "two")
    with ring_folder(tmp_path / "three", size, rings=2) as both:
        assert both == files_of(tmp_path / "three")
    with ring_folder(tmp_path / "four", size) as folder:
        assert folder.parent == small


@root_only
def test_a_ring_takes_the_room_that_was_kept_for_it(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "MEMORY", small)
    with ring_folder(tmp_path / "one", SIZE, rings=2) as folder:
        for _ in range(2):
            opened = Ring(folder, SIZE)
            writer = Writer(opened, folder)
            others = small / "others"
            with others.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(small).free)
            opened.map()
            writer.keep(0, 0, pixels(6))
            assert bytes(opened.image(0, 0)) == pixels(6)
            writer.close()
            others.unlink()


def test_folders_of_the_living_stay_and_those_of_the_dead_go(tmp_path: Path, memory: Path) -> None:
    dead, living, others, file = (
        memory / name for name in ("helios-ring-a", "helios-ring-b", "other", "helios-ring-c")
    )
    for folder in (dead, living, others):
        (folder / "001" / "t").mkdir(parents=True)
        (folder / "001" / "t" / "0").write_bytes(b"image")
    file.write_bytes(b"")
    descriptor = os.open(living, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    with ring_folder(tmp_path / "one", SIZE) as one:
        assert set(memory.iterdir()) == {living, others, file, one}
        assert (living / "001" / "t" / "0").read_bytes() == b"image"
        with ring_folder(tmp_path / "two", SIZE) as two:
            assert set(memory.iterdir()) == {living, others, file, one, two}
            os.close(descriptor)
            with ring_folder(tmp_path / "three", SIZE) as three:
                assert set(memory.iterdir()) == {others, file, one, two, three}


@root_only
@pytest.mark.parametrize("megabytes", [64, 16], ids=["room for one worker", "room for none"])
def test_little_shared_memory_is_enough(megabytes: int, full_video: list[str], tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size={megabytes}m tmpfs /dev/shm"
    assert video(tmp_path, f"{mount} && test $(df -m --output=size /dev/shm | tail -1) = {megabytes}") == full_video


@pytest.fixture(scope="module")
def full_video(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The hashes of the frames where there is as much shared memory as usual."""
    return video(tmp_path_factory.mktemp("full"), "true")


def video(folder: Path, before: str) -> list[str]:
    """The frames' hashes of a video of full size by two workers, in a world of its own in which `before` was run."""
    (folder / "page.html").write_text(
        """<!doctype html><body style="margin:0;background:#264"><div id=box style="width:640px;height:512px;
        background:linear-gradient(red,blue)"></div><script>
        helios.seek = (s) => (box.style.marginLeft = `${64 * Math.round(s * 30)}px`);</script>"""
    )
    command = [sys.executable, "-m", "helios", "render", "page.html", "-o", "video.mp4", "--frames", "6", "--json"]
    command += ["--workers", "2", "--chunk-frames", "3", "--capture", "fast", "--preset", "ultrafast"]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec", f'{before}; exec "$@"', "sh", *command],
        cwd=folder, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [events[0][key] for key in ("capture", "chunks", "workers")] == ["stage", 2, 2]
    assert (events[0]["width"], events[0]["height"]) == (1920, 1080)
    hashes = events[-1]["hashes"]
    assert len(set(hashes)) == 6
    return hashes
