"""What a page sees of time."""

import asyncio
from collections.abc import Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from helios.composition import PageSettings, Source
from helios.renderer.browser.browser import open_page
from helios.renderer.browser.page import Page
from helios.renderer.capture.methods import create_capture
from helios.renderer.messages import CaptureMethod

FPS = Fraction(30)


def on_page(
    folder: Path,
    html: str,
    look: Callable[[Page, Callable[[int], Awaitable[Any]]], Awaitable[Any]],
    *,
    props: object = None,
    method: CaptureMethod = "begin-frame",
) -> Any:
    """What `look` finds on a page made of `html`; its second argument moves the page on to a frame."""
    (folder / "page.html").write_text(f"<!doctype html><meta charset=utf-8>{html}")

    async def run() -> Any:
        source = Source.parse(folder / "page.html")
        async with open_page(source, (320, 180), method, folder / "work", PageSettings(props=props)) as page:
            capture = create_capture(method, page, FPS)
            await capture.warm_up()
            at = 0

            async def to(frame: int) -> None:
                nonlocal at
                for k in range(at, frame + 1):
                    await capture.step(k)
                at = frame + 1

            return await look(page, to)

    return asyncio.run(run())


def at_frame(folder: Path, html: str, frame: int, expression: str, **options: Any) -> Any:
    """The value of an expression when the page stands at a frame, reached by stepping."""

    async def look(page: Page, to: Callable[[int], Awaitable[Any]]) -> Any:
        await to(frame)
        return await page.evaluate(expression)

    return on_page(folder, html, look, **options)


def test_every_clock_says_the_time_of_the_frame(tmp_path: Path) -> None:
    expression = """[performance.now(), Date.now() - Date.UTC(2026, 0, 1), new Date().toISOString(), Date(),
        document.timeline.currentTime, Temporal.Now.instant().epochMilliseconds - Date.UTC(2026, 0, 1),
        performance.timeOrigin, new Date(5).getTime(), new Date() instanceof Date, new Date().constructor === Date]"""
    found = at_frame(tmp_path, "<body>", 45, expression)
    assert found[:3] == [1500, 1500, "2026-01-01T00:00:01.500Z"]
    assert found[3].startswith("Thu Jan 01 2026 00:00:01")
    assert found[4:] == [1500, 1500, 1_767_225_600_000, 5, True, True]


def test_a_frame_at_an_ntsc_rate_is_at_its_exact_time(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<body>")

    async def run() -> float:
        async with open_page(Source.parse(tmp_path), (64, 64), "begin-frame", tmp_path / "work") as page:
            capture = create_capture("begin-frame", page, Fraction(24000, 1001))
            await capture.warm_up()
            await capture.step(0)
            await capture.step(1001)
            return await page.evaluate("performance.now()")

    (tmp_path / "page.html").rename(tmp_path / "index.html")
    assert asyncio.run(run()) == float(Fraction(1001 * 1000 * 1001, 24000))


def test_timers_run_in_order_at_their_own_times(tmp_path: Path) -> None:
    html = """<script>
    window.log = [];
    const note = (name) => () => log.push([name, performance.now()]);
    setTimeout(note("b"), 20); setTimeout(note("a"), 10); setTimeout(note("c"), 20);
    setInterval(note("i"), 15);
    setTimeout((x) => log.push([x, performance.now()]), 30, "argument");
    setTimeout("log.push(['text', performance.now()])", 31);
    clearTimeout(setTimeout(note("never"), 5));
    </script>"""
    assert at_frame(tmp_path, html, 1, "log") == [
        ["a", 10], ["i", 15], ["b", 20], ["c", 20], ["argument", 30], ["i", 30], ["text", 31],
    ]  # fmt: skip


def test_promises_go_on_between_two_timers(tmp_path: Path) -> None:
    html = """<script>
    window.steps = [];
    const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
    (async () => { for (;;) { await sleep(10); await null; steps.push(performance.now()); } })();
    </script>"""
    assert at_frame(tmp_path, html, 3, "steps") == [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]


def test_an_animation_frame_is_called_once_for_each_frame_with_its_time(tmp_path: Path) -> None:
    html = """<script>
    window.calls = [];
    requestAnimationFrame(function loop(t) { calls.push(t); requestAnimationFrame(loop); });
    cancelAnimationFrame(requestAnimationFrame(() => calls.push("never")));
    </script>"""
    assert at_frame(tmp_path, html, 3, "calls") == [0, 1000 / 30, 2000 / 30, 100]


def test_what_a_frame_causes_is_done_before_it_is_drawn(tmp_path: Path) -> None:
    html = """<p id=p>-</p><script>
    const channel = new MessageChannel();
    channel.port1.onmessage = (event) => setImmediateish(() => (p.textContent = event.data));
    const again = new MessageChannel();
    let next; again.port1.onmessage = () => next();
    const setImmediateish = (run) => { next = run; again.port2.postMessage(0); };
    let frame = 0;
    requestAnimationFrame(function loop() { channel.port2.postMessage(frame++); requestAnimationFrame(loop); });
    </script>"""
    assert at_frame(tmp_path, html, 5, "p.textContent") == "5"


def test_random_numbers_are_the_same_every_time_and_spread_evenly(tmp_path: Path) -> None:
    html = "<script>window.drawn = Array.from({ length: 4000 }, Math.random);</script>"
    runs = [at_frame(tmp_path, html, 0, "drawn") for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 4000
    assert abs(sum(runs[0]) / 4000 - 0.5) < 0.02


def test_a_same_origin_frame_shares_the_clock(tmp_path: Path) -> None:
    (tmp_path / "inner.html").write_text(
        "<script>window.calls=0;(function l(){calls++;requestAnimationFrame(l)})();setInterval(()=>window.beat=performance.now(),50)</script>"
    )
    html = "<iframe id=f src=inner.html></iframe>"
    expression = "[f.contentWindow.performance.now(), f.contentWindow.Date.now() - Date.now(), f.contentWindow.calls, f.contentWindow.beat]"
    assert at_frame(tmp_path, html, 9, expression) == [300, 0, 11, 300]


def test_css_animations_stand_where_the_frame_says_in_shadow_roots_and_frames_too(tmp_path: Path) -> None:
    style = "<style>@keyframes k{to{margin-left:1000px}}p{animation:k 1s linear;margin:0;width:1px}</style>"
    html = f"""{style}<p id=p></p><div id=host></div><iframe id=f srcdoc="{style}<p id=p></p>"></iframe><script>
    host.attachShadow({{ mode: "open" }}).innerHTML = "{style.replace("p{", "b{display:block;")}<b></b>";
    const left = (e) => parseFloat(e.ownerDocument.defaultView.getComputedStyle(e).marginLeft);
    window.look = () => [p, host.shadowRoot.querySelector("b"), f.contentDocument.querySelector("p")].map(left);
    </script>"""
    assert at_frame(tmp_path, html, 15, "look()") == pytest.approx([500, 500, 500], abs=0.01)


def test_an_animation_ends_with_its_frame_and_the_next_begins_there(tmp_path: Path) -> None:
    html = """<div id=d></div><script>
    window.ends = [];
    const go = () => d.animate([{ opacity: 0 }, { opacity: 1 }], 100).finished.then(() => { ends.push(performance.now()); go(); });
    go();
    </script>"""
    assert at_frame(tmp_path, html, 12, "ends.map(Math.round)") == [100, 200, 300, 400]


def test_animation_and_transition_events_come_with_their_frame(tmp_path: Path) -> None:
    html = """<style>@keyframes k{to{left:9px}}div{position:relative;transition:top .1s;top:0}.on{animation:k .1s 2;top:5px}</style><div id=d></div><script>
    window.seen = [];
    for (const type of ["animationstart", "animationiteration", "animationend", "transitionend"])
      d.addEventListener(type, () => seen.push([type, Math.round(performance.now())]));
    setTimeout(() => d.classList.add("on"), 100);
    </script>"""
    assert sorted(at_frame(tmp_path, html, 12, "seen")) == [
        ["animationend", 300], ["animationiteration", 200], ["animationstart", 133], ["transitionend", 200],
    ]  # fmt: skip


def test_a_page_that_pauses_and_seeks_its_animation_is_obeyed(tmp_path: Path) -> None:
    html = """<div id=d></div><script>
    const a = d.animate([{ opacity: 0 }, { opacity: 1 }], 10000);
    setTimeout(() => a.pause(), 100); setTimeout(() => a.play(), 200); setTimeout(() => (a.currentTime = 5000), 300);
    </script>"""
    expression = "document.getAnimations()[0].currentTime"
    assert at_frame(tmp_path, html, 5, expression) == pytest.approx(100, abs=0.01)
    assert at_frame(tmp_path, html, 8, expression) == pytest.approx(100 + 200 / 3, abs=0.01)
    assert at_frame(tmp_path, html, 12, expression) == pytest.approx(5100, abs=0.01)


def test_smil_follows_the_clock(tmp_path: Path) -> None:
    html = "<svg width=9 height=9><rect id=r width=9 height=9><animate attributeName=x from=0 to=100 dur=1s /></rect></svg>"
    assert at_frame(tmp_path, html, 15, "r.x.animVal.value") == pytest.approx(50)


def test_held_frames_wait_and_time_stands_meanwhile(tmp_path: Path) -> None:
    html = """<script>
    helios.hold();
    setTimeout(() => { window.released = performance.now(); helios.release(); }, 300);
    window.frames_ = [];
    requestAnimationFrame(function loop(t) {
      if (frames_.length === 3) { helios.hold(); fetch("page.html").then((r) => r.text()).then((t) => { window.got = t.length; helios.release(); }); }
      frames_.push(t); requestAnimationFrame(loop);
    });
    </script>"""
    found = at_frame(tmp_path, html, 3, "[window.released, frames_.length, window.got > 100, performance.now()]")
    assert found == [0, 4, True, 100]


def test_seek_is_awaited_with_seconds_and_may_be_assigned_as_an_object(tmp_path: Path) -> None:
    html = """<script>window.sought = [];
    window.helios = { seek: async (s) => { await fetch("page.html"); sought.push(s); } };</script>"""
    assert at_frame(tmp_path, html, 3, "[sought, helios.props, typeof helios.hold]", props={"a": 1}) == [
        [0, 1 / 30, 2 / 30, 0.1], {"a": 1}, "function",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("html", "motion"),
    [
        ("<style>@keyframes k{to{left:9px}}p{animation:k 1s}</style><p>", "jump"),
        ("<p>Nothing moves</p><script>performance.now()</script>", "jump"),
        ("<script>document.body.animate([], 1000)</script>", "jump"),
        ("<script>setTimeout(() => 0, 5000)</script>", "step"),
        ("<script>requestAnimationFrame(function f() { requestAnimationFrame(f) })</script>", "step"),
        ("<p onanimationend='0'>", "step"),
        ("<p><script>document.querySelector('p').addEventListener('transitionend', () => 0)</script>", "step"),
        ("<script>document.body.onanimationend = () => 0</script>", "step"),
        ("<script>document.body.animate([], 1000).finished</script>", "step"),
        ("<svg><rect><animate id=a attributeName=x dur=1s /><animate attributeName=y begin=a.end dur=1s /></rect></svg>", "step"),
        ("<svg><rect><animate attributeName=x begin=0.5s dur=1s /></rect></svg>", "jump"),
        ("<script>new Worker(URL.createObjectURL(new Blob([''])))</script>", "step"),
        ("<script>helios.seek = () => 0; requestAnimationFrame(() => 0)</script>", "seek"),
    ],
)  # fmt: skip
def test_how_a_page_gets_to_a_frame_is_seen_from_what_it_uses(html: str, motion: str, tmp_path: Path) -> None:
    async def look(page: Page, to: Callable[[int], Awaitable[Any]]) -> Any:
        await to(0)
        return await page.motion()

    assert on_page(tmp_path, f"<body>{html}", look) == motion


def test_without_begin_frame_control_clocks_and_animations_stand_where_the_frame_says(tmp_path: Path) -> None:
    html = """<style>@keyframes k{to{margin-left:1000px}}p{animation:k 1s linear both;width:1px}</style><p id=p></p><script>
    window.ends = 0; p.addEventListener("animationend", () => ends++);</script>"""
    expression = "[performance.now(), parseFloat(getComputedStyle(p).marginLeft), ends]"
    found = at_frame(tmp_path, html, 15, expression, method="screenshot")
    assert found == [500, pytest.approx(500, abs=0.01), 0]
    found = at_frame(tmp_path, html, 33, expression, method="screenshot")
    assert found == [1100, pytest.approx(1000, abs=0.01), 1]
