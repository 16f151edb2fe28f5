"""`llmsync send` and `receive` over loopback: every way it can end, by its exit code."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from net import TRUSTED, MemorySink, Net
from safetensors.numpy import save

from toolkit.cli.main import main
from toolkit.delivery import control, wire
from toolkit.delivery.events import Feedback, ReceiverOutput
from toolkit.delivery.model import Coding, Transmission
from toolkit.delivery.receiver import Receiver
from toolkit.errors import ExitCode
from toolkit.transport import address, udp

MODEL = save({f"layer{i}": np.full(5000, i, np.float32) for i in range(10)})


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]


class Site:
    """Ports, folders and commands of one try."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control, *self.ports = free_ports(3)
        self.model = folder / "model"
        (self.model / "sub").mkdir(parents=True)
        (self.model / "config.json").write_bytes(b"{}")
        (self.model / "sub" / "empty").write_bytes(b"")
        (self.model / "m.safetensors").write_bytes(MODEL)
        self.codes: dict[str, int] = {}

    def send_command(self, *more: str) -> list[str]:
        return [
            "send", str(self.model), "--control", f"127.0.0.1:{self.control}",
            "--key", str(self.folder / "key"), *more,
        ]  # fmt: skip

    def to(self, *names: str) -> list[str]:
        pairs = zip(names, self.ports, strict=False)
        return [a for name, port in pairs for a in ("--to", f"{name}=127.0.0.1:{port}")]

    def receive_command(self, name: str, port: int, *more: str) -> list[str]:
        return [
            "receive", "--name", name, "--listen", f"127.0.0.1:{port}",
            "--sender", f"127.0.0.1:{self.control}", "--output", str(self.folder / name), *more,
        ]  # fmt: skip

    @contextmanager
    def receiving(self, name: str, index: int, *more: str) -> Iterator[None]:
        """Run a receiver in a thread meanwhile; its exit code is in `codes` afterwards."""

        def run() -> None:
            self.codes[name] = main(self.receive_command(name, self.ports[index], *more))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            thread.join(30)
            assert not thread.is_alive(), "the receiver did not end"

    def placed(self, name: str) -> dict[str, bytes]:
        root = self.folder / name
        return {
            p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()
        }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


FILES = {"config.json": b"{}", "sub/empty": b"", "m.safetensors": MODEL}


def test_two_receivers_get_everything_through_losses(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.receiving("fra", 0, "--loss", "3%", "--seed", "1"), site.receiving("lon", 1):
        code = main(site.send_command(*site.to("fra", "lon"), "--loss", "0.02", "-o", "json"))
    out, err = capsys.readouterr()
    assert (code, site.codes) == (0, {"fra": 0, "lon": 0})
    assert site.placed("fra") == site.placed("lon") == FILES
    document = json.loads(out[out.index("{\n") : out.index("\n}") + 2])
    assert document["bytes"] == sum(map(len, FILES.values()))
    assert [r["standing"] for r in document["receivers"]] == ["complete", "complete"]
    assert document["repairs"] > 0
    assert "made a key" in err
    assert "is not checked, see --trust" in err
    assert not list(site.folder.glob(".*.llmsync"))


def test_the_trusted_key_is_checked(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    main(["send", str(site.model), "--to", "x=127.0.0.1:9", "--key", str(site.folder / "key"),
          "--control", f"127.0.0.1:{site.control}", "--timeout", "0.05"])  # fmt: skip
    main(["send", str(site.model), "--to", "x=127.0.0.1:9", "--key", str(site.folder / "other"),
          "--control", f"127.0.0.1:{site.control}", "--timeout", "0.05"])  # fmt: skip
    good, bad = str(site.folder / "key.pub"), str(site.folder / "other.pub")
    with site.receiving("fra", 0, "--trust", good), site.receiving("lon", 1, "--trust", bad):
        code = main(site.send_command(*site.to("fra", "lon")))
    err = capsys.readouterr().err
    assert code == ExitCode.FINDINGS
    assert site.codes == {"fra": ExitCode.OK, "lon": ExitCode.ROLLED_BACK}
    assert not list(site.folder.glob("*lon*"))
    assert "lon: failed: manifest: it is not signed by the trusted key (is --trust " in err


def test_a_group_serves_all_and_repairs_go_to_one(site: Site) -> None:
    [port] = free_ports(1)
    group = ["--group", f"239.255.77.1:{port}", "--interface", "127.0.0.1"]
    with (
        site.receiving("fra", 0, *group, "--loss", "5%"),
        site.receiving("lon", 1, *group),
    ):
        code = main(site.send_command("--to", "fra", "--to", "lon", *group))
    assert (code, site.codes) == (0, {"fra": 0, "lon": 0})
    assert site.placed("fra") == site.placed("lon") == FILES


def test_one_that_the_group_does_not_reach_is_found_out_without_a_probe(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(8):
        (site.model / f"{number}.bin").write_bytes(np.random.default_rng(number).bytes(100_000))
    [port] = free_ports(1)
    group = ["--group", f"239.255.77.2:{port}", "--interface", "127.0.0.1"]
    with site.receiving("fra", 0, *group), site.receiving("lon", 1):
        code = main(
            site.send_command(
                *site.to("fra", "lon"), *group, "--no-probe", "--rate", "2M", "--interleave", "1",
                "-o", "json",
            )
        )  # fmt: skip
    out, err = capsys.readouterr()
    assert (code, site.codes) == (0, {"fra": 0, "lon": 0})
    assert site.placed("fra") == site.placed("lon")
    document = json.loads(out[out.index('{\n  "delivery"') : out.index("\n}") + 2])
    assert [r["by"] for r in document["receivers"]] == ["group", "unicast"]
    assert "lon: packets to the group do not reach it" in err


def test_nobody_there_is_unreachable_on_both_sides(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(site.send_command(*site.to("fra"), "--timeout", "0.2")) == ExitCode.UNREACHABLE
    assert "fra: none of them joined" in capsys.readouterr().err
    below = str(site.folder / "no" / "such" / "parent")
    command = site.receive_command("fra", site.ports[0], "--timeout", "0.2", "--output", below)
    assert main(command) == ExitCode.UNREACHABLE
    assert sorted(p.name for p in site.folder.iterdir()) == ["key", "key.pub", "model"]
    assert "nothing came back for 0.2 s" in capsys.readouterr().err


def test_one_that_never_joins_leaves_the_delivery_incomplete(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.receiving("fra", 0):
        code = main(
            site.send_command(*site.to("fra", "lon"), "--timeout", "1.5", "--gather", "0.2")
        )
    assert (code, site.codes) == (ExitCode.FINDINGS, {"fra": 0})
    assert site.placed("fra") == FILES
    out = capsys.readouterr().out
    assert "lon       absent" in out


def test_a_truncated_model_is_refused_before_anything_is_sent(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    (site.model / "m.safetensors").write_bytes(MODEL[:-1])
    assert main(site.send_command(*site.to("fra"))) == ExitCode.INVALID
    assert "m.safetensors: not a whole safetensors file: it is truncated" in capsys.readouterr().err
    assert not (site.folder / "key").exists()


def test_a_full_disk_ends_with_nothing_placed(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda _: Full)
    with site.receiving("fra", 0):
        code = main(site.send_command(*site.to("fra")))
    assert (code, site.codes) == (ExitCode.FINDINGS, {"fra": ExitCode.ROLLED_BACK})
    assert not (site.folder / "fra").exists()
    assert "more bytes and the disk has 1000; nothing was placed" in capsys.readouterr().err


def test_a_source_that_changes_while_it_is_sent_ends_with_nothing_placed(site: Site) -> None:
    command = [sys.executable, "-m", "toolkit.cli", *site.send_command(*site.to("fra"))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          text=True) as sender:  # fmt: skip
        assert sender.stderr is not None
        while "waiting for fra" not in sender.stderr.readline():
            assert sender.poll() is None
        (site.model / "m.safetensors").write_bytes(MODEL[:-1] + b"x")
        with site.receiving("fra", 0, "--timeout", "10"):
            said = sender.stderr.read()
            assert sender.wait(20) == ExitCode.ROLLED_BACK
    assert "m.safetensors: changed while it was being sent" in said
    assert site.codes == {"fra": ExitCode.FINDINGS}
    assert not (site.folder / "fra").exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--to", "fra"], "--to fra: its address is missing"),
        (["--to", "fra="], "not NAME=HOST:PORT"),
        (["--to", "fra=127.0.0.1"], "127.0.0.1: not HOST:PORT"),
        (["--to", "a=127.0.0.1:1", "--to", "a=127.0.0.1:2"], "--to a: is given twice"),
        (["--to", "a=127.0.0.1:7", "--to", "b=127.0.0.1:7"], "127.0.0.1:7 is the address of a"),
        (["--to", "a=127.0.0.1:7", "--to", "b=localhost:7"], "127.0.0.1:7 is the address of a"),
        (["--to", "Fra 1=127.0.0.1:1"], "--to Fra 1: is not a name"),
        (["--to=-a=127.0.0.1:1"], "--to -a: is not a name"),
        (["--to", "all=127.0.0.1:1"], "--to all: is reserved"),
        (["--to", "a=127.0.0.1:1", "--rate", "fast"], "--rate fast: not a rate"),
        (["--to", "a=127.0.0.1:1", "--payload", "20"], "--payload 20: 56 to 65000 bytes"),
        (["--to", "a=127.0.0.1:1", "--loss", "100%"], "--loss 100%: not a share"),
        (["--to", "a=127.0.0.1:1", "--timeout", "0"], "--timeout 0: must be positive"),
        (["--to", "a=127.0.0.1:1", "--group", "192.0.2.1:5"], "not a multicast address"),
        (["--to", "a=127.0.0.1:1", "--control", "192.0.2.1:5"], "192.0.2.1:5: cannot listen there"),
        (
            ["--to", "a=127.0.0.1:1", "--admit", "--linger", "9"],
            "--admit, --linger: of the service",
        ),
        (
            ["--to", "a=127.0.0.1:1", "--key", "/proc/none/key"],
            "/proc/none/key: there is no folder /proc/none",
        ),
    ],
)
def test_wrong_arguments_of_send_are_named(
    site: Site, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    assert main(site.send_command(*arguments)) == ExitCode.INVALID
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--trust", "/none"], "/none: No such file or directory (copy the sender's .pub file"),
        (["--group", "192.0.2.1:5"], "not a multicast address"),
        (["--timeout", "-1"], "--timeout -1: must be positive"),
        (["--loss", "x"], "--loss x: not a share"),
        (["--name", "n" * 33], "is not a name (lower-case letters"),
        (["--output", "/proc/xx"], "/proc/xx: cannot be written: No such file or directory (ch"),
        (["--output", __file__], "test_transport_udp.py: is not a folder (name one"),
    ],
)
def test_wrong_arguments_of_receive_are_named(
    site: Site, capsys: pytest.CaptureFixture[str], arguments: list[str], reason: str
) -> None:
    command = site.receive_command("fra", site.ports[0], *arguments)
    assert main(command) == ExitCode.INVALID
    assert not list(site.folder.glob(".*"))
    assert reason in capsys.readouterr().err


def test_a_key_file_that_is_no_key_is_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.folder / "key").write_text("not a key")
    assert main(site.send_command(*site.to("fra"))) == ExitCode.INVALID
    assert "key: not an unencrypted private key in PEM" in capsys.readouterr().err
    trust = ["--trust", str(site.folder / "key")]
    assert main(site.receive_command("fra", site.ports[0], *trust)) == ExitCode.INVALID
    assert "not a public key in PEM" in capsys.readouterr().err


class _Heard(Exception):  # noqa: N818 - it ends a loop, it is no error
    """The report that a test waits for."""


def test_a_poll_by_unicast_is_answered_after_the_groups_packets_that_went_before_it() -> None:
    made = Net({"a.bin": bytes(64 * 100)}, ["fra"], coding=Coding(symbol=64, block=100, parity=32))
    packets: list[tuple[bytes, bool]] = []
    poll = made.sender.poll

    def recorded(now: float, budget: int = 64) -> list[Transmission]:
        out = poll(now, budget)
        packets.extend((bytes(p.header) + bytes(p.payload), bool(p.payload)) for p in out)
        return out

    made.sender.poll = recorded  # type: ignore[method-assign]
    made.run()
    receiver = Receiver(
        "fra", MemorySink(made.files), trusted=TRUSTED, incarnation=1, chance=lambda: 0.5
    )
    receiver.expire(0.0)
    boot = [p for p, _ in packets if p[15] < 3]
    for packet in boot:
        receiver.receive(packet, time.monotonic())
    data = [p for p, payload in packets if payload and p[15] == 3]
    asked = wire.Header(
        tsi=7, toi=3, extensions=(wire.Poll(poll_id=9, first=0, count=1).extension(),)
    )
    with ExitStack() as stack:
        alone, group, out = (
            stack.enter_context(address.bind(address.resolve("127.0.0.1:0"))) for _ in range(3)
        )
        for packet in data[:-1]:
            out.sendto(packet, group.getsockname())
        out.sendto(asked.encode(), alone.getsockname())

        def watch(outputs: list[ReceiverOutput]) -> None:
            for output in outputs:
                if isinstance(output, Feedback):
                    body = control.parse(output.message).body
                    if isinstance(body, control.Report) and body.poll_id == 9:
                        raise _Heard(body.lacks)

        with pytest.raises(_Heard) as heard:
            udp.run_receiver(
                receiver, [udp.SocketWire(alone), udp.SocketWire(group)],
                address.resolve("127.0.0.1:9"), watch,
            )  # fmt: skip
    assert heard.value.args == (b"\1",)
