"""Pages that fast capture can't show are captured faithfully."""

from fractions import Fraction
from pathlib import Path

import pytest
from stage_pages import (
    FRAMES,
    MOVER,
    capture_methods,
    draw,
    probe_page,
    render,
    serve,
    warnings,
    write_images,
    write_page,
)

import helios
from helios.orchestrator.events import RenderPlanned
from helios.renderer.messages import Probe
from support.videos import assert_exact

UNSAFE = {
    "an image of another origin": ("<img src={other_origin}/red.png style='display:block'>", "of another origin"),
    "a frame of another origin": ("<iframe src={other_origin}/inner.html></iframe>", "a frame of another origin"),
    "a blend with a filtered page background": (
        """<body style="margin:0;background:#886"><div style="width:192px;height:96px;background:#484;
        mix-blend-mode:difference;backdrop-filter:invert(1)"></div>""",
        "draws frame 0",
    ),
    "a page that reads its content through window.top": (
        "<h1 id=words>a</h1><script>window.top.document.getElementById('words').textContent = 'found'</script>",
        "TypeError",
    ),
    "a canvas with an OffscreenCanvas": (
        """<body style="margin:0"><canvas id=canvas width=320 height=96></canvas><script>
        const context = canvas.transferControlToOffscreen().getContext("2d");
        each((k) => context.fillRect(16 * k, 0, 16, 96));</script>""",
        "a canvas that is drawn by an OffscreenCanvas",
    ),
}  # fmt: skip


UNSAFE_TO_PROBE = {
    "a background of another origin": (
        "<div style='height:96px;background:url({other_origin}/red.png)'></div>",
        "of another origin",
    ),
    "a frame without an origin": (
        "<iframe sandbox srcdoc='<body style=background:red>'></iframe>",
        "a frame of another origin",
    ),
    "a page that compares window.top": (
        "<script>document.write(`<body style='background:${window.top === window ? '#0a0' : '#a00'}'>`)</script>",
        "draws frame 0",
    ),
    "a page that breaks out": (
        "<h1>a</h1><script>if (window.top !== window.self) window.top.location = location.href</script>",
        "breaks out of its frame",
    ),
    "a canvas in display-p3": (
        """<body style="margin:0"><canvas id=canvas width=320 height=96></canvas><script>
        const context = canvas.getContext("2d", { colorSpace: "display-p3" });
        each((k) => { context.fillStyle = "#08f"; context.fillRect(16 * k, 0, 48, 96); });</script>""",
        "draws frame",
    ),
    "two sides of a card": (
        """<style>div { transform-style: preserve-3d; width: 96px; height: 96px }
        b { position: absolute; inset: 0; backface-visibility: hidden }</style>
        <div id=card style="position:relative"><b style="background:#0a0"></b>
        <b style="background:#00a;transform:rotateY(180deg)"></b></div>
        <script>each((k) => (card.style.transform = `rotateY(${16 * k}deg)`))</script>""",
        "preserve-3d",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNSAFE)
def test_a_page_that_the_stage_can_not_show_is_captured_faithfully(
    kind: str, other_origin: str, tmp_path: Path
) -> None:
    html, reason = UNSAFE[kind]
    page = write_page(tmp_path, html.replace("{other_origin}", other_origin) + MOVER)
    video, events = render(page, tmp_path / "auto.mp4", FRAMES)
    planned = events[0]
    assert planned.event == "render-planned"
    assert_unfit(planned, reason)
    assert (capture_methods(events), warnings(events)) == (["begin-frame"], [])
    assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame").hashes
    assert len(set(video.hashes)) == FRAMES


@pytest.mark.parametrize("kind", UNSAFE_TO_PROBE)
def test_the_probe_detects_a_page_that_the_stage_can_not_show(kind: str, other_origin: str, tmp_path: Path) -> None:
    html, reason = UNSAFE_TO_PROBE[kind]
    assert_unfit(
        probe_page(write_page(tmp_path, html.replace("{other_origin}", other_origin) + MOVER), tmp_path), reason
    )


def assert_unfit(found: RenderPlanned | Probe, reason: str) -> None:
    """Asserts that the page is captured faithfully, for that reason."""
    assert found.capture == "begin-frame"
    assert found.comparison
    assert not found.comparison.agree
    assert reason in (found.comparison.reason or "")


@pytest.mark.parametrize(
    "header", [("X-Frame-Options", "DENY"), ("Content-Security-Policy", "frame-ancestors 'none'"), ("X-Other", "none")]
)
def test_a_page_that_refuses_to_be_in_a_frame_is_captured_faithfully(header: tuple[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    write_page(folder, f"<h1>words</h1>{MOVER}")
    with serve(folder, headers=dict([header])) as address:
        found = probe_page(f"{address}/page.html", tmp_path)
    if header[0] == "X-Other":
        assert found.comparison
        assert (found.capture, found.comparison.reason) == ("stage", None)
    else:
        assert_unfit(found, "there is a page that can't be put into a frame")


LATE = {
    "image": "const image = new Image(); image.src = '{other_origin}/red.png'; document.body.append(image);",
    "frame": "const frame = document.createElement('iframe'); frame.src = '{other_origin}/inner.html'; document.body.append(frame);",
}


def late_page(kind: str, other_origin: str) -> str:
    """A page that becomes unsafe at frame 40, which the probe does not reach."""
    late = LATE[kind].replace("{other_origin}", other_origin)
    return f"<body>{MOVER}<script>each((k) => {{ if (k === 40) {{ {late} }} }})</script>"


@pytest.mark.parametrize("kind", LATE)
def test_a_video_that_becomes_unsafe_is_rendered_again(kind: str, other_origin: str, tmp_path: Path) -> None:
    page = write_page(tmp_path, late_page(kind, other_origin))
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(60))
    assert set(faithful.hashes[40:]).isdisjoint(faithful.hashes[:40]), "the new content shows"
    video, events = render(page, tmp_path / "auto.mp4", 60)
    assert capture_methods(events) == ["stage", "begin-frame"]
    (warning,) = warnings(events)
    assert "not safe" in warning
    assert "of another origin (at frame 4" in warning
    assert warning.endswith("renders it again with faithful capture")
    assert video.hashes == faithful.hashes
    assert_exact(tmp_path / "auto.mp4", 60, Fraction(30))


@pytest.mark.parametrize("before", [range(0), range(39, 41)], ids=["immediately", "while it steps"])
def test_a_page_that_leaves_its_frame_late_is_rendered_again(before: range, tmp_path: Path) -> None:
    page = write_page(
        tmp_path,
        f"<body>{MOVER}<script>each((k) => {{ if (k === 40 && top !== self) top.location = location; }})</script>",
    )
    faithful = draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(before.stop, 60))
    video, events = render(page, tmp_path / "auto.mp4", 60, frame_range=f"{before.stop}:60")
    assert capture_methods(events) == ["stage", "begin-frame"]
    (warning,) = warnings(events)
    assert "there is a page that breaks out of its frame (at frame 4" in warning
    assert video.hashes == faithful.hashes


def test_fast_capture_that_becomes_unsafe_leaves_the_older_file(other_origin: str, tmp_path: Path) -> None:
    page = write_page(tmp_path, late_page("image", other_origin))
    output = tmp_path / "output"
    output.mkdir()
    (output / "a.mp4").write_text("an older video")
    seen: list[helios.RenderEvent] = []
    with pytest.raises(helios.CaptureUnsafe, match="of another origin"):
        render(page, output / "a.mp4", 60, capture="fast", on_event=seen.append)
    assert capture_methods(seen) == ["stage"]
    assert any(event.event == "chunk-progressed" for event in seen), "frames were drawn"
    assert [path.name for path in output.iterdir()] == ["a.mp4"]
    assert (output / "a.mp4").read_text() == "an older video"


APPEARING = {
    "a canvas with an OffscreenCanvas": """if (k === 20) context = canvas.transferControlToOffscreen().getContext("2d");
        if (k >= 20) context.fillRect(4 * k, 0, 16, 64);""",
    "a view transition": "if (k === 20) document.startViewTransition(() => (box.style.background = '#468'));",
    "a hidden backface": "if (k === 20) card.hidden = false; card.style.transform = 'rotateY(180deg)';",
    "mix-blend-mode on html": "if (k === 20) document.documentElement.style.mixBlendMode = 'difference';",
    "a canvas in the page": "if (k === 20) canvas.hidden = false, canvas.getContext('2d').fillRect(0, 0, 32, 32);",
}


@pytest.mark.parametrize("kind", APPEARING)
def test_an_unsupported_feature_that_appears_late_is_detected(kind: str, tmp_path: Path) -> None:
    page = write_page(
        tmp_path,
        """<style>body { margin: 0 } #card { transform-style: preserve-3d; width: 64px; height: 64px }
        #card b { position: absolute; width: 64px; height: 64px; background: #0a0; backface-visibility: hidden }
        canvas { position: absolute; left: 96px; top: 48px } [hidden] { display: none }</style>
        <div id=box style="width:64px;height:64px;background:#864"></div><div id=card hidden><b></b></div>
        <canvas id=canvas width=160 height=64 hidden></canvas><script>let context; each((k) => {"""
        + ("canvas.hidden = false;" if "Offscreen" in kind else "")
        + APPEARING[kind]
        + "});</script>"
        + MOVER,
    )
    video, events = render(page, tmp_path / "auto.mp4", 24)
    assert capture_methods(events)[-1] == "begin-frame"
    if "transition" not in kind:  # it differs in every render, even faithfully
        assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(24)).hashes


@pytest.mark.parametrize("loop", ["", MOVER])
def test_an_animated_image_moves_late_in_the_video(loop: str, tmp_path: Path) -> None:
    write_images(tmp_path / "moving.gif", [10, 90, 170, 250], 1, "gif", "rgb8", loop="0")
    page = write_page(tmp_path, f"<body><img src=moving.gif><script>setTimeout(() => 0, 9000)</script>{loop}")
    video, _ = render(page, tmp_path / "auto.mp4", 48)
    assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(48)).hashes


def test_a_frame_of_another_origin_in_a_shadow_tree_is_detected(tmp_path: Path) -> None:
    page = write_page(
        tmp_path,
        f"""<div id=host></div><script>const root = host.attachShadow({{ mode: "open" }}); each((k) => {{
        if (k === 14) root.innerHTML = "<iframe src='data:text/html,<body style=background:red>'>"; }});</script>{MOVER}""",
    )
    video, events = render(page, tmp_path / "auto.mp4", 24)
    assert capture_methods(events)[-1] == "begin-frame"
    assert "a frame of another origin" in warnings(events)[0]
    assert video.hashes == draw(page, tmp_path / "faithful.mp4", "begin-frame", frames=range(24)).hashes
