"""Our packets in the hands of others, and theirs in ours: Wireshark's dissector and flute-alc."""

from __future__ import annotations

import importlib.util
import logging
import random
import shutil
import struct
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from net import Net, Weather

from toolkit.delivery import wire
from toolkit.delivery.fec import Partition
from toolkit.delivery.flute import FluteFile, FluteReceiver
from toolkit.delivery.model import Coding

pytestmark = pytest.mark.interop

FILES = {"config.json": b"{}", "w/model.bin": random.Random(5).randbytes(50_003)}
CODINGS = {
    129: Coding(symbol=1376, block=16, parity=8),
    0: Coding(symbol=1376, block=16, parity=0),
}
HAS_TSHARK = shutil.which("tshark") is not None
HAS_FLUTE = importlib.util.find_spec("flute") is not None
needs_tshark = pytest.mark.skipif(
    not HAS_TSHARK, reason="tshark is not installed (apt-get install tshark)"
)
needs_flute = pytest.mark.skipif(
    not HAS_FLUTE, reason="flute-alc is not installed (pip install flute-alc)"
)
both_schemes = pytest.mark.parametrize("fec_id", CODINGS)


def delivered(loss: float, fec_id: int = 129) -> list[bytes]:
    """Every packet that a delivery to one receiver sent."""
    net = Net(FILES, ["fra"], coding=CODINGS[fec_id], weather=Weather(loss=loss), seed=3)
    packets: list[bytes] = []
    poll = net.sender.poll

    def recorded(now: float, budget: int = 64) -> list[object]:
        out = poll(now, budget)
        packets.extend(bytes(p.header) + p.payload for p in out)
        return list(out)

    net.sender.poll = recorded  # type: ignore[method-assign, assignment]
    net.run()
    return packets


def payload_id(packet: bytes) -> tuple[int, wire.PayloadId] | None:
    """TOI and FEC Payload ID of a packet; None where it has no payload."""
    header, at = wire.parse(packet)
    if at == len(packet):
        return None
    return header.toi, wire.parse_payload_id(header.codepoint, packet, at)[0]


# ----- Wireshark


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


def fields_that_wireshark_knows() -> set[str]:
    """Every field of the protocols below ours, as this tshark has them."""
    done = subprocess.run(
        ["tshark", "-G", "fields"], capture_output=True, text=True, check=True, timeout=60
    )
    names = {line.split("\t")[2] for line in done.stdout.splitlines() if line.startswith("F\t")}
    return {n for n in names if n.split(".")[0] in ("alc", "rmt-lct", "rmt-fec")}


HEADINGS = {"rmt-lct.fsize", "rmt-lct.flags"}
"""Fields that sum up those below them."""


def expected(packet: bytes) -> dict[str, list[str]]:
    """What Wireshark has to see in a packet, from our own reading of it; absent: not there."""
    header, at = wire.parse(packet)
    fti, poll, instance = header.fti(), header.poll(), header.fdt_instance()
    hets = [e.het for e in header.extensions]
    seen: dict[str, list[object]] = {
        "alc.version": [1],
        "rmt-lct.version": [1],
        "rmt-lct.fsize.cci": [4],
        "rmt-lct.fsize.tsi": [4],
        "rmt-lct.fsize.toi": [4],
        "rmt-lct.flags.sct_present": [0],
        "rmt-lct.flags.ert_present": [0],
        "rmt-lct.flags.close_session": [int(header.close_session)],
        "rmt-lct.flags.close_object": [int(header.close_object)],
        "rmt-lct.hlen": [at],
        "rmt-lct.codepoint": [header.codepoint],
        "rmt-lct.cci": ["00000000"],
        "rmt-lct.tsi": [header.tsi],
        "rmt-lct.toi": [header.toi],
        "rmt-lct.ext": [len(hets)] if hets else [],
        "rmt-lct.hec.type": hets,
        "rmt-lct.hec.len": [4 for het in hets if het < 128],
    }
    if instance is not None:
        seen["rmt-lct.flute_version"] = [2]
        seen["rmt-lct.fdt_instance_id"] = [instance]
    if poll is not None:
        seen["rmt-lct.hec.data"] = [poll.extension().content.hex()]
    if fti is not None:
        seen["rmt-fec.fti.transfer_length"] = [fti.transfer_length]
        seen["rmt-fec.fti.encoding_symbol_length"] = [fti.symbol]
        seen["rmt-fec.fti.max_source_block_length"] = [fti.block]
        # Of ID 0 it is a reserved field, which has to be 0 and is shown under the same name.
        seen["rmt-fec.instance_id"] = [fti.instance]
        if fti.fec_id == 129:
            seen["rmt-fec.fti.max_number_encoding_symbols"] = [fti.max_n]
    if at < len(packet):
        symbol, start = wire.parse_payload_id(header.codepoint, packet, at)
        seen["rmt-fec.encoding_id"] = [header.codepoint]
        seen["rmt-fec.sbn"] = [symbol.sbn]
        seen["rmt-fec.esi"] = [symbol.esi]
        if symbol.sbl is not None:
            seen["rmt-fec.sbl"] = [symbol.sbl]
        if header.toi:  # that of TOI 0 goes on to the dissector of XML
            seen["alc.payload"] = [packet[start:].hex()]
    return {name: [str(v) for v in values] for name, values in seen.items() if values}


def as_numbers(values: list[str]) -> list[str]:
    """Wireshark prints some numbers in hexadecimal, and bytes with or without colons."""
    return [str(int(v, 16)) if v.startswith("0x") else v.replace(":", "") for v in values]


@needs_tshark
@both_schemes
def test_wireshark_decodes_every_field_of_every_packet(tmp_path: Path, fec_id: int) -> None:
    packets = delivered(0.1, fec_id)
    capture = tmp_path / "delivery.pcap"
    write_capture(capture, packets)
    assert tshark(capture, "-Y", "_ws.malformed || _ws.expert") == []
    names = sorted(fields_that_wireshark_knows())
    rows = tshark(
        capture, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=;",
        *(part for name in names for part in ("-e", name)),
    )  # fmt: skip
    assert len(rows) == len(packets)
    compared: set[str] = set()
    for row, packet in zip(rows, packets, strict=True):
        row += [""] * (len(names) - len(row))
        found = {
            name: as_numbers(value.split(";"))
            for name, value in zip(names, row, strict=True)
            if value and name not in HEADINGS
        }
        # The dissector gives the FEC instance twice: of EXT_FTI, and of the packet.
        if "rmt-fec.instance_id" in found:
            found["rmt-fec.instance_id"] = found["rmt-fec.instance_id"][:1]
        wanted = expected(packet)
        assert found == wanted, packet[:48].hex()
        compared |= set(wanted)
    ids = [found for packet in packets if (found := payload_id(packet))]
    assert {toi for toi, _ in ids} == {0, 1, 2, 3, 4, 5}
    if fec_id == 129:
        assert any(symbol.esi >= (symbol.sbl or 0) for _, symbol in ids), "no parity was sent"
    kinds = {"rmt-lct.fdt_instance_id", "rmt-fec.fti.transfer_length", "rmt-lct.hec.data",
             "rmt-fec.sbn", "alc.payload"}  # fmt: skip
    assert kinds <= compared


@both_schemes
def test_which_packets_say_that_it_is_over(fec_id: int) -> None:
    packets = delivered(0.1, fec_id)
    headers = [(wire.parse(packet), len(packet)) for packet in packets]
    assert not any(header.close_object for (header, _), _ in headers)
    closing = [at for (header, at), _ in headers if header.close_session]
    assert closing, "the session was never closed"
    for (header, at), length in headers:
        if header.close_session:
            assert at == length, "a packet with data closed the session"
    assert headers[-1][0][0].close_session
    assert {header.codepoint for (header, _), _ in headers} == {fec_id}


# ----- flute-alc receives


def received_by_flute_alc(packets: Iterable[bytes], folder: Path) -> dict[str, bytes]:
    """Give flute-alc the packets; return the files that it wrote."""
    from flute import receiver

    folder.mkdir()
    endpoint = receiver.UDPEndpoint("232.1.1.1", 3400)
    writer = receiver.ObjectWriterBuilder(str(folder))
    engine = receiver.Receiver(endpoint, 7, writer, receiver.Config())
    for packet in packets:
        if payload_id(packet):  # it takes no packet without a payload
            engine.push(packet)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def check_files(found: dict[str, bytes]) -> None:
    """All objects of our session: the files, their digests and the manifest."""
    assert {name: found[name] for name in FILES} == FILES
    others = set(found) - set(FILES)
    assert others == {"llmsync:manifest", *(f"llmsync:digests:{name}" for name in FILES)}
    assert b'"payloadType"' in found["llmsync:manifest"]


@needs_flute
@both_schemes
def test_another_flute_receiver_gets_every_object(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, fec_id: int
) -> None:
    caplog.set_level(logging.ERROR)
    check_files(received_by_flute_alc(delivered(0.0, fec_id), tmp_path / "out"))


@needs_flute
def test_another_flute_receiver_repairs_with_our_parity(tmp_path: Path) -> None:
    packets = delivered(0.1)
    parity: dict[tuple[int, int], int] = defaultdict(int)
    for packet in packets:
        if found := payload_id(packet):
            toi, symbol = found
            parity[toi, symbol.sbn] += symbol.esi >= (symbol.sbl or 0)
    assert sum(parity.values()) >= 3
    budget, lost, kept = dict(parity), 0, []
    for packet in packets:
        if found := payload_id(packet):
            toi, symbol = found
            if symbol.esi < (symbol.sbl or 0) and budget[toi, symbol.sbn]:
                # As many source symbols are withheld as there is parity, on both passes.
                budget[toi, symbol.sbn] -= 1
                lost += 1
                continue
        kept.append(packet)
    assert lost == sum(parity.values())
    check_files(received_by_flute_alc(kept, tmp_path / "out"))


@needs_flute
def test_without_enough_parity_the_other_receiver_gets_nothing_wrong(tmp_path: Path) -> None:
    kept = [p for p in delivered(0.0) if payload_id(p) != (5, wire.PayloadId(sbn=0, sbl=13, esi=4))]
    assert len(kept) == len(delivered(0.0)) - 1
    found = received_by_flute_alc(kept, tmp_path / "out")
    assert found.get("w/model.bin") != FILES["w/model.bin"]
    assert found["config.json"] == b"{}"


# ----- flute-alc sends


def sent_by_flute_alc(files: dict[str, bytes], fec_id: int, symbol: int, block: int) -> list[bytes]:
    from flute import sender

    if fec_id == 129:
        oti = sender.Oti.new_reed_solomon_rs28_under_specified(symbol, block, 4)
    else:
        oti = sender.Oti.new_no_code(symbol, block)
    engine = sender.Sender(7, oti, sender.Config())
    for name, content in files.items():
        engine.add_object_from_buffer(content, "text/plain", f"file:///{name}", None)
    engine.publish()
    packets = []
    while (packet := engine.read()) is not None:
        packets.append(bytes(packet))
    return packets


def received_by_us(packets: Iterable[bytes], engine: FluteReceiver) -> dict[str, bytes]:
    files: list[FluteFile] = []
    for packet in packets:
        files += engine.receive(packet, time.time())
    assert len({f.location for f in files}) == len(files), "a file was handed out twice"
    assert {f.media for f in files} <= {"text/plain"}
    return {f.location.removeprefix("file:///"): f.content for f in files}


THEIRS = {"a.bin": random.Random(8).randbytes(9_003), "b.txt": b"x", "c": bytes(640)}


@needs_flute
@both_schemes
@pytest.mark.parametrize(("symbol", "block"), [(64, 8), (1376, 16), (100, 3)])
def test_we_receive_what_another_flute_sender_sends(fec_id: int, symbol: int, block: int) -> None:
    packets = sent_by_flute_alc(THEIRS, fec_id, symbol, block)
    engine = FluteReceiver(7)
    assert received_by_us(packets, engine) == THEIRS
    assert engine.waiting == []
    assert not engine.ignored


@needs_flute
@pytest.mark.parametrize("seed", range(8))
def test_we_repair_with_the_parity_of_another_sender(seed: int) -> None:
    chance = random.Random(seed)
    packets = sent_by_flute_alc(THEIRS, 129, 64, 8)
    blocks: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, packet in enumerate(packets):
        found = payload_id(packet)
        assert found is not None
        blocks[found[0], found[1].sbn].append(number)
    # Of each block as many are lost as there is parity in it, whichever they are.
    gone = {
        number
        for (_, _), numbers in blocks.items()
        for number in chance.sample(numbers, len(numbers) - _source(packets[numbers[0]]))
    }
    assert len(gone) > 20
    kept = [p for i, p in enumerate(packets) if i not in gone]
    chance.shuffle(kept)
    assert received_by_us(kept + kept[:40], FluteReceiver()) == THEIRS


def _source(packet: bytes) -> int:
    found = payload_id(packet)
    assert found is not None
    return found[1].sbl or 0


@needs_flute
def test_what_another_sender_does_not_repair_is_not_handed_out() -> None:
    packets = sent_by_flute_alc(THEIRS, 0, 64, 8)
    lost = next(p for p in packets if payload_id(p) == (1, wire.PayloadId(sbn=2, esi=1)))
    engine = FluteReceiver(7)
    found = received_by_us([p for p in packets if p != lost], engine)
    assert found == {name: content for name, content in THEIRS.items() if name != "a.bin"}
    assert engine.waiting == ["file:///a.bin"]
    assert [f.location for f in engine.receive(lost, time.time())] == ["file:///a.bin"]


@needs_flute
@both_schemes
@pytest.mark.parametrize("length", [1, 63, 64, 65, 576, 640, 1003, 64 * 17, 64 * 17 + 1, 4999])
def test_objects_are_cut_as_another_sender_cuts_them(fec_id: int, length: int) -> None:
    """RFC 5052 section 9.1: the last partition is smaller, the last symbol is short."""
    content = random.Random(length).randbytes(length)
    part = Partition(length, 64, 8)
    seen: dict[int, set[int]] = defaultdict(set)
    for packet in sent_by_flute_alc({"a": content}, fec_id, 64, 8):
        found = payload_id(packet)
        if found is None or found[0] == 0:
            continue
        symbol = found[1]
        k = part.k(symbol.sbn)
        assert symbol.sbl in (None, k)
        if symbol.esi < k:
            seen[symbol.sbn].add(symbol.esi)
            header, at = wire.parse(packet)
            _, start = wire.parse_payload_id(header.codepoint, packet, at)
            offset = part.offset(symbol.sbn) + 64 * symbol.esi
            wanted = content[offset : offset + 64]
            assert packet[start:].rstrip(b"\0") == wanted.rstrip(b"\0")
            assert len(packet) - start in (64, len(wanted))
    assert {sbn: len(esis) for sbn, esis in seen.items()} == {
        sbn: part.k(sbn) for sbn in range(part.blocks)
    }


@both_schemes
def test_our_own_session_is_one_of_flute(fec_id: int) -> None:
    engine = FluteReceiver()
    files = [f for p in delivered(0.1, fec_id) for f in engine.receive(p, time.time())]
    found = {f.location: f.content for f in files}
    assert found["file:///w/model.bin"] == FILES["w/model.bin"]
    assert found["file:///config.json"] == FILES["config.json"]
    assert len(found) == 5
    assert engine.ended
    assert engine.waiting == []
    assert not engine.ignored
