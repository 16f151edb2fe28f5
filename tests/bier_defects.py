"""Defects to plant into the reference plane: each is text of a function, replaced.

Most are what a well-known implementation does, or did.  A defect whose text is not there any more
fails its test, so that none can rot.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from typing import NamedTuple

import pytest


class Defect(NamedTuple):
    """`replacements` in the source of `function`, a dotted name."""

    name: str
    function: str
    replacements: tuple[tuple[str, str], ...]


def plant(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the function wrong until the test ends."""
    module_name, _, path = defect.function.partition(":")
    module = importlib.import_module(module_name)
    owner: object = module
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    original = inspect.getattr_static(owner, name)
    plain = original.__func__ if isinstance(original, classmethod | staticmethod) else original
    source = textwrap.dedent(inspect.getsource(plain))
    for old, new in defect.replacements:
        assert source.count(old) >= 1, f"{defect.name}: {old!r} is not in {defect.function}"
        source = source.replace(old, new)
    made: dict[str, object] = {}
    exec(compile(source, f"<{defect.name}>", "exec"), module.__dict__, made)
    monkeypatch.setattr(owner, name, made[name])


_RECEIVE = "toolkit.bier.engine:Engine.receive"
_TABLE = "toolkit.bier.lookup:Table.__init__"
_MADE_OF = "toolkit.bier.lookup:Table._made_of"
_MASKS = "toolkit.bier.masks:Masks.forward"
_BIFT = "toolkit.bier.bift:Bift.forward"


def _one(name: str, function: str, old: str, new: str) -> Defect:
    return Defect(name, function, ((old, new),))


DEFECTS = [
    _one("BSL code one less, as VPP and Scapy", _TABLE, "| bift.bsl", "| bift.bsl - 1"),
    Defect(
        "IPv6 is Proto 5, as VPP and Scapy",
        "toolkit.bier.engine:Engine.overlay",
        (("frozenset(protos)", "frozenset(5 if p == 6 else p for p in protos)"),),
    ),
    _one("TTL 2 is not forwarded", _RECEIVE, "ttl < 2", "ttl < 3"),
    _one("TTL 1 is forwarded with 0", _RECEIVE, "ttl < 2", "ttl < 1"),
    Defect(
        "TTL 0 wraps to 255",
        _RECEIVE,
        (
            ("if not ttl and", "if ttl < 0 and"),
            ("ttl < 2", "ttl < 0"),
            ("ttl - 1", "(ttl - 1 & 0xFF)"),
        ),
    ),
    _one("TTL is not decremented", _RECEIVE, "ttl - 1", "ttl"),
    _one("TTL 1 with a local bit is not delivered", _RECEIVE, "if not ttl and", "if ttl < 2 and"),
    _one(
        "an expired packet is not counted",
        _RECEIVE,
        "if decision.copies or not ttl:",
        "if not ttl:",
    ),
    _one(
        "an unknown bit loses the packet",
        _MADE_OF,
        "octets = self",
        "copies, local = ((), 0) if unknown else (copies, local)\n    octets = self",
    ),
    _one("unknown bits are counted by packet", _MADE_OF, "value.bit_count()", "1"),
    _one("null neighbors are not counted", _MADE_OF, "(Reason.NULL_NEIGHBOR, null),", ""),
    _one("an empty BitString is not counted", _MADE_OF, "(Reason.EMPTY, 1),", ""),
    _one("no AND-NOT after a copy", _BIFT, "bits ^= taken", "bits ^= lowest"),
    _one("the F-BM of the row is not applied", _BIFT, "taken = bits & f_bm", "taken = bits"),
    _one("a broken row is an unknown one", _BIFT, "broken |= lowest", "unknown |= lowest"),
    _one("rows have one entry", _BIFT, "if choice:", "if choice > 99:"),
    _one("masks are not applied", _MASKS, "taken))", "bits))"),
    _one("only 64 bits are looked at", _MASKS, "left & f_bm", "left & f_bm & (1 << 64) - 1"),
    _one("the own bit stays in the copies", _MASKS, "taken))", "taken | local))"),
    Defect(
        "BitString low octet first",
        _MADE_OF,
        (('bits, "big"', 'bits, "little"'), ('octets, "big"', 'octets, "little"')),
    ),
    _one(
        "S is not set on the label that is sent",
        _MADE_OF,
        "i << 12 | BOTTOM",
        "i << 12",
    ),
    _one("nibble unchecked", _TABLE, "0xFFF if mpls", "0x0FF if mpls"),
    _one("nibble checked without MPLS", _TABLE, "else 0x0FF", "else 0xFFF"),
    _one("Ver unchecked", _TABLE, "0xFFF if mpls else 0x0FF", "0xF0F if mpls else 0x00F"),
    _one("BSL field unchecked", _TABLE, "0xFFF if mpls else 0x0FF", "0xFF0 if mpls else 0x0F0"),
    _one("S unchecked", _TABLE, "BOTTOM if mpls else 0", "0"),
    _one("S checked without MPLS", _TABLE, "BOTTOM if mpls else 0", "BOTTOM"),
    _one("TC is lost", _TABLE, "0xE00 if mpls else 0", "0"),
    _one("TC is carried without MPLS", _TABLE, "0xE00 if mpls else 0", "0xE00"),
    _one("a BitString cut by an octet is taken", _RECEIVE, "< table.end", "< table.end - 1"),
    _one(
        "the nibble is carried without MPLS",
        _RECEIVE,
        "second >> 28 != table.field >> 8",
        "second < 0",
    ),
    _one(
        "DSCP, OAM and Rsv are cleared",
        _RECEIVE,
        "middle = packet[4:FIXED]",
        "middle = packet[4:8] + (third & 0x003FFFFF).to_bytes(4)",
    ),
    _one(
        "Rsv is cleared",
        _RECEIVE,
        "middle = packet[4:FIXED]",
        "middle = packet[4:8] + (third & 0xCFFFFFFF).to_bytes(4)",
    ),
    _one(
        "entropy is cleared",
        _RECEIVE,
        "middle = packet[4:FIXED]",
        "middle = (second >> 20 << 20).to_bytes(4) + packet[8:12]",
    ),
    _one(
        "Proto is looked at in transit",
        _RECEIVE,
        "ttl = first & 0xFF",
        "if (third >> 16 & 63) not in self._protos:\n"
        "        return self.drop(Reason.UNKNOWN_PROTO, packet)\n    ttl = first & 0xFF",
    ),
    _one(
        "one number space",
        _RECEIVE,
        "self._by_id[encapsulation].get(first >> 12)",
        "{**self._by_id[Encapsulation.NON_MPLS], **self._by_id[Encapsulation.MPLS]}"
        ".get(first >> 12)",
    ),
    _one("BIER is taken from edges", _RECEIVE, "arrived is Arrived.EDGE", "not arrived"),
    _one("every bit is permitted", _RECEIVE, "permitted is not None", "permitted == 1"),
    _one(
        "delivery hides the copies",
        _RECEIVE,
        "if decision.copies:",
        "if decision.copies and not decision.local:",
    ),
    _one("every sub-domain is 0", _RECEIVE, "table.key.sub_domain", "0"),
    _one(
        "one bit that is not permitted loses all",
        "toolkit.bier.engine:Engine._permit",
        "if refused == value else",
        "if refused else",
    ),
    _one(
        "unknown Proto is delivered",
        "toolkit.bier.engine:Engine._deliver",
        "proto not in self._protos",
        "proto < 0",
    ),
    _one(
        "every BFIR has a context",
        "toolkit.bier.engine:Engine._deliver",
        "self._bfirs is not None",
        "self._bfirs == 1",
    ),
    _one(
        "contexts are for all sub-domains",
        "toolkit.bier.engine:Engine._deliver",
        "(sub_domain, bfir_id) not in self._bfirs",
        "bfir_id not in {b for _s, b in self._bfirs}",
    ),
    _one(
        "the way depends on the BitString",
        "toolkit.bier.lookup:Table.chosen",
        "choose(entropy, salt, len(self.ways))",
        "choose(entropy ^ bits[-1], salt, len(self.ways))",
    ),
    _one(
        "one way only",
        "toolkit.bier.lookup:Table.chosen",
        "choose(entropy, salt, len(self.ways))",
        "0",
    ),
    _one(
        "salt is ignored",
        "toolkit.bier.lookup:Table.chosen",
        "choose(entropy, salt,",
        "choose(entropy, 0,",
    ),
    _one("another hash", "toolkit.bier.ecmp:mix", "0xC2B2AE35", "0xC2B2AE37"),
    _one(
        "a failure changes nothing",
        "toolkit.bier.engine:Engine.switch_over",
        "self._use(self._standby[failed])",
        "pass",
    ),
    _one(
        "a failure outlives the program",
        "toolkit.bier.engine:Engine.load",
        "self._use(normal)",
        "self._use(self._standby.get(getattr(self, 'failed', None), normal))",
    ),
    _one(
        "backups before other ways",
        "toolkit.bier.routes:Ways.left",
        "if hops or not self.hops:",
        "if not self.hops or not self.backup:",
    ),
    _one(
        "a new program keeps the old overlay",
        "toolkit.bier.program:Program.reload",
        "engine.overlay(",
        "dict(",
    ),
    _one(
        "BFR-id 1 is bit 2",
        "toolkit.bier.bitstring:set_and_bit",
        "divmod(bfr_id - 1",
        "divmod(bfr_id",
    ),
    _one(
        "one set is sent",
        "toolkit.bier.engine:Engine.impose",
        "output: list[Output] = []",
        "output: list[Output] = []\n    sets = dict(list(sets.items())[:1])",
    ),
    _one(
        "the BFIR decrements its own TTL",
        "toolkit.bier.engine:Engine.impose",
        "| ttl\n",
        "| ttl - 1\n",
    ),
    _one(
        "the BFIR sends TC without MPLS",
        "toolkit.bier.engine:Engine.impose",
        "tc << 9 & table.tc",
        "tc << 9",
    ),
    _one("entropy is 0", "toolkit.bier.overlay:Overlay.impose", "flow.entropy,", "0,"),
    _one(
        "IP TTL is not decremented",
        "toolkit.bier.overlay:Overlay.impose",
        "ip.forwarded(packet[: header.end])",
        "packet[: header.end]",
    ),
    _one(
        "the BFER forwards whatever BFIR sent",
        "toolkit.bier.overlay:Overlay.dispose",
        "flow.bfirs is not None",
        "flow.bfirs == 1",
    ),
    _one(
        "the core imposes",
        "toolkit.bier.node:Node._ip",
        "known.arrived is Arrived.CORE",
        "not known",
    ),
    _one(
        "any station's frames are taken",
        "toolkit.bier.node:Node.receive",
        "own != frame[:6]",
        "not own",
    ),
    _one(
        "any tunnel is believed",
        "toolkit.bier.tunnels:Tunnels._open_gre",
        "not in self._gre",
        "in ()",
    ),
    _one(
        "tunnels at the edge are believed",
        "toolkit.bier.node:Node._tunnelled",
        "else Arrived.EDGE",
        "else Arrived.CORE",
    ),
    _one(
        "the tunnel says MPLS for everything",
        "toolkit.bier.frames:Way._wrap",
        "gre.header(kind)",
        "gre.header(0x8847)",
    ),
    _one(
        "outer labels have TTL 64",
        "toolkit.bier.frames:Way.__init__",
        "n << 12 | PIPE_TTL",
        "n << 12 | 64",
    ),
    _one(
        "permitted bits are those of the shortest prefix",
        "toolkit.bier.program:Program.permitted",
        "max(lists",
        "min(lists",
    ),
    _one(
        "a source without bits is permitted all",
        "toolkit.bier.program:Program.permitted",
        "return self",
        "return None and self",
    ),
    _one(
        "bits that a source may not reach are not counted",
        "toolkit.bier.overlay:Overlay.impose",
        "if flow.refused",
        "if not flow",
    ),
]
