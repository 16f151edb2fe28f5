"""Coverage-guided fuzzing of what reads BIER from a wire, by atheris (libFuzzer for Python).

    python tests/fuzz/fuzz_bier.py -runs=100000 -seed=1 CORPUS

The first octet says what reads the rest: the header's parser, a BFR with tables, tunnels and a flow
overlay, or the explainer.  Anything but WireError is a crash.  tests/test_bier_fuzz.py runs it,
bounded, with frames of the vectors as its corpus.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports():
    from toolkit.bier import decode, locate, wire
    from toolkit.bier.bitstring import Bsl
    from toolkit.bier.document import read_program
    from toolkit.bier.node import Node
    from toolkit.errors import WireError

SPACES = tuple(wire.Encapsulation)
KNOWN = {18: Bsl.B64, 19: Bsl.B256, 20: Bsl.B4096}
INTERFACES = ("eth0", "host0", "edge0")
PROGRAM = read_program(
    {
        "bfr_ids": {"0": 1},
        "interfaces": {
            "eth0": {"bier": "core", "mac": "02:00:00:00:00:00"},
            "host0": {"bier": "host-edge", "mac": "02:00:00:00:00:01",
                      "permitted": [{"bsl": 64, "bfr_ids": [1, 3]}]},
            "edge0": {"bier": "edge", "mac": "02:00:00:00:00:02"},
        },
        "neighbors": {
            "N": {"interface": "eth0", "mac": "02:00:00:00:01:00"},
            "T": {"interface": "eth0", "mac": "02:00:00:00:01:01",
                  "tunnel": {"local": "192.0.2.2", "remote": "192.0.2.4"}},
            "V": {"interface": "eth0", "mac": "02:00:00:00:01:02",
                  "tunnel": {"kind": "vxlan", "local": "2001:db8::2", "remote": "2001:db8::4"}},
        },
        "bifts": [
            {"bift_id": 18, "bsl": 64, "rows": [
                {"bits": [1], "local": True},
                {"bits": "2-40", "via": [{"neighbor": "N", "bift_id": 30},
                                         {"neighbor": "T", "bift_id": 31}]},
                {"bits": "41-63", "via": [{"neighbor": "V", "bift_id": 32}]}]},
            {"bift_id": 19, "bsl": 256, "encapsulation": "non-mpls", "rows": [
                {"bits": [1], "local": True}, {"bits": [9]},
                {"bits": [2, 3], "via": [{"neighbor": "N", "bift_id": 33, "f_bm": [2, 5]}]}]},
        ],
        "ingress": [{"source": "10.0.0.1", "group": "232.1.1.1", "bsl": 64, "bfr_ids": [1, 2]}],
        "egress": [{"source": "10.0.0.1", "group": "232.1.1.1", "interfaces": ["edge0"]}],
        "terminations": [{"kind": "sr-mpls", "labels": [16002]}],
    }
)  # fmt: skip
NODE = Node(PROGRAM)


def one_input(data: bytes) -> None:
    """Read one input."""
    which, rest = (data[0], data[1:]) if data else (0, b"")
    if which % 4 == 0:
        NODE.receive(INTERFACES[which >> 2 & 1 or which >> 3 & 2], rest, 0.0)
        return
    try:
        if which % 4 == 1:
            header, end = wire.parse(rest, SPACES[which >> 2 & 1], KNOWN)
            again = header.encode()
            assert wire.parse(again, header.encapsulation, KNOWN) == (header, len(again))
            assert end == len(again)
        else:
            found = locate.in_frame(rest, {}) if which % 4 == 2 else locate.start(rest, None, {})
            if found is not None:
                decode.explain(rest[found.offset :], found.encapsulation, {})
    except WireError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
