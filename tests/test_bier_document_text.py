"""Programs as documents and back: nothing is lost on the way."""

from __future__ import annotations

import copy
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from bier_cases import sample
from test_bier_follow import DOCUMENT as FOLLOWING

from toolkit.bier.conformance.vector import Load
from toolkit.bier.document import read_program
from toolkit.bier.document_text import document, ranges
from toolkit.bier.masks import Masks
from toolkit.bier.program import Program
from toolkit.cli.loading import load_plan
from toolkit.cli.main import main
from toolkit.plan.intended import intended_state
from toolkit.planes.derive import Network
from toolkit.planes.program import program_of

FULL: dict[str, Any] = {
    "name": "r1",
    "bfr_ids": {"0": 7, "3": 8},
    "salt": 5,
    "interfaces": {
        "eth0": {"bier": "core", "mac": "02:00:00:00:00:01"},
        "eth1": {
            "bier": "host-edge",
            "permitted": [{"sub_domain": 0, "bsl": 64, "bfr_ids": "1-3,65"}],
        },
        "eth2": {},
    },
    "neighbors": {
        "r2": {"interface": "eth0", "address": "192.0.2.2"},
        "r3": {
            "interface": "eth0",
            "mac": "02:00:00:00:00:f3",
            "tunnel": {"kind": "vxlan", "local": "2001:db8::1", "remote": "2001:db8::3", "vni": 9},
        },
        "r4": {
            "interface": "eth0",
            "address": "fe80::4",
            "tunnel": {"kind": "sr-mpls", "local": "192.0.2.1", "remote": "192.0.2.4",
                       "labels": [16004]},
        },
    },
    "bifts": [
        {
            "bsl": 64, "bift_id": 100,
            "rows": [
                {"bits": [7], "local": True},
                {"bits": "1-3", "via": [{"neighbor": "r2", "bift_id": 20},
                                        {"neighbor": "r3", "bift_id": 30}],
                 "backup": [{"neighbor": "r4", "bift_id": 40}]},
                {"bits": [9]},
            ],
        },
        {
            "sub_domain": 3, "bsl": 128, "si": 2, "encapsulation": "non-mpls", "bift_id": 5,
            "rows": [
                {"bits": [1], "via": [{"neighbor": "r2", "bift_id": 5, "f_bm": "1-2"},
                                      {"neighbor": "r4", "bift_id": 5, "f_bm": "1,4"}]},
                {"bits": [2], "local": True},
            ],
        },
    ],
    "protos": [4, 6, 37],
    "oam": {
        "own": [{"prefix": "192.0.2.1"}, {"sub_domain": 3, "prefix": "2001:db8::1"}],
        "bfrs": [{"bfr_id": 2, "prefix": "192.0.2.2"}, {"router": "r3", "prefix": "192.0.2.3"}],
        "port": 50000,
    },
    "bfirs": [{"sub_domain": 0, "bfr_id": 1}, {"sub_domain": 3, "bfr_id": 2}],
    "ingress": [{"source": "10.0.0.1", "group": "232.1.1.1", "bsl": 64, "bfr_ids": [1, 70],
                 "ttl": 3, "interfaces": ["eth2"], "tc": 2, "dscp": 46}],
    "sources": [{"prefix": "10.0.0.0/24", "permitted": [{"bsl": 64, "bfr_ids": "1-64,70"}]},
                {"prefix": "::/0", "permitted": []}],
    "egress": [{"source": "2001:db8::9", "group": "ff3e::1", "interfaces": ["eth2"], "host": True,
                "bfirs": [1, 2]}],
    "terminations": [{"kind": "sr-mpls", "labels": [16001]},
                     {"kind": "gre", "addresses": ["192.0.2.1"], "sources": ["192.0.2.9"]}],
}  # fmt: skip


def comparable(program: Program) -> dict[str, Any]:
    """Everything of a program as values: routes as tables and ways."""
    found = {f.name: getattr(program, f.name) for f in fields(program) if f.name != "routes"}
    tables = {key: (r.tables, dict(r.ways)) for key, r in program.routes.items()}
    return {**found, "routes": tables, "backups": program.backups}


def again(program: Program) -> Program:
    return read_program(json.loads(json.dumps(document(program))))


@pytest.mark.parametrize("told", [FULL, FOLLOWING, {}], ids=["full", "following", "empty"])
def test_what_is_written_reads_as_the_same_program(told: dict[str, Any]) -> None:
    program = read_program(copy.deepcopy(told))
    assert comparable(again(program)) == comparable(program)


def test_the_programs_of_the_vectors_survive() -> None:
    for case in sample():
        for step in case.vector().steps:
            if isinstance(step, Load):
                assert comparable(again(step.program)) == comparable(step.program), case.name


def test_the_routers_of_a_plan_forward_as_their_planes_do() -> None:
    _inventory, plan, _lock = load_plan(Path("demo"))
    network = Network(intended_state(plan))
    bfrs = [plane for plane in network.planes().values() if plane.bfr]
    assert len(bfrs) > 5
    for plane in bfrs:
        program = again(program_of(plane))
        assert program.bift_ids == plane.bift_ids
        assert program.bfr_ids == plane.bfr_ids
        assert program.ingress.keys() == plane.ingress_flows.keys()
        assert program.egress.keys() == plane.egress_flows.keys()
        for key, bift in plane.bifts.items():
            (table,) = program.routes[key].tables
            assert table == Masks.of(bift)
        for port, interface in program.interfaces.items():
            assert interface.arrived == plane.arrived(port)


def test_the_command_prints_what_forward_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bier", "program", "demo", "fra1", "--device", "to-par1=eth7"]) == 0
    told = yaml.safe_load(capsys.readouterr().out)
    assert main(["bier", "program", "demo", "fra1", "-o", "json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    program = read_program(told)
    assert "eth7" in program.interfaces
    assert len(program.interfaces) == len(read_program(plain).interfaces)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere1"], "no router nowhere1 in demo; there are "),
        (["fra1", "--device", "to-par1"], "--device to-par1: is not PORT=NAME"),
        (["fra1", "--device", "eth0=eth1"], "--device eth0: fra1 has no such port; it has to-ams1"),
        (["fra1", "--device", "to-par1=to-ams1"], "--device: two ports have one name"),
    ],
)
def test_wrong_arguments(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bier", "program", "demo", *words]) == 2
    assert capsys.readouterr().err.startswith(f"llmsync: {said}")


def test_ranges() -> None:
    assert ranges([1, 2, 3, 7, 9, 10]) == "1-3,7,9-10"
    assert ranges([]) == ""
