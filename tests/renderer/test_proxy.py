"""What a page may reach, by whatever way it tries."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import helios
from helios.composition import Network, PageSettings, Source
from helios.composition.declared import Declared
from helios.renderer.browser.proxy import EgressProxy, is_elsewhere, is_public
from helios.renderer.messages import ProbeSpec

SIZE: dict[str, Any] = {"width": 320, "height": 180, "frames": 6, "preset": "ultrafast", "workers": 1, "fresh": True}


class Witness:
    """A server on loopback, and a UDP port, that note whoever comes."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.port = 0
        self.udp_port = 0


@contextmanager
def witness(host: str = "127.0.0.1") -> Generator[Witness]:
    found = Witness()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.seen.append(self.path)
            self.send_response(302 if self.path == "/away" else 200)
            self.send_header("Access-Control-Allow-Origin", "*")
            if self.path == "/away":
                self.send_header("Location", f"http://127.0.0.1:{found.port}/redirected")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        def server_bind(self) -> None:
            if ":" in host:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            super().server_bind()

    with ExitStack() as stack:
        udp = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(0.1)
        server = stack.enter_context(Server((host, 0), Handler))
        found.port, found.udp_port = server.server_address[1], udp.getsockname()[1]
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    udp.recv(100)
                    found.seen.append("udp")
                except TimeoutError:
                    continue

        threads = [threading.Thread(target=server.serve_forever, args=(0.05,)), threading.Thread(target=listen)]
        for thread in threads:
            thread.start()
        try:
            yield found
        finally:
            over.set()
            server.shutdown()
            for thread in threads:
                thread.join()


WAYS = {
    "fetch": "await fetch('http://127.0.0.1:PORT/fetch')",
    "name": "await fetch('http://localhost:PORT/name')",
    "number": "await fetch('http://2130706433:PORT/number')",
    "hexadecimal": "await fetch('http://0x7f000001:PORT/hexadecimal')",
    "any": "await fetch('http://0.0.0.0:PORT/any')",
    "redirected": "await fetch('http://127.0.0.1:PORT/away')",
    "image": "await new Promise((go) => { const i = new Image(); i.onload = i.onerror = go; i.src = 'http://127.0.0.1:PORT/image'; })",
    "frame": "await new Promise((go) => { const f = document.createElement('iframe'); f.onload = f.onerror = go; f.src = 'http://127.0.0.1:PORT/frame'; document.body.append(f); })",
    "socket": "await new Promise((go) => { const s = new WebSocket('ws://127.0.0.1:PORT/socket'); s.onerror = s.onclose = go; })",
    "worker": "await new Promise((go) => { const w = new Worker(URL.createObjectURL(new Blob([`fetch('http://127.0.0.1:PORT/worker').finally(() => postMessage(0))`]))); w.onmessage = go; })",
    "beacon": "navigator.sendBeacon('http://127.0.0.1:PORT/beacon')",
    "udp": """const pc = new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:UDP' }] });
        pc.createDataChannel('x'); await pc.setLocalDescription(await pc.createOffer());
        for (let k = 0; k < 200; k++) await fetch('page.html')""",
}
NOWHERE = [
    "await fetch('http://helios.localhost:PORT/own')",
    "await fetch('http://[::ffff:127.0.0.1]:PORT/mapped')",
    "await fetch('http://[::1]:PORT/six')",
]


def draw(folder: Path, script: str, network: Network, **more: Any) -> tuple[helios.RenderResult, list[str]]:
    """Renders a page with a script that is waited for."""
    page = folder / "page.html"
    page.write_text(
        f"<!doctype html><body><p>a</p><script>helios.hold(); (async () => {{ try {{ {script} }} catch (error) {{}}"
        " helios.release(); })()</script>"
    )
    warnings: list[str] = []

    def note(event: helios.RenderEvent) -> None:
        if event.event == "warning-issued":
            warnings.append(event.message)

    video = helios.render_sync(page, folder / "video.mp4", network=network, on_event=note, **{**SIZE, **more})
    return video, warnings


@pytest.mark.parametrize("network", ["public", "none", "all"])
def test_loopback_is_not_reached_by_any_way(network: Network, tmp_path: Path) -> None:
    with witness() as found:
        script = "".join(f"try {{ {way} }} catch {{}}\n" for way in [*WAYS.values(), *NOWHERE])
        script = script.replace("PORT", str(found.port)).replace("UDP", str(found.udp_port))
        _, warnings = draw(tmp_path, script, network, capture="faithful")
        seen = {path.removeprefix("/") for path in found.seen}
        if network == "all":
            assert seen >= set(WAYS), "all of it would be reached, if it might"
        else:
            assert seen == set()
            for host in ("127.0.0.1", "localhost", "helios.localhost", "0.0.0.0", "::1"):
                assert f"{host} was blocked: the page's network access is {network} (--network)" in warnings


@pytest.mark.parametrize("in_worker", [True, False])
def test_a_worker_keeps_its_machine_from_pages_that_may_reach_all(in_worker: bool, tmp_path: Path) -> None:
    with witness() as found:
        page = f"<p>a</p><script>fetch('http://127.0.0.1:{found.port}/fetch').catch(() => 0)</script>"
        (tmp_path / "page").mkdir()
        (tmp_path / "page" / "page.html").write_text(page)
        source = Source(root=Path("page"), entry="page.html")
        declared = Declared(width=320, height=180, frames=2)
        spec = ProbeSpec(source=source, declared=declared, page=PageSettings(network="all"), capture="faithful")
        (tmp_path / "spec.json").write_text(spec.model_dump_json())
        command = [sys.executable, "-m", "helios.renderer", "probe", "spec.json", "probe.json"]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HELIOS_WORKER": "1" if in_worker else ""}
        subprocess.run(command, cwd=tmp_path, env=env, check=True, timeout=120)
        warnings = json.loads((tmp_path / "probe.json").read_text())["warnings"]
        assert set(found.seen) == (set() if in_worker else {"/fetch"})
        assert any(line.startswith("127.0.0.1 was blocked") for line in warnings) == in_worker


@pytest.mark.parametrize("capture", ["fast", "faithful"])
def test_a_page_has_its_own_folder_and_the_same_frames_whatever_it_may_reach(capture: str, tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("p { color: red; font-size: 80px }")
    script = "const l = document.createElement('link'); l.rel = 'stylesheet'; l.href = 'style.css'; document.head.append(l); await new Promise((go) => (l.onload = go))"
    videos = [draw(tmp_path, script, network, capture=capture) for network in ("all", "public", "none")]
    assert videos[0][0].hashes == videos[1][0].hashes == videos[2][0].hashes
    assert [warnings for _, warnings in videos] == [[], [], []]


def test_no_file_outside_of_the_folder_is_reached(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    (tmp_path / "page").mkdir()
    script = (
        f"let text = 'none'; try {{ text = await (await fetch('file://{secret}')).text() }} catch {{}}"
        "if (text !== 'none') document.body.textContent = text"
    )
    plain, _ = draw(tmp_path / "page", "", "public", capture="faithful")
    tried, _ = draw(tmp_path / "page", script, "public", capture="faithful")
    assert tried.hashes == plain.hashes


def test_a_page_of_the_network_is_refused_as_the_policy_says(tmp_path: Path) -> None:
    with witness() as found:
        url = f"http://127.0.0.1:{found.port}/page"
        with pytest.raises(helios.UsageError, match=r"needs the network: --network public"):
            helios.render_sync(url, tmp_path / "a.mp4", network="none", **SIZE)
        with pytest.raises(helios.PageError, match=r"can't be loaded.*--network"):
            helios.render_sync(url, tmp_path / "a.mp4", network="public", **SIZE)
        assert found.seen == []
    with pytest.raises(helios.UsageError, match="network must be none, public, all or None, not 'some'"):
        helios.render_sync(url, tmp_path / "a.mp4", network="some", **SIZE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("169.254.170.2", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
        ("2002:808:808::1", False),
        ("64:ff9b::808:808", True),
        ("192.0.0.170", False),
        ("192.88.99.1", False),
        ("198.18.0.1", False),
        ("240.0.0.1", False),
        ("fec0::1", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("::ffff:0:7f00:1", False),
    ],
)
def test_addresses_that_everybody_can_reach(address: str, public: bool) -> None:
    assert is_public(address) == public


@pytest.mark.parametrize(
    ("address", "elsewhere"),
    [
        ("8.8.8.8", True),
        ("10.1.2.3", True),
        ("192.168.1.1", True),
        ("2606:4700::1111", True),
        ("fd12:3456::1", True),
        ("::ffff:10.1.2.3", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("0.0.0.0", False),
        ("0.1.2.3", False),
        ("169.254.169.254", False),
        ("169.254.100.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
    ],
)
def test_addresses_that_are_not_of_this_machine_or_its_cloud(address: str, elsewhere: bool) -> None:
    assert is_elsewhere(address) == elsewhere


def ask(guard: EgressProxy, host: str, port: int, message: bytes = b"") -> bytes:
    """What comes back through a guard from a host; its reply's code first."""

    async def work() -> bytes:
        async with guard.listening() as flags:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(flags[0].rpartition(":")[2]))
            writer.write(b"\x05\x01\x00" + b"\x05\x01\x00\x03" + bytes([len(host)]) + host.encode() + port.to_bytes(2))
            assert await reader.readexactly(2) == b"\x05\x00"
            answer = await reader.readexactly(10)
            writer.write(message)
            if answer[1] == 0:
                writer.write_eof()
            found = answer[1:2] + await reader.read()
            writer.close()
            return found

    return asyncio.run(work())


def test_a_name_leads_where_it_was_looked_at_and_nowhere_else() -> None:
    asked: list[tuple[str, int]] = []
    refused: list[str] = []
    answers: dict[str, list[list[str]]] = {
        "good.example": [["8.8.8.8"]],
        "inside.example": [["10.0.0.1"]],
        "both.example": [["8.8.8.8", "127.0.0.1"]],
        "rebinding.example": [["8.8.8.8"], ["127.0.0.1"]],
    }

    async def resolve(host: str, port: int) -> list[str]:
        if host not in answers:
            raise OSError("no such host")
        return answers[host].pop(0)

    with witness() as found:

        async def connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            asked.append((host, port))
            return await asyncio.open_connection("127.0.0.1", found.port)

        guard = EgressProxy("public", None, refused.append, resolve=resolve, connect=connect)
        request = b"GET /there HTTP/1.0\r\n\r\n"
        assert b"200 OK" in ask(guard, "good.example", 80, request)
        assert b"200 OK" in ask(guard, "rebinding.example", 80, request)
        assert asked == [("8.8.8.8", 80), ("8.8.8.8", 80)], "what was looked at, not the name"
        for host in ("inside.example", "both.example", "rebinding.example"):
            assert ask(guard, host, 80) == b"\x02"
        assert ask(guard, "unknown.example", 80) == b"\x04"
        assert refused == ["inside.example", "both.example", "rebinding.example"]
        assert len(asked) == 2
        nothing = EgressProxy("none", None, refused.append, resolve=resolve, connect=connect)
        assert ask(nothing, "good.example", 80) == b"\x02"
    assert found.seen == ["/there", "/there"]


ENCLOSED = ["unshare", "--map-root-user", "--net"]


def can_be_enclosed() -> bool:
    try:
        return subprocess.run([*ENCLOSED, "ip", "link"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not can_be_enclosed(), reason="needs ip, and a network of its own (unshare)")
@pytest.mark.parametrize("network", ["public", "none", "all"])
def test_where_such_addresses_really_are_only_the_public_one_is_reached(network: str, tmp_path: Path) -> None:
    from enclosed import INNER, PUBLIC

    command = [*ENCLOSED, sys.executable, str(Path(__file__).with_name("enclosed.py")), network, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["seen"]) == {"all": {PUBLIC, *INNER}, "public": {PUBLIC}, "none": set[str]()}[network]
    refused = {"all": set[str](), "public": set(INNER), "none": {PUBLIC, *INNER}}[network]
    assert {line.split()[0] for line in found["message"] if "was blocked" in line} == refused
