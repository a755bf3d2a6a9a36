"""The tree of errors is drawn as it is, and what machines read of it is unmistakable."""

import ast
import importlib
import inspect
import pkgutil
import re
from itertools import chain

import pytest

import helios
from helios import errors, renderer
from helios.errors import ChunkFailed, HeliosError, WorkerTimeout
from helios.renderer.messages import EXIT_CODES

LINE = re.compile(
    r"^    (?P<branch>[│├└─ ]*)(?P<name>[A-Z]\w+)(?P<rest>.*)$",
    re.MULTILINE,
)


def everything() -> list[type[HeliosError]]:
    """Every error class of the package, wherever it is defined."""
    for module in pkgutil.walk_packages(helios.__path__, "helios."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[HeliosError]] = [HeliosError]
    for kind in found:
        found += [child for child in kind.__subclasses__() if child not in found]
    return [kind for kind in found if kind.__module__.startswith("helios.")]


def drawn() -> dict[str, tuple[str | None, str]]:
    """The docstring's tree: for each name its parent and what is said of it."""
    assert errors.__doc__
    above: list[str] = []
    tree: dict[str, tuple[str | None, str]] = {}
    for line in LINE.finditer(errors.__doc__):
        depth = len(line["branch"]) // 4
        del above[depth:]
        tree[line["name"]] = (above[-1] if above else None, line["rest"])
        above.append(line["name"])
    return tree


def test_the_tree_is_complete() -> None:
    assert set(drawn()) == {kind.__name__ for kind in everything() if kind.__module__ == "helios.errors"}


@pytest.mark.parametrize("name", drawn())
def test_the_tree_is_drawn_as_it_is(name: str) -> None:
    parent, rest = drawn()[name]
    kind: type[HeliosError] = getattr(errors, name)
    assert parent == (None if kind is HeliosError else kind.__mro__[1].__name__)
    assert ("(retryable)" in rest) == kind.retryable
    if told := re.search(r"exit code (\d)", rest):
        assert int(told[1]) == kind.exit_code
    else:
        assert kind.exit_code == 1


@pytest.mark.parametrize("kind", [kind for kind in everything() if kind.__module__ != "helios.errors"])
def test_an_error_that_is_not_in_the_tree_lives_where_it_is_raised(kind: type[HeliosError]) -> None:
    assert kind.__mro__[1].__module__ == "helios.errors"
    module = importlib.import_module(kind.__module__)
    calls = [node.func for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    assert kind.__name__ in [name.id for name in calls if isinstance(name, ast.Name)]


def test_codes_are_unique_and_every_class_has_its_own() -> None:
    kinds = everything()
    assert all("code" in vars(kind) for kind in kinds)
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", kind.code) for kind in kinds)


def test_every_class_says_what_it_means() -> None:
    assert all(kind.__doc__ for kind in everything())


def test_the_tree_is_in_the_public_interface() -> None:
    assert set(drawn()) <= set(helios.__all__)


def test_the_renderers_exit_codes_are_distinct_and_free() -> None:
    codes = list(EXIT_CODES.values())
    assert len(set(codes)) == len(codes)
    assert not {0, 1, 2} & set(codes), "Python ends with these itself"
    assert all(code < 126 for code in codes), "a shell ends with these itself"


def test_every_error_of_the_renderer_has_an_exit_code() -> None:
    """What the classes with an exit code don't cover could not cross the process boundary."""
    modules = [f"helios.renderer.{module.name}" for module in pkgutil.iter_modules(renderer.__path__)]
    names = chain.from_iterable(vars(importlib.import_module(name)).values() for name in modules)
    used = {name for name in names if isinstance(name, type) and issubclass(name, HeliosError)} - {HeliosError}
    assert used
    assert not {kind for kind in used if not issubclass(kind, tuple(EXIT_CODES))}


def test_errors_carry_what_they_promise() -> None:
    timeout = WorkerTimeout("late", stdout="out", stderr="err")
    assert (str(timeout), timeout.stdout, timeout.stderr) == ("late", "out", "err")
    failed = ChunkFailed("no", chunk=3, causes=["a", "b"])
    assert (str(failed), failed.chunk, failed.causes) == ("no", 3, ("a", "b"))
