"""A page that keeps its frame from being drawn goes on: its timers, its animation frames and its observers."""

import asyncio
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from test_clock import at_frame

import helios
from helios.composition import Composition, PageSettings, Source
from helios.errors import PageError
from helios.renderer.browser.browser import open_page
from helios.renderer.capture.methods import create_capture
from helios.renderer.messages import CaptureMethod
from support.videos import frame_pixels

BOX = "<div id=box style='width:40px;height:30px;background:red'></div>"
WAYS = {
    "an animation frame": "requestAnimationFrame(done)",
    "two animation frames": "requestAnimationFrame(() => requestAnimationFrame(done))",
    "many animation frames": "let n = 0; requestAnimationFrame(function f() { ++n > 40 ? done() : requestAnimationFrame(f) })",
    "a time-out": "setTimeout(done, 50)",
    "a late time-out": "setTimeout(done, 5000)",
    "a chain of time-outs": "let n = 0; (function f() { ++n > 300 ? done() : setTimeout(f, 10) })()",
    "an interval": "let n = 0; const id = setInterval(() => { if (++n > 30) { clearInterval(id); done() } }, 100)",
    "an interval that sees what a frame did": """let seen = false; requestAnimationFrame(() => { seen = true });
        const id = setInterval(() => { if (seen) { clearInterval(id); done() } }, 30)""",
    "a time-out within a frame": "requestAnimationFrame(() => setTimeout(() => requestAnimationFrame(done), 0))",
    "an idle callback": "requestIdleCallback(done)",
    "a mutation": """const observer = new MutationObserver(() => { observer.disconnect(); requestAnimationFrame(done) });
        observer.observe(box, { attributes: true }); box.title += "x";""",
    "a change of size": """const width = box.offsetWidth; let seen = 0;
        const observer = new ResizeObserver(() => { if (++seen === 1) box.style.width = width + 1 + "px"; else { observer.disconnect(); done() } });
        observer.observe(box)""",
    "an intersection": "const observer = new IntersectionObserver(() => { observer.disconnect(); done() }); observer.observe(box)",
    "an intersection after a while": """setTimeout(() => { const observer = new IntersectionObserver(() => { observer.disconnect(); done() });
        observer.observe(box) }, 20)""",
    "a worker": """const worker = new Worker(URL.createObjectURL(new Blob(["onmessage = () => postMessage(1)"])));
        worker.onmessage = () => requestAnimationFrame(done); worker.postMessage(0)""",
    "a module": "import('./module.js').then(() => requestAnimationFrame(done))",
    "a message": "const { port1, port2 } = new MessageChannel(); port1.onmessage = () => requestAnimationFrame(done); port2.postMessage(0)",
}  # fmt: skip
HOLDS = {
    "before frame 0": "helios.hold('it'); (() => { WAY })(); function done() { helios.release(); window.released = [performance.now()] }",
    "in a frame": """window.released = []; setTimeout(function again() {
        helios.hold('it'); const done = () => { released.push(performance.now()); helios.release() }; WAY }, 66)""",
    "in helios.seek": """window.released = []; helios.seek = () => new Promise((resolve) => {
        const done = () => { released.push(performance.now()); resolve() }; WAY })""",
    "in an async helios.seek": """window.released = []; helios.seek = async () => {
        await new Promise((done) => { WAY }); released.push(performance.now()) }""",
}
RELEASED = {
    "before frame 0": [0],
    "in a frame": [2000 / 30],
    "in helios.seek": [0, 1000 / 30, 2000 / 30],
    "in an async helios.seek": [0, 1000 / 30, 2000 / 30],
}


@pytest.mark.parametrize("hold", HOLDS)
@pytest.mark.parametrize("way", WAYS)
def test_a_page_lets_go_by_whatever_it_waits_for_while_its_time_stands(way: str, hold: str, tmp_path: Path) -> None:
    (tmp_path / "module.js").write_text("export default 1")
    html = f"<body>{BOX}<script>{HOLDS[hold].replace('WAY', WAYS[way])}</script>"
    found = at_frame(tmp_path, html, 2, "[released, performance.now()]")
    assert found == [pytest.approx(RELEASED[hold]), pytest.approx(2000 / 30)]


@pytest.mark.parametrize("way", ["two animation frames", "an interval", "an intersection"])
def test_a_page_lets_go_without_begin_frame_control(way: str, tmp_path: Path) -> None:
    html = f"<body>{BOX}<script>{HOLDS['in helios.seek'].replace('WAY', WAYS[way])}</script>"
    assert at_frame(tmp_path, html, 1, "released.length", method="screenshot") == 2


def test_what_lies_ahead_stays_there_while_a_page_holds(tmp_path: Path) -> None:
    html = """<script>
    window.log = [];
    setTimeout(() => log.push(["scene", performance.now()]), 1050);
    setInterval(() => log.push(["beat", performance.now()]), 700);
    helios.hold();
    let n = 0;
    requestAnimationFrame(function f() { ++n > 5 ? helios.release() : requestAnimationFrame(f) });
    </script>"""
    assert at_frame(tmp_path, html, 45, "log") == [["beat", 700], ["scene", 1050], ["beat", 1400]]


def test_an_interval_that_has_let_the_page_go_keeps_its_beat(tmp_path: Path) -> None:
    html = """<script>
    window.log = [];
    helios.hold();
    setInterval(() => { log.push(performance.now()); if (log.length === 20) helios.release() }, 100);
    </script>"""
    assert at_frame(tmp_path, html, 9, "log") == [*[0] * 20, 100, 200, 300]


PAGES = {
    "step": """<p id=p></p><script>
    let n = 0, ready = 0;
    helios.hold();
    requestAnimationFrame(() => requestAnimationFrame(() => { ready = 1; helios.release() }));
    requestAnimationFrame(function f() {
      if (n % 3 === 1) {
        helios.hold();
        let polls = 0;
        const id = setInterval(() => { if (++polls > 8) { clearInterval(id); helios.release() } }, 50);
      }
      p.textContent = [ready, n++, performance.now()].join();
      p.style.marginLeft = n * 7 + "px";
      requestAnimationFrame(f);
    });
    </script>""",
    "seek": """<p id=p></p><div id=box>-</div><script>
    helios.seek = (s) => new Promise((done) => {
      new ResizeObserver((entries, observer) => { observer.disconnect(); box.textContent += "|"; }).observe(p);
      p.style.width = 50 + s * 100 + "px";
      requestAnimationFrame(() => setTimeout(() => {
        p.textContent = s.toFixed(3); box.textContent = p.offsetWidth; requestAnimationFrame(done);
      }, 30));
    });
    </script>""",
    "still": """<p id=p style="animation:k 1s linear">x</p><style>@keyframes k{to{margin-left:300px}}</style><script>
    helios.seek = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    </script>""",
}


@pytest.mark.parametrize("capture", ["fast", "faithful"])
@pytest.mark.parametrize("kind", PAGES)
def test_pages_that_hold_have_the_same_frames_in_any_chunks(kind: str, capture: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><style>p{{font:30px sans-serif}}</style>{PAGES[kind]}")

    def draw(chunk_frames: int) -> tuple[str, ...]:
        options: dict[str, Any] = {"width": 320, "height": 180, "preset": "ultrafast", "workers": 2, "fresh": True}
        options |= {"frames": 12, "chunk_frames": chunk_frames, "capture": capture}
        return tuple(helios.render_sync(page, tmp_path / "out.mp4", **options).hashes)

    whole = draw(12)
    assert len(set(whole)) == 12
    assert draw(12) == whole
    assert draw(5) == whole


@pytest.mark.parametrize("method", ["stage", "begin-frame"])
def test_what_changes_in_a_held_frame_is_seen(method: CaptureMethod, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        """<!doctype html><body style="margin:0"><script>
        helios.seek = (s) => new Promise((done) => requestAnimationFrame(() => {
          document.body.style.background = s > 0.15 ? "#00f" : "#f00";
          requestAnimationFrame(() => requestAnimationFrame(done));
        }));
        </script>"""
    )
    from test_page_video import draw

    draw(tmp_path / "page.html", tmp_path / "video.mp4", range(8), method, "seek")
    for frame in range(8):
        expected = (0, 0, 255) if frame / 30 > 0.15 else (255, 0, 0)
        assert abs(frame_pixels(tmp_path / "video.mp4", frame)[90, 160].astype(int) - expected).max() < 8


@pytest.mark.parametrize(
    "release", ["requestAnimationFrame(() => requestAnimationFrame(helios.release))", "worker.postMessage(n)"]
)
def test_a_loop_that_holds_in_every_frame_comes_once_a_frame(release: str, tmp_path: Path) -> None:
    html = f"""<script>
    const worker = new Worker(URL.createObjectURL(new Blob(["onmessage = () => {{ for (const until = Date.now() + 30; Date.now() < until;); postMessage(1) }}"])));
    worker.onmessage = () => helios.release();
    window.n = 0;
    requestAnimationFrame(function loop() {{ n++; helios.hold(); {release}; requestAnimationFrame(loop) }});
    </script>"""
    assert at_frame(tmp_path, html, 9, "n") == 10


NEVER = {
    "animation frames": "requestAnimationFrame(function f() { requestAnimationFrame(f) })",
    "intervals": "setInterval(() => 0, 1)",
    "time-outs": "(function f() { setTimeout(f) })()",
    "nothing": "",
    "messages": "const { port1, port2 } = new MessageChannel(); port1.onmessage = () => port2.postMessage(0); port2.postMessage(0)",
}  # fmt: skip


@pytest.mark.parametrize("loop", NEVER)
def test_a_page_that_never_lets_go_is_named_with_what_it_waits_for(loop: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><script>helios.hold('the map'); {NEVER[loop]}</script>")

    async def run() -> None:
        async with open_page(
            Source.parse(page), (64, 64), "begin-frame", tmp_path / "work", PageSettings(ready_timeout=3)
        ):
            pass

    with pytest.raises(
        PageError, match=r"not ready before frame 0 after 3 s: it waits for the map \(--ready-timeout\)"
    ):
        asyncio.run(run())


OUTCOMES: dict[str, tuple[str, bool]] = {
    "a promise": ("new Promise((done) => setTimeout(done, 50))", True),
    "an async function's": ("(async () => { await new Promise((done) => setTimeout(done, 50)) })()", True),
    "a subclass": ("new (class Mine extends Promise {})((done) => setTimeout(done, 50))", True),
    "another realm's": ("new f.contentWindow.Promise((done) => setTimeout(done, 50))", True),
    "a thenable that calls back": ("({ then: (done) => { fetch('page.html').then((r) => r.text()).then(done) } })", True),
    "a thenable that never does": ("({ then() {} })", False),
    "an object": ("({ then: 5 })", False),
}  # fmt: skip


@pytest.mark.parametrize("kind", OUTCOMES)
def test_only_promises_are_waited_for_without_an_end(kind: str, tmp_path: Path) -> None:
    outcome, called = OUTCOMES[kind]
    html = f"""<iframe id=f srcdoc=""></iframe><script>
    window.log = [];
    helios.seek = (s) => {{
      const outcome = {outcome};
      const entry = [s, 0];
      log.push(entry);
      if (typeof outcome.then === "function") {{
        const then = outcome.then;
        outcome.then = function (done, failed) {{ return then.call(this, (value) => {{ entry[1] = 1; done?.(value) }}, failed) }};
        if (outcome.then.call !== undefined && outcome instanceof Promise) outcome.then();
      }}
      return outcome;
    }};
    </script>"""
    if "another" in kind:
        html = html.replace("outcome instanceof Promise", "true")
    found = at_frame(tmp_path, html, 1, "log")
    assert found == [[0, int(called)], [pytest.approx(1 / 30), int(called)]]


def test_a_seek_that_fails_is_said(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><script>helios.seek = async () => { throw new Error('no such scene') }</script>")

    async def run() -> list[str]:
        composition = Composition(source=Source.parse(page), width=64, height=64, fps=Fraction(30), frames=2)
        async with open_page(composition.source, (64, 64), "begin-frame", tmp_path / "work") as opened:
            capture = create_capture("begin-frame", opened, composition.fps)
            await capture.warm_up()
            await capture.step(0)
            return opened.warnings

    assert [warning.partition(" (")[0] for warning in asyncio.run(run())] == ["Error: no such scene"]
