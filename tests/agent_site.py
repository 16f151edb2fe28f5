"""A real sender over loopback in a thread, which can be held up at a place of its delivery."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from net import KEY

from toolkit.delivery.burst import Burst
from toolkit.delivery.events import SenderOutput
from toolkit.delivery.model import Coding, ReceiverResult, Session, symbol_size
from toolkit.delivery.sender import Sender
from toolkit.delivery.source import open_source
from toolkit.transport import address, udp


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


class Held(udp.SocketWire):
    """Lets `limit` bytes of data through, and the rest when `go` is set."""

    def __init__(self, sock: socket.socket, limit: int) -> None:
        super().__init__(sock)
        self.left = limit
        self.go = threading.Event()

    def send(self, parts: Sequence[bytes | memoryview], to: tuple[str, int]) -> None:
        self._pass(sum(map(len, parts)))
        super().send(parts, to)

    def send_burst(self, burst: Burst, to: tuple[str, int]) -> None:
        for packet in burst.packets():
            self.send((packet.header, packet.payload), to)

    def _pass(self, size: int) -> None:
        self.left -= size
        if self.left < 0 and not self.go.wait(60):
            raise AssertionError("nobody let the sender go on")


class Sending:
    """A context in which a folder is sent to `names`.  `held`: bytes before it waits for `go`."""

    def __init__(
        self, folder: Path, *names: str, held: int = 1 << 60, rate: int = 200_000_000,
        listen: Sequence[int] = (), control: int = 0,
    ) -> None:  # fmt: skip
        ports = free_ports(1 + len(names))
        self.control, *free = ports
        self.control = control or self.control
        self.ports = dict(zip(names, listen or free, strict=True))
        self.results: list[ReceiverResult] = []
        self._stop = False
        self._bell = os.eventfd(0)
        self._sock = address.bind(address.resolve(f"127.0.0.1:{self.control}"))
        self.wire = Held(self._sock, held)
        self._source = open_source(folder, Coding(symbol=symbol_size(1400), block=16, parity=16))
        session = Session(
            name=folder.name, tsi=7, key=KEY, rate=rate, quorum=len(names), timeout=20
        )
        self._sender = Sender(session, self._source, list(names))
        self._thread = threading.Thread(target=self._run)

    def settings(self, name: str) -> dict[str, object]:
        """What a receiver of that name is told."""
        return {
            "name": name, "listen": f"127.0.0.1:{self.ports[name]}",
            "sender": f"127.0.0.1:{self.control}", "dscp": None,
        }  # fmt: skip

    def options(self, name: str) -> list[str]:
        """The same as options."""
        return [
            "receive", "--name", name, "--listen", f"127.0.0.1:{self.ports[name]}",
            "--sender", f"127.0.0.1:{self.control}",
        ]  # fmt: skip

    def go(self) -> None:
        self.wire.go.set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Without an error the delivery is waited for."""
        self.go()
        if kind is not None:
            self.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self._sock.close()
        os.close(self._bell)

    def stop(self) -> None:
        """Do not wait for who never comes back."""
        self._stop = True
        self.go()
        os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        def watch(outputs: list[SenderOutput]) -> None:
            del outputs
            if self._stop:
                raise InterruptedError

        known = {name: ("127.0.0.1", port) for name, port in self.ports.items()}
        try:
            udp.run_sender(
                self._sender, list(known), self.wire, known, None, watch, also=(self._bell,)
            )
        except InterruptedError:
            return
        self.results = self._sender.results()


def wait_until(true: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(6000):
        if true():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")
