"""The part `oam` of a BIFT document, and the errors of `llmsync bier ping --bift`."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import yaml

from toolkit.bier.bitstring import BitString, Bsl
from toolkit.bier.document import BiftFileError, read_program
from toolkit.bier.frames import Port
from toolkit.bier.node import Node
from toolkit.bier.oam import ReturnCode, parse, seconds_of
from toolkit.bier.oam_initiator import Scope, request
from toolkit.bier.oam_model import PORT, Addresses
from toolkit.bier.oam_program import responder_of
from toolkit.bier.oam_responder import IpReply
from toolkit.bier.program import Program
from toolkit.bier.wire import Encapsulation, Header, Proto
from toolkit.cli.main import main

OAM: dict[str, Any] = {
    "own": [{"prefix": "10.255.0.1"}],
    "bfrs": [
        {"bfr_id": 2, "router": "b", "prefix": "10.255.0.2"},
        {"router": "c", "prefix": "10.255.0.3"},
    ],
}


def document(oam: object = OAM) -> dict[str, Any]:
    return {
        "name": "a",
        "bfr_ids": {"0": 1},
        "interfaces": {"eth1": {"bier": "core"}},
        "neighbors": {"b": {"interface": "eth1", "mac": "02:00:00:00:00:02"}},
        "bifts": [{
            "sub_domain": 0, "bsl": 64, "si": 0, "encapsulation": "non-mpls", "bift_id": 7,
            "rows": [
                {"bits": [1], "local": True},
                {"bits": [2], "via": [{"neighbor": "b", "bift_id": 7}]},
            ],
        }],
        "oam": oam,
    }  # fmt: skip


def test_who_is_who_is_read_and_oam_is_taken() -> None:
    program = read_program(document())
    a, b, c = (IPv4Address(f"10.255.0.{n}") for n in (1, 2, 3))
    assert program.oam == Addresses(
        own={0: a}, bfers={(0, 1): a, (0, 2): b}, routers={(0, "b"): b, (0, "c"): c}, port=PORT
    )
    assert responder_of(program) is not None
    assert Proto.OAM not in program.protos
    assert responder_of(Program()) is None


def test_a_node_answers_and_counts_across_a_reload() -> None:
    program = read_program(document())
    node = Node(program, {"eth1": Port(b"\2\0\0\0\0\1")})
    scope = Scope(sub_domain=0, bsl=64, bfir_id=2, sets={0: 1}, handle=7)
    bits = BitString(Bsl.B64, 1)
    payload = request(scope, 0, 1, 0.0).payload
    frames = [
        bytes.fromhex("020000000001 020000000002 ab37") + Header(
            encapsulation=Encapsulation.NON_MPLS, bift_id=7, ttl=255, proto=proto, bfir_id=2,
            bits=bits,
        ).encode() + payload
        for proto in (Proto.OAM, 63)
    ]  # fmt: skip
    node.epoch = 1000.0
    for _ in range(2):
        (reply,) = node.receive("eth1", frames[0], 5.0)
        assert isinstance(reply, IpReply)
        assert reply.destination == IPv4Address("10.255.0.2")
        said = parse(reply.packet[28:])
        assert said.return_code == ReturnCode.ONLY_BFER
        assert seconds_of(said.received, said.rtf) == 1005.0
        node.load(program)
    assert node.receive("eth1", frames[1], 5.0) == []
    assert node.counters["oam-replies"] == 2
    assert node.counters["dropped-unknown-proto"] == 1
    node.load(replace(program, oam=None))
    assert node.receive("eth1", frames[0], 5.0) == []
    assert node.counters["dropped-unknown-proto"] == 2


def test_the_example_in_the_pages_is_the_one_that_is_read() -> None:
    page = Path(__file__).parent.parent / "docs" / "how-to" / "oam.md"
    text = page.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(text) == document()
    read_program(yaml.safe_load(text))


def test_everything_that_is_wrong_is_named() -> None:
    wrong = {
        "own": [{"prefix": "10.255.0.1"}, {"prefix": "10.255.0.9"}, {"sub_domain": 1}],
        "bfrs": [
            {"prefix": "10.255.0.2"},
            {"bfr_id": 2, "prefix": "2001:db8::2"},
            {"bfr_id": 3, "router": "b", "prefix": "10.255.0.3"},
            {"bfr_id": 3, "router": "b", "prefix": "10.255.0.4"},
            {"bfr_id": 4, "colour": "red"},
        ],
        "port": 0,
    }
    with pytest.raises(BiftFileError) as caught:
        read_program(document(wrong), "a.yaml")
    assert str(caught.value).splitlines() == [
        "a.yaml: oam.own[1].sub_domain: 0 has a BFR-prefix already",
        "a.yaml: oam.own[2].prefix: is missing (the BFR-prefix, an address of the BFR)",
        "a.yaml: oam.bfrs[0]: has neither bfr_id nor router (give what its prefix is looked up by)",
        "a.yaml: oam.bfrs[1].prefix: 2001:db8::2 is not of the family of our own, 10.255.0.1",
        "a.yaml: oam.bfrs[3].bfr_id: 3 is 10.255.0.3 already",
        "a.yaml: oam.bfrs[3].router: b is 10.255.0.3 already",
        "a.yaml: oam.bfrs[4].prefix: is missing (the BFR-prefix, an address of the BFR)",
        "a.yaml: oam.bfrs[4].colour: is not known here (remove it, or look at its spelling)",
        "a.yaml: oam.port: 0 is not 1 to 65535",
    ]
    with pytest.raises(BiftFileError) as caught:
        read_program(document({}), "a.yaml")
    assert str(caught.value) == (
        "a.yaml: oam.own: names no BFR-prefix (the address that replies are sent from)"
    )


ERRORS = {
    "nothing": ([], "name an inventory, or a BIFT document with --bift\n"),
    "both": (["demo", "--bift", "FILE"], "name an inventory, or a BIFT document with --bift\n"),
    "the laboratory's options": (
        ["--bift", "FILE", "--from", "x", "--down", "y", "--loss", "1%"],
        "--from is of the laboratory: it does not go with --bift\n"
        "--down is of the laboratory: it does not go with --bift\n"
        "--loss is of the laboratory: it does not go with --bift\n",
    ),
    "an interface without a document": (
        ["demo", "--interface", "eth1"], "--interface goes with --bift\n",
    ),
    "what the document lacks": (
        ["--bift", "FILE", "--interface", "eth9", "--to", "b", "3", "--entropy", "-1"],
        "--interface eth9: not in FILE (eth1)\n"
        "--entropy -1: not 0 to 1048575\n"
        "--to 3: no such BFER (known: 2 (b))\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors_of_the_command(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, message = ERRORS[name]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document()), encoding="utf-8")
    assert main(["bier", "ping", *(w.replace("FILE", str(path)) for w in words)]) == 2
    told = capsys.readouterr()
    lines = "".join(f"llmsync: {line}\n" for line in message.splitlines())
    assert (told.out, told.err) == ("", lines.replace("FILE", str(path)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "{path}:1: not JSON: "),
        ('{"name": "a"}', "{path}: to ask it needs a BFR-id (bfr_ids) and the BFR-prefixes of the "
                          "domain (oam), see docs/how-to/oam.md"),
        ('{"name": 7}', "{path}: name: is a number, not a text"),
    ],
)  # fmt: skip
def test_documents_that_cannot_be_asked_by(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    assert main(["bier", "ping", "--bift", str(path)]) == 2
    assert capsys.readouterr().err.startswith("llmsync: " + message.replace("{path}", str(path)))
    assert main(["bier", "ping", "--bift", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err == (
        f"llmsync: {tmp_path / 'none'}: cannot be read: No such file or directory\n"
    )
