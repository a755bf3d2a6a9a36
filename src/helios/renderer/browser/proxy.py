"""A SOCKS proxy on loopback that enforces the network access of a page.

The browser has no other connection. The proxy resolves names itself and connects to the address that it has checked,
so neither a redirect nor a name that changes its address gets around it. Source: https://www.rfc-editor.org/rfc/rfc1928
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from helios.composition import Network

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host, as text."""
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[str, int], Awaitable[Streams]]

_VERSION, _CONNECT, _ANYONE = 5, 1, 0
_IPV4, _NAME, _IPV6 = 1, 3, 4
_GRANTED, _REFUSED, _UNREACHABLE, _UNKNOWN = 0, 2, 4, 7
_EMBEDDED = ip_network("64:ff9b::/96")
"""IPv4 addresses within IPv6 (RFC 6052)."""
_UNICAST = ip_network("2000::/3")
"""All IPv6 unicast addresses that are assigned."""
_PRIVATE = ip_network("fc00::/7")
_CLOUD = ip_network("fd00:ec2::/32")
"""AWS's own services within a machine: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html"""
_THIS = ip_network("0.0.0.0/8")
_SPECIAL = tuple(map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2002::/16", "3fff::/20")))
"""Special addresses that some versions of ``ipaddress`` miss: protocol assignments, 6to4, documentation."""
_PATIENCE_S = 20.0


class EgressProxy:
    """Allows connections to ``own`` (host, port, and the loopback port that serves it) and, if the policy is
    ``public``, to public addresses; if it is ``all``, to any that are not of this machine or its cloud.
    ``on_refused`` gets the host of each refused connection.
    """

    def __init__(
        self,
        policy: Network,
        own: tuple[str, int, int] | None,
        on_refused: Callable[[str], None],
        *,
        resolve: Resolve | None = None,
        connect: Connect = asyncio.open_connection,
    ) -> None:
        self._policy = policy
        self._own = own
        self._on_refused = on_refused
        self._resolve = resolve or _resolve
        self._connect = connect
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncGenerator[list[str]]:
        """Serves for the duration of the block; yields the browser's flags for it."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield [
                f"--proxy-server=socks5://127.0.0.1:{port}",
                "--proxy-bypass-list=<-loopback>",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
                "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
                "--webrtc-ip-handling-policy=disable_non_proxied_udp",
            ]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task, "a server's callback is a task"
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._tunnel(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = await _greet(reader, writer)
        if host is None:
            await _answer(writer, _UNKNOWN)
            return
        try:
            addresses, port = await self._addresses(host, port)
        except OSError:
            await _answer(writer, _UNREACHABLE)
            return
        if not addresses:
            self._on_refused(host)
            await _answer(writer, _REFUSED)
            return
        there = await self._first(addresses, port)
        if there is None:
            await _answer(writer, _UNREACHABLE)
            return
        there_reader, there_writer = there
        try:
            await _answer(writer, _GRANTED)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, there_writer))
                group.create_task(_copy(there_reader, writer))
        finally:
            there_writer.close()

    async def _addresses(self, host: str, port: int) -> tuple[list[str], int]:
        """Returns the addresses and the port that a connection may use; no address if it is refused."""
        if self._own and (host, port) == self._own[:2]:
            return ["127.0.0.1"], self._own[2]
        if self._policy == "none" or host == "localhost" or host.endswith(".localhost"):
            return [], port
        found = await self._resolve(host, port)
        is_allowed = is_elsewhere if self._policy == "all" else is_public
        return found if all(map(is_allowed, found)) else [], port

    async def _first(self, addresses: list[str], port: int) -> Streams | None:
        """Connects to the first address that answers."""
        for address in addresses:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_PATIENCE_S):
                    return await self._connect(address, port)
        return None


def is_public(text: str) -> bool:
    """Whether an address is public: not of this machine, its network, or its cloud's services, in any notation.

    Source: https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry
    """
    address = _unwrap(text)
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast and not any(address in special for special in _SPECIAL)


def is_elsewhere(text: str) -> bool:
    """Whether an address is neither of this machine nor of a cloud's metadata service."""
    address = _unwrap(text)
    if any(address in special for special in _SPECIAL):
        return False
    if isinstance(address, IPv6Address):
        return address in _UNICAST or (address in _PRIVATE and address not in _CLOUD)
    return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_reserved) and (
        address not in _THIS
    )


def _unwrap(text: str) -> IPv4Address | IPv6Address:
    """Returns the address, or the IPv4 address that it embeds."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _EMBEDDED:
            return IPv4Address(address.packed[-4:])
    return address


async def _resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str | None, int]:
    """Returns the requested host and port; no host if the request is not for a connection."""
    _, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    writer.write(bytes((_VERSION, _ANYONE)))
    _, command, _, kind = await reader.readexactly(4)
    host: str | None
    if kind == _NAME:
        (length,) = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode("ascii", "replace").rstrip(".").lower()
    else:
        host = str(ip_address(await reader.readexactly(16 if kind == _IPV6 else 4)))
    port = int.from_bytes(await reader.readexactly(2), "big")
    return host if command == _CONNECT and kind in (_IPV4, _NAME, _IPV6) else None, port


async def _answer(writer: asyncio.StreamWriter, reply: int) -> None:
    writer.write(bytes((_VERSION, reply, 0, _IPV4)) + bytes(6))
    await writer.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
