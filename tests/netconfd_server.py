"""Debian's netconfd (yuma123) behind an SSH listener of our own: an independent server."""

from __future__ import annotations

import asyncio
import getpass
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh

from toolkit.datafiles import data_folder
from toolkit.netconf.push import Target
from toolkit.yang.modulefile import base_folders

MODULES = (
    "ietf-interfaces", "iana-if-type", "ietf-ip",
    "llmsync-isis", "llmsync-ospf", "llmsync-bier", "llmsync-sr", "llmsync-pim", "llmsync-overlay",
    "llmsync-mvpn", "llmsync-edge", "llmsync-delivery",
)  # fmt: skip
SUBSYSTEM = shutil.which("netconf-subsystem", path="/usr/sbin:/usr/bin:/usr/local/sbin")
SERVER = shutil.which("netconfd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
MISSING = "" if SERVER and SUBSYSTEM else "netconfd is not installed (apt-get install netconfd)"


@contextmanager
def netconfd(folder: Path, *flags: str) -> Iterator[Target]:
    """Run one server with its state below `folder`; yield how to reach it.

    `flags` are more of netconfd's own.
    """
    # It looks for its state files here before it takes the user's own, which all instances share.
    (folder / "data").mkdir()
    for place in (folder, folder / "data"):
        (place / "startup-cfg-txid.txt").write_text("0\n")
        (place / "backup-cfg.xml").write_text(
            '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"/>'
        )
    socket, port = folder / "ncx.sock", 8301
    path = ":".join(map(str, (data_folder("yang"), *base_folders(), "/usr/share/yuma/modules")))
    server = subprocess.Popen(
        [
            str(SERVER), *(f"--module={name}" for name in MODULES), f"--modpath={path}",
            f"--ncxserver-sockname={socket}", f"--port={port}", f"--superuser={getpass.getuser()}",
            "--no-startup", f"--log={folder}/log", f"--home={folder}", f"--yuma-home={folder}",
            *flags,
        ],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _await(socket, server)
        with _listener(f"{port}@{socket}") as (ssh_port, host_key):
            yield Target(
                device="yuma", host="127.0.0.1", port=ssh_port, username="op", password="x",
                host_key=host_key, profile="yuma",
            )  # fmt: skip
    finally:
        server.terminate()
        server.wait(10)


def _await(socket: Path, server: subprocess.Popen[bytes]) -> None:
    """Return when the server listens; its socket appears within a second."""
    for _ in range(500):
        if socket.exists():
            return
        try:
            server.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    log = (socket.parent / "log").read_text()
    raise RuntimeError(f"netconfd did not start:\n{log}")


Connections = list[tuple[asyncssh.SSHServerConnection, Any]]
"""Each with its socket, which it no longer knows once it has closed."""


class _AnyPassword(asyncssh.SSHServer):
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.append((conn, conn.get_extra_info("socket")))

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return True


async def _relay(process: asyncssh.SSHServerProcess[bytes], sockname: str) -> None:
    """Pass one `netconf` subsystem on to netconfd's own subsystem program."""
    child = await asyncio.create_subprocess_exec(
        str(SUBSYSTEM), f"--ncxserver-sockname={sockname}",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={"SSH_CONNECTION": "127.0.0.1 1 127.0.0.1 " + sockname.partition("@")[0],
             "USER": getpass.getuser()},
    )  # fmt: skip
    assert child.stdin is not None
    assert child.stdout is not None

    async def answers() -> None:
        while data := await child.stdout.read(65536):
            process.stdout.write(data)
        process.exit(0)

    back = asyncio.create_task(answers())
    try:
        while data := await process.stdin.read(65536):
            child.stdin.write(data)
            await child.stdin.drain()
    except (asyncssh.Error, ConnectionError):
        pass  # the client has gone, and so will the subsystem
    child.stdin.close()
    await child.wait()
    await back


@contextmanager
def _listener(sockname: str) -> Iterator[tuple[int, str]]:
    key = asyncssh.generate_private_key("ssh-ed25519")
    connections: Connections = []

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1", 0, server_factory=lambda: _AnyPassword(connections),
            server_host_keys=[key], process_factory=lambda p: _relay(p, sockname),
            encoding=None, config=None,
        )  # fmt: skip

    async def finish(acceptor: asyncssh.SSHAcceptor) -> None:
        acceptor.close()
        await acceptor.wait_closed()
        for connection, _ in connections:
            connection.abort()
        async with asyncio.timeout(10):
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*rest, return_exceptions=True)
            while any(sock.fileno() >= 0 for _, sock in connections):
                await asyncio.sleep(0)  # let asyncssh close what is aborted

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result()
        try:
            yield acceptor.get_port(), key.export_public_key().decode()
        finally:
            asyncio.run_coroutine_threadsafe(finish(acceptor), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
