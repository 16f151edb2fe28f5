"""IS-IS PDUs: link state PDUs both ways, sequence numbers PDUs as far as they name LSPs.

ISO/IEC 10589 sections 9.3 to 9.13 (headers), 7.3.11 (checksum), 7.3.16 (order of sequence numbers,
purges); RFC 3719 section 2 (checksum of a purge).  Law: a checksum covers all from the LSP ID on,
and is not looked at in a purge (lifetime 0); a PDU whose last TLV is cut keeps the ones before it.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from toolkit.errors import WireError
from toolkit.inet import fletcher
from toolkit.inet.tlv import Tlv, read_short, write_short

NLPID: Final = 0x83
"""Network layer protocol of IS-IS: the first octet behind LLC."""
LLC: Final = bytes.fromhex("fefe03")
"""DSAP and SSAP of OSI network layer, unnumbered information (ISO 8802-2)."""
LSP_TYPES: Final = {18: 1, 20: 2}
"""PDU type -> level."""
CSNP_TYPES: Final = {24: 1, 25: 2}
PSNP_TYPES: Final = {26: 1, 27: 2}
MAX_LIFETIME: Final = 1200
_COMMON: Final = 8
_LSP: Final = Struct("!HHQIHB")
_LSP_HEADER: Final = _COMMON + _LSP.size
_ID_AT: Final = 12
"""Offset of the LSP ID: the checksum counts from here."""
_CHECKSUM_AT: Final = 24
_ENTRY: Final = Struct("!HQIH")
_LSP_ENTRIES: Final = 9
_OVERLOAD: Final = 0x04


def system_text(system_id: bytes) -> str:
    """Return the usual form of a system ID: 1921.6800.1001."""
    text = system_id.hex()
    return ".".join(text[i : i + 4] for i in range(0, len(text), 4))


@dataclass(frozen=True, slots=True, order=True)
class LspId:
    system_id: bytes
    """Six octets."""
    pseudonode: int = 0
    """0: the router itself."""
    fragment: int = 0

    def __post_init__(self) -> None:
        if len(self.system_id) != 6 or not (0 <= self.pseudonode <= 255 >= self.fragment >= 0):
            raise ValueError(f"no LSP ID: {self.system_id.hex()} {self.pseudonode} {self.fragment}")

    @classmethod
    def of(cls, number: int) -> LspId:
        octets = number.to_bytes(8, "big")
        return cls(octets[:6], octets[6], octets[7])

    def encode(self) -> bytes:
        return self.system_id + bytes((self.pseudonode, self.fragment))

    def __str__(self) -> str:
        return f"{system_text(self.system_id)}.{self.pseudonode:02x}-{self.fragment:02x}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lsp:
    """A link state PDU."""

    level: int
    id: LspId
    sequence: int = 1
    lifetime: int = MAX_LIFETIME
    """Seconds that remain; 0 is a purge."""
    overloaded: bool = False
    """Carries no transit traffic (ISO/IEC 10589 section 7.2.8)."""
    tlvs: tuple[Tlv, ...] = ()

    def __post_init__(self) -> None:
        if self.level not in {1, 2}:
            raise ValueError(f"level {self.level} is neither 1 nor 2")
        if not 0 <= self.sequence <= 0xFFFFFFFF or not 0 <= self.lifetime <= 0xFFFF:
            raise ValueError("sequence number or lifetime does not fit its field")


@dataclass(frozen=True, slots=True)
class ReceivedLsp:
    """An LSP with what only its octets say."""

    lsp: Lsp
    checksum: int
    intact: bool
    """The checksum fits, or need not (a purge)."""
    damage: str = ""
    """Why TLVs were lost at its end; empty where none were."""


@dataclass(frozen=True, slots=True)
class LspEntry:
    """An LSP that a sequence numbers PDU lists (TLV 9)."""

    id: LspId
    sequence: int
    lifetime: int


@dataclass(frozen=True, slots=True)
class Snp:
    """A complete or partial sequence numbers PDU."""

    level: int
    entries: tuple[LspEntry, ...]


def parse(data: bytes) -> ReceivedLsp | Snp | None:
    """Return what a PDU (from the NLPID on) says, None for a Hello; WireError where malformed.

    `data` may be followed by padding.
    """
    if len(data) < _COMMON:
        raise WireError(f"IS-IS: {len(data)} octets are less than the header of {_COMMON}")
    if data[0] != NLPID:
        raise WireError(f"IS-IS: {data[0]:#04x} is not the network layer protocol 0x83")
    if data[2] != 1 or data[5] != 1:
        raise WireError(f"IS-IS: version {data[2]}.{data[5]} is not 1.1")
    if data[3] not in {0, 6}:
        raise WireError(f"IS-IS: system IDs of {data[3]} octets; only 6 are understood")
    kind, header = data[4] & 0x1F, data[1]
    if kind in LSP_TYPES:
        return _parse_lsp(data, header, LSP_TYPES[kind])
    if kind in CSNP_TYPES:
        return Snp(CSNP_TYPES[kind], _entries(data, header, _COMMON + 25))
    if kind in PSNP_TYPES:
        return Snp(PSNP_TYPES[kind], _entries(data, header, _COMMON + 9))
    if kind in {15, 16, 17}:
        return None
    raise WireError(f"IS-IS: PDU type {kind} is not known")


def _body(data: bytes, header: int, wanted: int) -> bytes:
    """The whole PDU, without padding."""
    if header != wanted:
        raise WireError(f"IS-IS: a header of {header} octets, not {wanted}")
    length = int.from_bytes(data[_COMMON : _COMMON + 2], "big")
    if not header <= length <= len(data):
        raise WireError(f"IS-IS: a PDU of {length} octets in {len(data)}, header {header}")
    return data[:length]


def _parse_lsp(data: bytes, header: int, level: int) -> ReceivedLsp:
    pdu = _body(data, header, _LSP_HEADER)
    _length, lifetime, number, sequence, checksum, flags = _LSP.unpack_from(pdu, _COMMON)
    tlvs: list[Tlv] = []
    damage = ""
    try:
        tlvs += (tlv for _at, tlv in read_short(pdu[_LSP_HEADER:]))
    except WireError as error:
        damage = str(error)
    lsp = Lsp(
        level=level,
        id=LspId.of(number),
        sequence=sequence,
        lifetime=lifetime,
        overloaded=bool(flags & _OVERLOAD),
        tlvs=tuple(tlvs),
    )
    return ReceivedLsp(lsp, checksum, not lifetime or fletcher.verify(pdu[_ID_AT:]), damage)


def _entries(data: bytes, header: int, wanted: int) -> tuple[LspEntry, ...]:
    found: list[LspEntry] = []
    for _at, tlv in read_short(_body(data, header, wanted)[wanted:]):
        if tlv.type != _LSP_ENTRIES:
            continue
        if len(tlv.value) % _ENTRY.size:
            raise WireError(f"IS-IS: LSP entries of {len(tlv.value)} octets")
        for lifetime, number, sequence, _checksum in _ENTRY.iter_unpack(tlv.value):
            found.append(LspEntry(LspId.of(number), sequence, lifetime))
    return tuple(found)


def encode(lsp: Lsp) -> bytes:
    """Return the PDU; ValueError where its TLVs do not fit 1492 octets."""
    body = write_short(lsp.tlvs)
    length = _LSP_HEADER + len(body)
    if length > 1492:
        raise ValueError(f"an LSP of {length} octets; 1492 are the most that all links carry")
    kind = 18 if lsp.level == 1 else 20
    flags = (_OVERLOAD if lsp.overloaded else 0) | (1 if lsp.level == 1 else 3)
    head = bytes((NLPID, _LSP_HEADER, 1, 0, kind, 1, 0, 0))
    number = int.from_bytes(lsp.id.encode(), "big")
    fixed = _LSP.pack(length, lsp.lifetime, number, lsp.sequence, 0, flags)
    pdu = bytearray(head + fixed + body)
    if lsp.lifetime:
        octets = fletcher.check_octets(bytes(pdu[_ID_AT:]), _CHECKSUM_AT - _ID_AT)
        pdu[_CHECKSUM_AT : _CHECKSUM_AT + 2] = octets
    return bytes(pdu)


def encode_csnp(level: int, source: bytes, entries: list[LspEntry]) -> bytes:
    """Return a complete sequence numbers PDU over all LSP IDs, of at most 15 entries a TLV."""
    tlvs = [
        Tlv(
            _LSP_ENTRIES,
            b"".join(
                _ENTRY.pack(e.lifetime, int.from_bytes(e.id.encode(), "big"), e.sequence, 0)
                for e in entries[start : start + 15]
            ),
        )
        for start in range(0, len(entries), 15)
    ]
    body = source + b"\0" + bytes(8) + b"\xff" * 8 + write_short(tlvs)
    head = bytes((NLPID, _COMMON + 25, 1, 0, 24 if level == 1 else 25, 1, 0, 0))
    return head + (_COMMON + 2 + len(body)).to_bytes(2, "big") + body
