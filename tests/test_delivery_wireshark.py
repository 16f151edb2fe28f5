"""wireshark/llmsync.lua in a real tshark: control messages and extensions, field by field."""

from __future__ import annotations

import random
import re
import struct
from pathlib import Path

import pytest
import tshark

from toolkit.delivery import wire
from toolkit.delivery.control import Body, Done, Fail, Have, Join, Message, Report
from toolkit.delivery.model import Receipt
from toolkit.delivery.versions import Span, Speaks

pytestmark = [pytest.mark.interop, tshark.needs_tshark]

DISSECTOR = tshark.DISSECTOR.with_name("llmsync.lua")
DIGEST = bytes(range(32))
BODIES: list[tuple[Body, dict[str, str]]] = [
    (Join(), {}),
    (
        Join(speaks=Speaks(control=Span(1, 3), manifest=Span(2, 4))),
        {"llmsync.join.control_low": "1", "llmsync.join.control_high": "3",
         "llmsync.join.manifest_low": "2", "llmsync.join.manifest_high": "4"},
    ),
    (
        Have(manifest=DIGEST, total=9, first=4, states=bytes([0, 1, 2])),
        {"llmsync.manifest": DIGEST.hex(), "llmsync.have.objects": "9",
         "llmsync.have.first": "4", "llmsync.have.state": "0;1;2"},
    ),
    (
        Report(poll_id=17, toi=5, first=16, lacks=bytes([0, 255, 3]), room=2048),
        {"llmsync.poll_id": "17", "llmsync.toi": "5", "llmsync.first": "16",
         "llmsync.room": "2048", "llmsync.lacks": "0;255;3"},
    ),
    (
        Report(poll_id=18, toi=5, first=0, lacks=b"", room=1),
        {"llmsync.poll_id": "18", "llmsync.toi": "5", "llmsync.first": "0", "llmsync.room": "1"},
    ),
    (
        Done(receipt=Receipt(receiver="fra", manifest=DIGEST, files=13, bytes=1 << 40, repaired=5,
                             duplicates=2, polluted=1, first_byte=1.0, last_byte=2.0,
                             verified=3.0)),
        {"llmsync.manifest": DIGEST.hex(), "llmsync.done.files": "13",
         "llmsync.done.bytes": str(1 << 40), "llmsync.done.repaired": "5",
         "llmsync.done.duplicates": "2", "llmsync.done.polluted": "1"},
    ),
    (Fail(reason="disk is full"), {"llmsync.reason": "disk is full"}),
]  # fmt: skip
EXTENSIONS: list[tuple[wire.Extension, dict[str, str]]] = [
    (
        wire.Poll(poll_id=9, first=16, count=2).extension(),
        {"llmsync_ext.version": "1", "llmsync_ext.poll_id": "9", "llmsync_ext.first": "16",
         "llmsync_ext.count": "2", "llmsync_ext.kind": "a report"},
    ),
    (
        wire.Poll(poll_id=7, first=0, count=0, version=3).extension(),
        {"llmsync_ext.version": "3", "llmsync_ext.poll_id": "7", "llmsync_ext.first": "0",
         "llmsync_ext.count": "0", "llmsync_ext.kind": "an answer at once (mark)"},
    ),
    (
        wire.Poll(poll_id=0, first=0, count=1).extension(),
        {"llmsync_ext.version": "1", "llmsync_ext.poll_id": "0", "llmsync_ext.first": "0",
         "llmsync_ext.count": "1", "llmsync_ext.kind": "JOIN or HAVE"},
    ),
    (
        wire.Rejection(name="fra", reason="it speaks 2").extension(),
        {"llmsync_ext.name": "fra", "llmsync_ext.reason": "it speaks 2"},
    ),
    (wire.fdt_extension(5), {}),
]  # fmt: skip


def datagram(payload: bytes, port: int) -> bytes:
    """An Ethernet frame, IPv4, UDP without a checksum."""
    udp = struct.pack("!HHHH", port, port, 8 + len(payload), 0) + payload
    ip = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes([192, 0, 2, 1]),
        bytes([192, 0, 2, 2]),
    )  # fmt: skip
    return bytes(12) + b"\x08\x00" + ip + udp


def seen(payloads: list[bytes], folder: Path, port: int, prefix: str) -> list[dict[str, str]]:
    """Every field of ours that tshark finds in each packet."""
    names = sorted(set(re.findall(rf'"({prefix}\.[a-z_.]+)"', DISSECTOR.read_text())))
    assert len(names) > 6
    rows = tshark.fields(
        [datagram(p, port) for p in payloads], folder, names,
        "-X", f"lua_script:{DISSECTOR}", "-d", "udp.port==3400,alc",
    )  # fmt: skip
    return [{name: ";".join(values) for name, values in row.items()} for row in rows]


def test_control_messages_are_decoded_field_by_field(tmp_path: Path) -> None:
    messages = [
        Message(tsi=7, incarnation=9 + i, name="fra", body=body).encode()
        for i, (body, _) in enumerate(BODIES)
    ]
    for i, (row, (body, wanted)) in enumerate(
        zip(seen(messages, tmp_path, 4401, "llmsync"), BODIES, strict=True)
    ):
        head = {
            "llmsync.version": "1", "llmsync.type": str(messages[i][3]), "llmsync.tsi": "7",
            "llmsync.incarnation": str(9 + i), "llmsync.name": "fra",
        }  # fmt: skip
        assert row == head | wanted, body


def test_our_header_extensions_are_decoded_field_by_field(tmp_path: Path) -> None:
    packets = [
        wire.Header(tsi=7, toi=3, extensions=(extension,)).encode() for extension, _ in EXTENSIONS
    ]
    rows = seen(packets, tmp_path, 3400, "llmsync_ext")
    for row, (extension, wanted) in zip(rows, EXTENSIONS, strict=True):
        assert row == wanted, extension


def test_damaged_messages_are_no_lua_errors(tmp_path: Path) -> None:
    rng = random.Random(3)
    cases = []
    for _ in range(300):
        body, _ = rng.choice(BODIES)
        data = bytearray(Message(tsi=7, incarnation=1, name="fra", body=body).encode())
        for _ in range(rng.randrange(3)):
            data[rng.randrange(2, len(data))] = rng.randrange(256)
        cases.append(bytes(data[: rng.randrange(len(data) + 1)]) if rng.random() < 0.5 else data)
    for _ in range(200):
        extension, _ = rng.choice(EXTENSIONS)
        data = bytearray(wire.Header(tsi=7, toi=3, extensions=(extension,)).encode())
        data[rng.randrange(4, len(data))] = rng.randrange(256)
        cases.append(bytes(data))
    frames = [datagram(bytes(c), 3400 if c[:1] == b"\x10" else 4401) for c in cases]
    capture = tshark.written(frames, tmp_path)
    text = tshark.run(
        capture, "-X", f"lua_script:{DISSECTOR}", "-d", "udp.port==3400,alc", "-V"
    )  # fmt: skip
    assert text.count("llmsync control message") > 100
    assert "Shorter than its type needs" in text


def test_every_filter_of_the_page_finds_something(tmp_path: Path) -> None:
    page = (DISSECTOR.parent.parent / "docs" / "how-to" / "wireshark.md").read_text()
    table = page[page.index("## Deliveries") :]
    filters = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert len(filters) > 7
    frames = [
        datagram(Message(tsi=7, incarnation=1, name="fra", body=body).encode(), 4401)
        for body, _ in BODIES
    ]
    headers = [wire.Header(tsi=7, toi=0, extensions=(found,)) for found, _ in EXTENSIONS]
    headers += [wire.Header(tsi=7, toi=1, close_session=True)]
    frames += [datagram(header.encode(), 3400) for header in headers]
    parity = wire.data_prefix(7, 3, 129) + wire.encode_payload_id(129, 0, 4, 5) + bytes(8)
    frames.append(datagram(parity, 3400))
    capture = tshark.written(frames, tmp_path)
    for text in filters:
        found = tshark.run(
            capture, "-X", f"lua_script:{DISSECTOR}", "-d", "udp.port==3400,alc", "-Y", text
        )
        assert 0 < len(found.splitlines()) < len(frames), text
