"""FLUTE sessions of others, made by hand: what the RFC allows them, and what nobody should send."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.delivery import wire
from toolkit.delivery.fdt import NAMESPACE, NEVER
from toolkit.delivery.flute import NTP_UNIX, FluteFile, FluteReceiver

NOW = 1_800_000_000.0
CONTENT = bytes(range(200))
PLAIN = FluteFile(location="file:///a", media="", content=CONTENT)


def fdt(*files: str, expires: int = NEVER, shared: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?><FDT-Instance xmlns="{NAMESPACE}" Expires="{expires}" {shared}>'
        f"{''.join(files)}</FDT-Instance>"
    ).encode()


def file(content: bytes = CONTENT, toi: int = 1, extra: str = "", oti: bool = True) -> str:
    found = (
        f'FEC-OTI-FEC-Encoding-ID="0" FEC-OTI-Maximum-Source-Block-Length="4" '
        f'FEC-OTI-Encoding-Symbol-Length="64" Transfer-Length="{len(content)}"'
    )
    return f'<File TOI="{toi}" Content-Location="file:///a" {found if oti else ""} {extra}/>'


def packets(
    toi: int, content: bytes, *more: wire.Extension, tsi: int = 7, in_band: bool = False
) -> list[bytes]:
    """An object in symbols of 64 octets and blocks of 4, FEC Encoding ID 0."""
    fti = wire.Fti(fec_id=0, transfer_length=len(content), symbol=64, block=4)
    extensions = (*more, *((fti.extension(),) if in_band else ()))
    header = wire.Header(tsi=tsi, toi=toi, codepoint=0, extensions=extensions).encode()
    symbols = -(-len(content) // 64)
    blocks = -(-symbols // 4)
    small, larger = divmod(symbols, blocks)
    out, at = [], 0
    for sbn in range(blocks):
        for esi in range(small + (sbn < larger)):
            identity = wire.encode_payload_id(0, sbn, 0, esi)
            out.append(header + identity + content[at : at + 64])
            at += 64
    return out


def instance(text: bytes, number: int = 1, *more: wire.Extension) -> list[bytes]:
    return packets(0, text, wire.fdt_extension(number), *more, in_band=True)


def received(engine: FluteReceiver, *groups: list[bytes]) -> list[FluteFile]:
    return [f for group in groups for p in group for f in engine.receive(p, NOW)]


def test_an_object_is_found_through_the_fdt_alone() -> None:
    engine = FluteReceiver()
    assert received(engine, instance(fdt(file())), packets(1, CONTENT)) == [PLAIN]


def test_packets_ahead_of_the_fdt_are_kept() -> None:
    for in_band in (False, True):
        engine = FluteReceiver()
        object_first = packets(1, CONTENT, in_band=in_band)
        assert received(engine, object_first) == []
        assert received(engine, instance(fdt(file()))) == [PLAIN]


def test_the_fec_oti_may_be_in_the_packets_alone() -> None:
    engine = FluteReceiver()
    groups = instance(fdt(file(oti=False))), packets(1, CONTENT, in_band=True)
    assert received(engine, *groups) == [PLAIN]


def test_an_empty_file_needs_no_packets() -> None:
    assert received(FluteReceiver(), instance(fdt(file(b"")))) == [
        FluteFile(location="file:///a", media="", content=b"")
    ]


def test_a_later_instance_adds_files_and_repeats_none() -> None:
    engine = FluteReceiver()
    received(engine, instance(fdt(file())), packets(1, CONTENT))
    other = file(b"other", toi=2).replace("file:///a", "file:///b")
    again = received(
        engine, instance(fdt(file(), other), 2), packets(1, CONTENT), packets(2, b"other")
    )
    assert [(f.location, f.content) for f in again] == [("file:///b", b"other")]


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(1, zlib.compress), (2, lambda d: zlib.compress(d, wbits=-15)), (3, gzip.compress)],
)
def test_an_encoded_fdt_is_read(number: int, encoded: object) -> None:
    cenc = wire.Extension(193, bytes([number, 0, 0]))
    assert callable(encoded)
    groups = instance(encoded(fdt(file())), 1, cenc), packets(1, CONTENT)
    assert received(FluteReceiver(), *groups) == [PLAIN]


def test_an_encoded_file_is_decoded_and_a_bomb_is_not() -> None:
    packed = gzip.compress(CONTENT)
    listed = file(packed, extra='Content-Encoding="gzip"')
    assert received(FluteReceiver(), instance(fdt(listed)), packets(1, packed)) == [PLAIN]
    bomb = gzip.compress(bytes(10_000_000))
    engine = FluteReceiver(memory=1_000_000)
    listed = file(bomb, extra='Content-Encoding="gzip"')
    assert received(engine, instance(fdt(listed)), packets(1, bomb)) == []
    assert any("too long when decoded" in reason for reason in engine.ignored)


def test_content_md5_is_checked() -> None:
    right = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    wrong = base64.b64encode(bytes(16)).decode()
    good = instance(fdt(file(extra=f'Content-MD5="{right}"'))), packets(1, CONTENT)
    assert received(FluteReceiver(), *good) == [PLAIN]
    engine = FluteReceiver()
    bad = instance(fdt(file(extra=f'Content-MD5="{wrong}"'))), packets(1, CONTENT)
    assert received(engine, *bad) == []
    assert engine.waiting == ["file:///a"]
    assert any("Content-MD5" in reason for reason in engine.ignored)


def test_an_expired_instance_is_not_used() -> None:
    engine = FluteReceiver()
    old, new = int(NOW) + NTP_UNIX - 1, int(NOW) + NTP_UNIX + 1
    assert received(engine, instance(fdt(file(), expires=old)), packets(1, CONTENT)) == []
    assert engine.ignored == {"FDT: it has expired": 1}
    assert received(engine, instance(fdt(file(), expires=new), 2)) == [PLAIN]


def test_a_session_is_one_tsi_and_ends_with_flag_a() -> None:
    engine = FluteReceiver()
    groups = instance(fdt(file())), packets(1, bytes(200), tsi=8), packets(1, CONTENT)
    assert received(engine, *groups) == [PLAIN]
    assert engine.ignored == {"TSI 8 is not that of this session": 4}
    assert not engine.ended
    engine.receive(wire.Header(tsi=7, toi=0, close_session=True).encode(), NOW)
    assert engine.ended


def test_memory_is_bounded() -> None:
    engine = FluteReceiver(7, memory=2000)
    large = packets(9, bytes(4000), in_band=True)
    assert received(engine, large) == []
    assert any("4000 octets, and room for 2000" in reason for reason in engine.ignored)
    for toi in range(100, 200):  # no FDT names them
        received(engine, packets(toi, bytes(60)))
    assert any("no room for more" in reason for reason in engine.ignored)


def test_what_an_fdt_cannot_be_is_refused_with_its_reason() -> None:
    for text, reason in (
        (b"<a/>", "root element"),
        (fdt('<File TOI="1"/>'), "not well formed"),
        (fdt(file(), shared='Expires="1"'), "not well formed"),
    ):
        engine = FluteReceiver()
        assert received(engine, instance(text)) == []
        assert any(reason in found for found in engine.ignored)
    engine = FluteReceiver()
    received(engine, packets(0, fdt(file()), in_band=True))
    assert any("without EXT_FDT" in found for found in engine.ignored)
    zero = wire.Fti(fec_id=0, transfer_length=10, symbol=0, block=4).extension()
    header = wire.Header(tsi=7, toi=3, codepoint=0, extensions=(zero,)).encode()
    engine.receive(header + bytes(4) + b"x", NOW)
    assert any("blocks of 4 x 0 octets" in found for found in engine.ignored)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 400), st.integers(0, 255)), max_size=9)
)
def test_damaged_packets_never_raise_and_never_grow(changes: list[tuple[int, int, int]]) -> None:
    stream = [*instance(fdt(file())), *packets(1, CONTENT, in_band=True)]
    engine = FluteReceiver(7, memory=100_000)
    for number, at, value in changes:
        packet = bytearray(stream[number % len(stream)])
        packet[at % len(packet)] = value
        stream[number % len(stream)] = bytes(packet)
    for found in received(engine, stream):
        assert len(found.content) <= 100_000
