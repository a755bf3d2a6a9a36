"""Where a film goes."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from helios.errors import OutputError, unwritable


def check_output(output: Path) -> None:
    """Makes sure that ``output`` can be written, before anything is drawn.

    Raises:
        OutputError: it can't.
    """
    folder = folder_of(output)
    try:
        is_folder = output.is_dir()
    except OSError as error:
        raise unwritable(output, error) from None
    if is_folder:
        raise OutputError(f"{output} is a folder: name a file in it")
    if not folder.is_dir():
        raise OutputError(f"there is no folder {folder} for {output.name}: make it first")
    try:
        with tempfile.TemporaryFile(prefix=".helios-", dir=folder):
            pass
    except OSError as error:
        raise OutputError(f"the folder {folder} can't be written to: {error.strerror}") from None


def folder_of(output: Path) -> Path:
    """The folder that must be there for ``output``: that of one picture for each frame may be made."""
    folder = output.absolute().parent
    return folder.parent if "%" in output.name and not folder.exists() else folder


@contextmanager
def work_folder(output: Path) -> Generator[Path]:
    """A hidden folder beside the output, on the same disk, gone afterwards."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".helios-", dir=folder_of(output), ignore_cleanup_errors=True)
        with folder as name:
            yield Path(name)
    except OSError as error:
        raise unwritable(output, error) from error
