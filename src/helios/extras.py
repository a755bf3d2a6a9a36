"""Packages that are only there where an extra of Helios is installed."""

from __future__ import annotations

from importlib.util import find_spec

from helios.errors import MissingTool


def check_extra(what: str, extra: str, *modules: str) -> None:
    """Makes sure that the modules are here that ``what`` needs.

    Raises:
        MissingTool: one is not; the ``extra`` that has it is named.
    """
    if not all(map(_is_here, modules)):
        raise MissingTool(f'{what} needs the extra "{extra}": pip install "helios-render[{extra}]"')


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # so is the package that it is in: many others bring a part of google
        return False
