"""ALC/LCT bytes against packets packed by hand from the RFCs' drawings, and against flute-alc's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.delivery import wire
from toolkit.errors import WireError

# RFC 5651 section 5.1: V=1, C=0, PSI=0, S=1, O=1, H=0, A=0, B=0, HDR_LEN=4, CP=129; CCI 0; TSI 7;
# TOI 3.  RFC 5445 section 5.1: SBN 2, SBL 128, ESI 130.
DATA = bytes.fromhex("10a00481 00000000 00000007 00000003" + "00000002 0080 0082" + "abcdef")

# The same with FEC Encoding ID 0 (RFC 5445 section 3.1: SBN 2, ESI 5) and the close object flag.
NO_CODE = bytes.fromhex("10a10400 00000000 00000007 00000003" + "0002 0005" + "abcdef")

# TOI 0 with EXT_FDT (RFC 6726 section 3.4.1: HET 192, V=2, instance 5) and EXT_FTI (RFC 5445
# section 5.2.3: HET 64, HEL 4, length 0x010000000437, instance 0, E 1356, B 64, max_n 128).
FDT = bytes.fromhex(
    "10a00981 00000000 00000007 00000000"
    "c0200005"
    "4004 0100 00000437 0000 054c 0040 0080"
    "00000000 0001 0000"
)

# TOI 1 with EXT_FTI of FEC Encoding ID 0 (RFC 5445 section 3.2.3) and the close session flag.
FTI_0 = bytes.fromhex(
    "10a20800 00000000 00000007 00000001" + "4004 0000 00000437 0000 054c 00000040" + "0000 0001"
)

# Our own poll: TOI 5, poll 9, blocks 16 and 17.
POLL = bytes.fromhex("10a00881 00000000 00000007 00000005 6304 0000 00000009 00000010 00000002")

# Made by flute-alc 1.11.7 (Rust), new_reed_solomon_rs28_under_specified(64, 4, 2), TSI 7: an FDT
# packet and a packet of TOI 1.  It writes TSI and TOI as 16 bits each (H=1) and a 48 bit NTP time.
FLUTE_FDT = bytes.fromhex(
    "10100c81 00000000 00070000 c0200001 c1000000 0203c000eeaed368d9a543f1"
    "4004 0000 00000437 0000 0040 0004 0006 00000000 0004 0000"
)
FLUTE_DATA = bytes.fromhex(
    "10110781 00000000 00070001 4004 0000 000000fd 0000 0040 0004 0006 00000000 0004 0005"
)

EXAMPLES = {
    "data": (DATA, wire.Header(tsi=7, toi=3), wire.PayloadId(sbn=2, sbl=128, esi=130)),
    "no code": (
        NO_CODE,
        wire.Header(tsi=7, toi=3, codepoint=0, close_object=True),
        wire.PayloadId(sbn=2, esi=5),
    ),
    "fdt": (
        FDT,
        wire.Header(
            tsi=7, toi=0,
            extensions=(
                wire.fdt_extension(5),
                wire.Fti(fec_id=129, transfer_length=0x10000000437, symbol=1356, block=64,
                         max_n=128).extension(),
            ),
        ),
        wire.PayloadId(sbn=0, sbl=1, esi=0),
    ),
    "fti of fec 0": (
        FTI_0,
        wire.Header(
            tsi=7, toi=1, codepoint=0, close_session=True,
            extensions=(
                wire.Fti(fec_id=0, transfer_length=1079, symbol=1356, block=64).extension(),
            ),
        ),
        wire.PayloadId(sbn=0, esi=1),
    ),
    "poll": (
        POLL,
        wire.Header(
            tsi=7, toi=5, extensions=(wire.Poll(poll_id=9, first=16, count=2).extension(),)
        ),
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_packet_packed_by_hand_is_parsed(name: str) -> None:
    data, header, payload_id = EXAMPLES[name]
    parsed, at = wire.parse(data)
    assert parsed == header
    if payload_id is None:
        assert at == len(data)
    else:
        assert wire.parse_payload_id(parsed.codepoint, data, at)[0] == payload_id


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_header_is_written_as_a_hand_would(name: str) -> None:
    data, header, payload_id = EXAMPLES[name]
    written = header.encode()
    if payload_id is not None:
        written += wire.encode_payload_id(
            header.codepoint, payload_id.sbn, payload_id.sbl or 0, payload_id.esi
        )
    assert data.startswith(written)
    assert data[len(written) :] in (b"", b"\xab\xcd\xef")


def test_the_hot_path_writes_the_same_bytes() -> None:
    prefix = wire.data_prefix(7, 3, wire.FEC_SMALL_BLOCK)
    assert DATA.startswith(prefix)
    assert wire.FIXED.unpack_from(DATA) == (wire.DATA_WORD, 0, 7, 3, 2, 128, 130)


def test_extensions_say_what_they_said_when_they_were_made() -> None:
    header = wire.parse(FDT)[0]
    assert header.fdt_instance() == 5
    assert header.fti() == wire.Fti(
        fec_id=129, transfer_length=0x10000000437, symbol=1356, block=64, max_n=128
    )
    assert wire.parse(FTI_0)[0].fti() == wire.Fti(
        fec_id=0, transfer_length=1079, symbol=1356, block=64
    )
    assert wire.parse(POLL)[0].poll() == wire.Poll(poll_id=9, first=16, count=2)
    assert wire.parse(DATA)[0].poll() is None


def test_packets_of_flute_alc_are_understood() -> None:
    header, at = wire.parse(FLUTE_FDT)
    assert (header.tsi, header.toi, header.codepoint) == (7, 0, 129)
    assert header.fdt_instance() == 1
    assert header.fti() == wire.Fti(fec_id=129, transfer_length=1079, symbol=64, block=4, max_n=6)
    assert [e.het for e in header.extensions] == [192, 193, 2, 64]
    assert wire.parse_payload_id(129, FLUTE_FDT, at)[0] == wire.PayloadId(sbn=0, sbl=4, esi=0)
    header, at = wire.parse(FLUTE_DATA)
    assert (header.tsi, header.toi, header.close_object) == (7, 1, True)
    assert wire.parse_payload_id(129, FLUTE_DATA, at)[0] == wire.PayloadId(sbn=0, sbl=4, esi=5)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("10a0", "2 bytes are too few"),
        ("20a00481" + "00" * 12, "version 2 is unknown"),
        ("10a00381" + "00" * 12, "HDR_LEN says 12 bytes, its fields take 16"),
        ("10a00681" + "00" * 12, "24 bytes expected, 16 present"),
        ("10a00581" + "00" * 12 + "40020000", "extension 64 does not fit"),
        ("10a00581" + "00" * 12 + "40000000", "extension 64 does not fit"),
    ],
)
def test_a_malformed_header_is_refused_with_its_reason(data: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        wire.parse(bytes.fromhex(data))


def test_a_truncated_payload_id_is_refused() -> None:
    with pytest.raises(WireError, match="FEC Payload ID: 3 bytes are too few"):
        wire.parse_payload_id(129, DATA[:19], 16)
    with pytest.raises(WireError, match="FEC Encoding ID 6 is unknown"):
        wire.parse_payload_id(6, DATA, 16)


def test_a_header_that_fits_no_packet_cannot_be_made() -> None:
    for wrong in ({"tsi": 1 << 48}, {"toi": -1}, {"codepoint": 256}):
        with pytest.raises(ValueError, match="does not fit"):
            wire.Header(**{"tsi": 1, "toi": 1, **wrong})
    with pytest.raises(ValueError, match="has 3 bytes of content"):
        wire.Extension(192, b"12")
    with pytest.raises(ValueError, match="bytes of content"):
        wire.Extension(64, b"123")
    with pytest.raises(ValueError, match="does not fit 16 bits"):
        wire.Fti(fec_id=129, transfer_length=1, symbol=70000, block=1)


extensions = st.lists(
    st.one_of(
        st.builds(wire.Extension, st.integers(128, 255), st.binary(min_size=3, max_size=3)),
        st.builds(
            lambda het, words, seed: wire.Extension(het, (seed * 20)[: words * 4 + 2]),
            st.integers(0, 127), st.integers(0, 4), st.binary(min_size=1, max_size=4),
        ),
    ),
    max_size=4,
)  # fmt: skip


@given(
    tsi=st.integers(0, (1 << 48) - 1),
    toi=st.integers(0, (1 << 112) - 1),
    cci=st.integers(0, (1 << 128) - 1),
    codepoint=st.integers(0, 255),
    close=st.tuples(st.booleans(), st.booleans()),
    found=extensions,
)
def test_every_header_that_can_be_made_is_parsed_as_itself(
    tsi: int, toi: int, cci: int, codepoint: int, close: tuple[bool, bool],
    found: list[wire.Extension],
) -> None:  # fmt: skip
    try:
        header = wire.Header(
            tsi=tsi, toi=toi, cci=cci, codepoint=codepoint, close_session=close[0],
            close_object=close[1], extensions=tuple(found),
        )  # fmt: skip
    except ValueError:
        return
    encoded = header.encode()
    assert wire.parse(encoded + b"payload") == (header, len(encoded))


@given(st.binary(max_size=80))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        header, at = wire.parse(data)
        header.fti(), header.poll(), header.fdt_instance()
        wire.parse_payload_id(header.codepoint, data, at)
    except WireError:
        pass


@given(st.binary(max_size=60), st.integers(0, 15))
def test_any_bytes_behind_a_plausible_start_are_parsed_or_refused(tail: bytes, words: int) -> None:
    data = bytes([0x10, 0xA0, words, 0x81]) + tail
    try:
        header, _ = wire.parse(data)
        header.fti(), header.poll(), header.fdt_instance()
    except WireError:
        pass
