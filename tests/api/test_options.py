"""Every option explains itself, and refuses what it does not take before anything is rendered."""

import asyncio
import inspect
import pydoc
import types
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

import helios

OPTIONS: dict[str, Any] = get_type_hints(helios.RenderOptions, include_extras=True)
VERBS: dict[str, tuple[Callable[..., Coroutine[Any, Any, object]], tuple[object, ...], type]] = {
    "render": (helios.render, ("page.html", "a.mp4"), helios.RenderOptions),
    "submit": (helios.submit, ("page.html", "a.mp4"), helios.RenderOptions),
    "create_job": (helios.create_job, ("page.html", "a.mp4"), helios.RenderOptions),
    "estimate": (helios.estimate, ("page.html",), helios.RenderOptions),
    "batch": (helios.batch, ("page.html", [{"a": 1}], "{row}.mp4"), helios.BatchOptions),
    "still": (helios.still, ("page.html", "a.png"), helios.CompositionOptions),
}
SAMPLES = (
    1, 1.5, True, None, "text", b"bytes", Fraction(1, 3), Path("path"), [1], ["text"], {"text": "text"}, {"text": 1},
    {1, 2}, object(), {"text": object()}, len,
)  # fmt: skip


def takes(hint: Any, value: object) -> bool:
    """Whether a value is of a type: a reading of annotations of its own, for the types that options have."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return takes(args[0], value)
    if origin in (Union, types.UnionType):
        return any(takes(arg, value) for arg in args)
    if origin is Literal:
        return value in args
    if origin is Sequence:
        items = value if isinstance(value, list) else [value]
        return all(takes(args[0], item) for item in items)
    if origin is Mapping:
        return isinstance(value, dict) and all(takes(args[1], each) for each in value.values())
    if origin is PathLike:
        return isinstance(value, PathLike)
    if hint is object:
        return isinstance(value, int | float | str | list | None) or value in ({"text": "text"}, {"text": 1})
    if hint is float:
        return isinstance(value, int | float | Fraction) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint)


def wrong_values() -> Iterator[Any]:
    for name, hint in OPTIONS.items():
        for number, value in enumerate(SAMPLES):
            if not takes(hint, value) and name != "props":
                yield pytest.param(name, value, id=f"{name}-{number}")
    for value in (object(), {"text": object()}, len):
        yield pytest.param("props", value, id=f"props-{value!r:.12}")


@pytest.mark.parametrize(("name", "value"), [*wrong_values()])
def test_a_value_of_another_type_is_refused_with_name_value_and_type(name: str, value: object) -> None:
    with pytest.raises(helios.UsageError) as caught:
        asyncio.run(helios.render("page.html", "a.mp4", **{name: value}))  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith(f"{name} must be ")
    assert ", not " in message
    assert "pydantic" not in message


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_checks_its_options(verb: str) -> None:
    function, arguments, options = VERBS[verb]
    for name in get_type_hints(options):
        with pytest.raises(helios.UsageError, match=rf"^{name} must be .*, not <object"):
            asyncio.run(function(*arguments, **{name: object()}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verb", "arguments", "name"),
    [
        (helios.render, (5,), "source"),
        (helios.render, ("page.html", 5), "output"),
        (helios.still, ("page.html", "a.png", "extra"), None),
        (helios.stitch, ([5], "a.mp4"), "inputs"),
        (helios.batch, ("page.html", 5, "{row}.mp4"), "rows"),
        (helios.batch, ("page.html", [5], "{row}.mp4"), "rows"),
    ],
)
def test_arguments_are_checked_like_options(verb: Any, arguments: tuple[object, ...], name: str | None) -> None:
    error = helios.UsageError if name else TypeError
    with pytest.raises(error, match=name and f"^{name} must be .*, not "):
        asyncio.run(verb(*arguments))


@pytest.mark.parametrize("name", OPTIONS)
def test_a_misspelt_name_is_refused_with_the_nearest(name: str) -> None:
    typo = f"{name[:-2]}{name[-1]}{name[-2]}" if name[-1] != name[-2] else name[:-1]
    for verb in (helios.render, helios.submit):
        with pytest.raises(helios.UsageError, match=f"^{typo}: did you mean {name}\\?$"):
            asyncio.run(verb("page.html", "a.mp4", **{typo: 1}))  # type: ignore[arg-type]
    with pytest.raises(helios.UsageError, match=f"^{typo}: did you mean {name}\\?$"):
        helios.render_sync("page.html", "a.mp4", **{typo: 1})  # type: ignore[arg-type]


def test_an_unknown_name_without_a_near_one_lists_what_there_is() -> None:
    with pytest.raises(helios.UsageError, match=r"^qqqqqq: no such option: take .*width"):
        asyncio.run(helios.render("page.html", qqqqqq=1))  # type: ignore[call-arg]
    with pytest.raises(helios.UsageError, match=r"^ouput: did you mean output\?"):
        asyncio.run(helios.render("page.html", ouput="a.mp4"))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        *((function, options) for function, _, options in VERBS.values()),
        (helios.render_sync, helios.RenderOptions),
        (helios.render_events, helios.RenderOptions),
        (helios.batch_sync, helios.BatchOptions),
    ],
    ids=lambda value: value.__name__,
)
def test_help_shows_every_option_with_type_default_and_meaning(verb: Any, options: type) -> None:
    shown = pydoc.plain(pydoc.render_doc(verb))
    described = (inspect.getdoc(verb) or "").partition("Args:\n")[2]
    parameters = inspect.signature(verb).parameters
    for name, hint in get_type_hints(options).items():
        assert parameters[name].annotation == hint
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert f" {name}: " in shown
        (line,) = [line.strip() for line in described.splitlines() if line.strip().startswith(f"{name}: ")]
        assert line[len(name) + 2 :][0].isupper()
        assert line.endswith(".")
    assert parameters.get("attempts") is None or parameters["attempts"].default == 4
    assert not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())


def test_options_with_units_name_them() -> None:
    text = inspect.getdoc(helios.render) or ""
    for name, unit in {
        "width": "pixels", "height": "pixels", "duration": "seconds", "ready_timeout": "seconds", "loudness": "LUFS",
        "frames": "frames", "chunk_frames": "frames", "fps": "per second",
    }.items():  # fmt: skip
        assert unit in text.partition(f" {name}: ")[2].splitlines()[0]


def test_one_value_is_a_list_of_one(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>page</p>")
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nText\n")
    options: dict[str, Any] = {"width": 64, "height": 64, "frames": 2, "capture": "faithful"}
    page, output = tmp_path / "page.html", tmp_path / "a.mp4"
    one = asyncio.run(helios.create_job(page, output, **options, subtitles=str(tmp_path / "a.srt")))
    several = asyncio.run(helios.create_job(page, output, **options, subtitles=[str(tmp_path / "a.srt")]))
    assert one.text == several.text
    assert one.text is not None
    for name in ("audio", "subtitles"):
        options[name] = "none.xyz"
        with pytest.raises(helios.HeliosError, match=r"none\.xyz"):
            asyncio.run(helios.create_job(page, output, **options))
        del options[name]
