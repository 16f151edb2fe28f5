"""Every datagram of a delivery has its UDP checksum: docs/reference/delivery.md, UDP checksums."""

from __future__ import annotations

import socket
from collections import Counter
from pathlib import Path

import pytest

from toolkit.cli.main import main
from toolkit.inet import ip, udp
from toolkit.transport import address

SO_NO_CHECK = 11
UDP_NO_CHECK6_TX, UDP_NO_CHECK6_RX = 101, 102
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("host", ["127.0.0.1:0", "[::1]:0"])
def test_the_kernel_computes_and_demands_checksums_on_our_sockets(host: str) -> None:
    where = address.resolve(host)
    if where.family == socket.AF_INET6 and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this host has no IPv6")
    with address.bind(where) as sock:
        assert sock.getsockopt(socket.SOL_SOCKET, SO_NO_CHECK) == 0
        if where.family == socket.AF_INET6:
            assert sock.getsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_TX) == 0
            assert sock.getsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX) == 0


def test_what_we_put_into_bier_ourselves_has_them_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[tuple[int, bool]] = Counter()
    made = udp.Template.packet

    def recorded(template: udp.Template, payload: bytes) -> bytes:
        packet = made(template, payload)
        outer, offset = ip.parse(packet)
        header, _ = udp.parse(packet, outer, offset)  # WireError where it is wrong
        seen[header.destination_port, header.checked] += 1
        return packet

    monkeypatch.setattr(udp.Template, "packet", recorded)
    model = tmp_path / "model.bin"
    model.write_bytes(bytes(300_000))
    inventory = str(ROOT / "inventories" / "demo")
    code = main(["run", inventory, "--model", str(model), "--loss", "1%",
                 "--output", str(tmp_path / "out")])  # fmt: skip
    assert code == 0, capsys.readouterr().err
    assert all(checked for _, checked in seen)
    assert len(seen) >= 2, "data, and control messages"
    assert seen.total() > 50
