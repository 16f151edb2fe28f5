"""Our packets in the hands of others: Wireshark's dissector and flute-alc."""

from __future__ import annotations

import importlib.util
import logging
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from net import Net, Weather

from toolkit.delivery.model import Coding

pytestmark = pytest.mark.interop

FILES = {"config.json": b"{}", "w/model.bin": random.Random(5).randbytes(50_003)}
CODING = Coding(symbol=1376, block=16, parity=8)
HAS_TSHARK = shutil.which("tshark") is not None
HAS_FLUTE = importlib.util.find_spec("flute") is not None


def delivered(loss: float) -> list[bytes]:
    """Every packet that a delivery to one receiver sent."""
    net = Net(FILES, ["fra"], coding=CODING, weather=Weather(loss=loss), seed=3)
    packets: list[bytes] = []
    poll = net.sender.poll

    def recorded(now: float, budget: int = 64) -> list[object]:
        out = poll(now, budget)
        packets.extend(p.header + p.payload for p in out)
        return list(out)

    net.sender.poll = recorded  # type: ignore[method-assign, assignment]
    net.run()
    return packets


def write_capture(path: Path, packets: list[bytes]) -> None:
    """A pcap file with link type 101: raw IP."""
    records = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)]
    for number, packet in enumerate(packets):
        udp = struct.pack("!HHHH", 3400, 3400, 8 + len(packet), 0) + packet
        ip = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), number & 0xFFFF, 0, 64, 17, 0,
            bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]),
        ) + udp  # fmt: skip
        records.append(struct.pack("<IIII", number, 0, len(ip), len(ip)) + ip)
    path.write_bytes(b"".join(records))


def tshark(capture: Path, *arguments: str) -> list[list[str]]:
    done = subprocess.run(
        ["tshark", "-r", str(capture), "-d", "udp.port==3400,alc", *arguments],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.mark.skipif(not HAS_TSHARK, reason="tshark is not installed (apt-get install tshark)")
def test_wireshark_decodes_every_packet(tmp_path: Path) -> None:
    packets = delivered(loss=0.1)
    capture = tmp_path / "delivery.pcap"
    write_capture(capture, packets)
    assert tshark(capture, "-Y", "_ws.malformed") == []
    fields = ("rmt-lct.tsi", "rmt-lct.toi", "rmt-lct.codepoint", "rmt-fec.sbn", "rmt-fec.sbl",
              "rmt-fec.esi", "rmt-fec.fti.transfer_length", "rmt-lct.fdt_instance_id")  # fmt: skip
    rows = tshark(capture, "-T", "fields", *(a for f in fields for a in ("-e", f)))
    assert len(rows) == len(packets)
    seen = {int(row[1]) for row in rows}
    assert seen == {0, 1, 2, 3, 4, 5}
    symbols = 0
    for row, packet in zip(rows, packets, strict=True):
        row += [""] * (len(fields) - len(row))
        assert (row[0], row[2]) == ("7", "129")
        if row[3]:
            symbols += 1
            at = packet[2] * 4
            ours = struct.unpack_from("!IHH", packet, at)
            assert tuple(int(x, 0) for x in row[3:6]) == ours
        assert bool(row[6]) == (row[1] in "01" and bool(row[3]))
        assert bool(row[7]) == (row[1] == "0" and bool(row[3]))
    assert symbols > 50_003 // 1376


@pytest.mark.skipif(not HAS_FLUTE, reason="flute-alc is not installed (pip install flute-alc)")
def test_another_flute_receiver_gets_every_object(caplog: pytest.LogCaptureFixture) -> None:
    from flute import receiver

    caplog.set_level(logging.DEBUG)
    packets = delivered(loss=0.0)
    endpoint = receiver.UDPEndpoint("232.1.1.1", 3400)
    engine = receiver.Receiver(
        endpoint, 7, receiver.ObjectWriterBuilder.new_buffer(), receiver.Config()
    )
    for packet in packets:
        if len(packet) > packet[2] * 4:
            engine.push(packet)
    complete = [r for r in caplog.records if "Object complete" in r.getMessage()]
    assert len(complete) == 5
