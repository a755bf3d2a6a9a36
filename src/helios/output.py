"""Where outputs go: they appear whole under their name or not at all, and nothing but a file is ever replaced."""

from __future__ import annotations

import errno
import shutil
import stat
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from helios.errors import OutputError, UsageError, unwritable

_KINDS = {
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
}
_LINKS = 40
"""How many links lead from one to the other at most (Linux: path_resolution(7))."""


def check_output(output: Path, *, pattern: bool = False) -> None:
    """Makes sure that ``output`` can be written, before anything is drawn. A ``pattern`` names a file for each frame.

    Raises:
        UsageError: something stands there that is no file, and can't be replaced by one.
        OutputError: it can't be written.
    """
    try:
        target = target_of(output)
        is_folder = target.is_dir()
    except OSError as error:
        raise unwritable(output, error) from None
    if is_folder:
        raise OutputError(f"{output} is a folder: name a file in it")
    _refuse_special(output)
    folder = output_folder(target, pattern=pattern)
    if not folder.is_dir():
        raise OutputError(f"there is no folder {folder} for {output.name}: make it first")
    try:
        with tempfile.TemporaryFile(prefix=".helios-", dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"the folder {folder} can't be written to: {error.strerror}") from None


def output_folder(output: Path, *, pattern: bool = False) -> Path:
    """The folder that must be there for ``output``: that of the files that a ``pattern`` names may be made."""
    folder = output.absolute().parent
    return folder.parent if pattern and not folder.exists() else folder


def target_of(output: Path) -> Path:
    """The file that ``output`` names, whatever links lead to it: the links stay.

    An open file of a process (/dev/stdout, /proc/self/fd/1) is no link that could be followed.

    Raises:
        OSError: the links lead in a circle.
    """
    path = output.absolute()
    for _ in range(_LINKS):
        if _is_open_file(path) or not path.is_symlink():
            return path
        path = path.parent / path.readlink()
    raise OSError(errno.ELOOP, "its links lead in a circle", str(output))


def is_special(output: Path) -> bool:
    """Whether something stands there that is no file of its own: a device, a pipe, a socket, an open file."""
    try:
        return _is_open_file(target_of(output)) or stat.S_IFMT(output.stat().st_mode) in _KINDS
    except OSError:
        return False


@contextmanager
def beside(output: Path, *, pattern: bool = False) -> Generator[Path]:
    """A hidden folder on the same disk as ``output``, gone afterwards.

    Raises:
        OutputError: it can't be written there, or what the block does in it fails with an OSError.
    """
    try:
        folder = output_folder(target_of(output), pattern=pattern)
        with tempfile.TemporaryDirectory(prefix=".helios-", dir=folder, ignore_cleanup_errors=True) as name:
            yield Path(name)
    except OSError as error:
        raise unwritable(output, error) from error


def place(made: Path, output: Path) -> None:
    """Moves a finished file to ``output``, in the place of a file that is there. It blocks.

    Raises:
        UsageError: something stands there that is no file.
        OutputError: it can't be written.
    """
    _refuse_special(output)
    try:
        made.replace(target_of(output))
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise unwritable(output, error) from error
        with beside(output) as folder:
            shutil.copyfile(made, folder / "copy").replace(target_of(output))


def write_whole(output: Path, data: bytes) -> None:
    """Writes ``data`` to ``output``: whole or not at all, but into a device, a pipe or an open file directly. It
    blocks.

    Raises:
        OutputError: it can't be written.
    """
    if is_special(output):
        try:
            with output.open("ab") as file:
                file.write(data)
        except OSError as error:
            raise unwritable(output, error) from error
        return
    with beside(output) as folder:
        made = folder / "whole"
        made.write_bytes(data)
        place(made, output)


def _is_open_file(path: Path) -> bool:
    return path.is_symlink() and path.parent.resolve().is_relative_to("/proc")


def _refuse_special(output: Path) -> None:
    if is_special(output):
        try:
            kind = _KINDS.get(stat.S_IFMT(output.stat().st_mode), "an open file")
        except OSError:
            kind = "an open file"
        raise UsageError(f"{output} is {kind}, and this output is a file that replaces what is there: name a file")
