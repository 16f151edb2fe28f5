"""The kernel plane where something fails half-way: all as it was, and nothing is left behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from netns import needs_namespaces
from test_bier_ebpf import KEY, crossing, frame, missing, shown, transit
from test_bier_socket import document, mac, network

from toolkit.bier.document import read_program
from toolkit.bier.kernel import attachment
from toolkit.bier.kernel.libbpf import Libbpf, Object
from toolkit.bier.kernel.proving import EbpfPlane
from toolkit.bier.runtime_ebpf import KernelPlane
from toolkit.errors import EnvironmentProblem

pytestmark = needs_namespaces
OTHER = {KEY: (crossing(2, 1, 301),)}


@pytest.fixture
def plane() -> Iterator[EbpfPlane]:
    if why := missing():
        pytest.skip(why)
    made = EbpfPlane()
    yield made
    made.close()


@pytest.fixture(params=["link", "filter"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How programs are attached: by this kernel's links, or as on older ones."""

    def refused(*_arguments: object) -> attachment.Attachment:
        raise OSError(22, "Invalid argument")

    if request.param == "filter":
        monkeypatch.setattr(attachment, "TcxAttachment", refused)
    return str(request.param)


def labels(plane: EbpfPlane) -> set[int]:
    out = plane.receive("eth0", frame()).out
    return {int.from_bytes(copy[14:18], "big") >> 12 for _port, copy in out}


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def refuse(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the kernel refuse one interface."""
    real = attachment.attach

    def attach(library: Libbpf, program: int, ifindex: int, asked: str) -> attachment.Attachment:
        return real(library, -1 if asked == name else program, ifindex, asked)

    monkeypatch.setattr(attachment, "attach", attach)


def test_an_interface_that_takes_no_program_leaves_all_as_they_were(
    plane: EbpfPlane, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.load(transit())
    plane.namespace.wire("eth3", "far3")
    plane.namespace.wire("eth4", "far4")
    refuse("eth4", monkeypatch)
    before = descriptors()
    with pytest.raises(EnvironmentProblem, match="eth4: the kernel does not take the BIER prog"):
        plane.plane.load(transit(5), OTHER, {})
    assert labels(plane) == {201, 202}
    assert descriptors() == before
    with plane.namespace.entered():
        for name in ("eth3", "eth4"):
            assert shown("filter", "show", "dev", name, "ingress") == [], kind
            assert shown("qdisc", "show", "dev", name) == ["qdisc noqueue 0: root refcnt 2"]
    monkeypatch.undo()
    plane.plane.load(transit(), OTHER, {})
    assert labels(plane) == {301, 302}


@pytest.mark.usefixtures("kind")
def test_an_interface_that_keeps_its_program_leaves_all_as_they_were(
    plane: EbpfPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.load(transit())
    before = descriptors()

    def update(_program: int) -> None:
        raise OSError(12, "Cannot allocate memory")

    last = list(plane.plane._attached)[-1]
    monkeypatch.setattr(plane.plane._attached[last], "update", update)
    with pytest.raises(
        EnvironmentProblem, match=f"{last}: the kernel does not replace the BIER program: Cannot"
    ):
        plane.plane.load(transit(), OTHER, {})
    assert labels(plane) == {201, 202}
    assert descriptors() == before
    plane.plane.replace(KEY, crossing(2, 1, 401))  # every interface has the tables that change
    assert labels(plane) == {401, 402}


def test_an_interface_that_goes_while_we_look_is_looked_for_again(
    plane: EbpfPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(3):
        plane.namespace.wire(f"eth{n}", f"far{n}")
    with plane.namespace.entered():
        forgiving = KernelPlane(hands_up=True)
    try:
        forgiving.load(transit())
        real = forgiving._there
        monkeypatch.setattr(forgiving, "_there", lambda program: gone(program))

        def gone(program: object) -> object:
            found = real(program)  # type: ignore[arg-type]
            monkeypatch.setattr(forgiving, "_there", real)
            plane.namespace.ip("link", "del", "eth2")
            return found

        forgiving.refresh()
        assert set(forgiving._attached) == {"eth0", "eth1"}
    finally:
        forgiving.close()


def test_a_start_that_fails_leaves_nothing(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if why := missing():
        pytest.skip(why)
    from toolkit.bier.runtime_kernel import KernelRuntime

    before = descriptors()
    with network() as made:
        refuse("src", monkeypatch)
        with made.entered("r1"):
            with pytest.raises(EnvironmentProblem, match="src: the kernel does not take"):
                KernelRuntime(read_program(document()))
            assert not [n for _i, n in socket.if_nameindex() if n.startswith("llmbier")]
            for name in ("src", "eth2", "eth3"):
                assert "clsact" not in " ".join(shown("qdisc", "show", "dev", name)), kind
    assert descriptors() == before


def test_a_program_that_the_kernel_refuses_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if why := missing():
        pytest.skip(why)
    from toolkit.bier.runtime_kernel import KernelRuntime

    with network() as made:
        made.link(("r1", "eth9", mac(0x19)), ("r2", "eth9", mac(0x29)))
        with made.entered("r1"):
            runtime = KernelRuntime(read_program(document()))
            try:
                refuse("eth9", monkeypatch)
                before = runtime.node.engine.bifts
                more = {"eth9": {"bier": "core"}, **document()["interfaces"]}
                with pytest.raises(EnvironmentProblem, match="eth9: the kernel does not take"):
                    runtime.load(read_program(document(name="r9", interfaces=more)))
                assert runtime.node.program.name == "r1"
                assert runtime.node.engine.bifts == before
                assert set(runtime._sockets) == {"src", "eth2", "eth3"}
                assert set(runtime._plane._attached) == {"src", "eth2", "eth3"}
                runtime.poll(0)
            finally:
                runtime.close()


def test_a_device_that_is_taken_away_is_named(plane: EbpfPlane) -> None:
    plane.load(transit())
    with plane.namespace.entered():
        names = [name for _index, name in socket.if_nameindex() if name.startswith("llmbier")]
        plane.namespace.ip("link", "del", *names)
    with pytest.raises(EnvironmentProblem, match=f"{names[0]}, the device for the packets of this"):
        list(plane.plane.outputs())


def test_a_flood_of_deliveries_lets_others_have_their_turn(
    plane: EbpfPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.load(transit())
    monkeypatch.setattr(plane.plane._delivery, "read", lambda: bytes(60))  # without an end
    assert list(plane.plane.outputs(10)) == []


def test_counters_can_be_asked_for_while_it_closes(plane: EbpfPlane) -> None:
    plane.load(transit())
    plane.plane.close()
    assert plane.plane.counters["received"] == 0
    assert plane.plane.port("eth0") == (0, 0)


@pytest.mark.skipif(which("setpriv") is None, reason="setpriv (util-linux) is missing")
@pytest.mark.parametrize(
    ("without", "lacks"),
    [("-bpf,-sys_admin", "CAP_BPF"), ("-bpf,-perfmon,-sys_admin", "CAP_BPF, CAP_PERFMON")],
)
@pytest.mark.usefixtures("plane")
def test_capabilities_that_are_missing_are_named(without: str, lacks: str) -> None:
    asks = (
        "from toolkit.bier.runtime_ebpf import KernelPlane\n"
        "from toolkit.bier.program import Program\n"
        "from toolkit.errors import EnvironmentProblem\n"
        "try:\n    KernelPlane().load(Program())\n"
        "except EnvironmentProblem as problem:\n    print(problem)\n"
    )
    said = subprocess.run(
        ["unshare", "-n", "setpriv", f"--bounding-set={without}", sys.executable, "-c", asks],
        capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
    ).stdout  # fmt: skip
    assert said == (
        "the kernel refuses the BIER program: the kernel plane needs root; "
        f"this process lacks {lacks}\n"
    )


def test_an_object_that_was_cut_short_is_named(tmp_path: Path) -> None:
    if why := missing():
        pytest.skip(why)
    path = tmp_path / "bier.o"
    path.write_bytes(b"\x7fELF")
    with pytest.raises(EnvironmentProblem, match=f"^{path} is no object of BPF programs; remove"):
        Object(Libbpf(), path)
