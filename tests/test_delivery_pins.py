"""Pins, serials, files of secrets: through the values, the files and the commands."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from net import MemorySource, Net
from test_transport_udp import FILES, Site

from toolkit.agent.believing import Pinned
from toolkit.cli.main import main
from toolkit.delivery import events, key_files
from toolkit.delivery.manifest import Manifest, OpenedManifest
from toolkit.delivery.model import Coding
from toolkit.delivery.pins import HEADING, Pins, parse_pins
from toolkit.delivery.sender import Sender
from toolkit.errors import ExitCode, ProblemsError, UsageError

A, B = bytes(range(32)), bytes(range(1, 33))
CODING = Coding(symbol=64, block=8, parity=32)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def opened(name: str = "llama", serial: int = 5, key: bytes = A) -> OpenedManifest:
    return OpenedManifest(Manifest(name=name, coding=CODING, files=()), bytes(32), key, serial)


def test_the_first_signer_is_remembered_and_no_other_is_taken() -> None:
    pins = Pins()
    assert pins.unknown_signer(opened(), "f") == ""
    line = pins.meet(A)
    assert parse_pins(line).keys == [A]
    assert pins.meet(B) == ""
    assert pins.unknown_signer(opened(key=A), "f") == ""
    reason = pins.unknown_signer(opened(key=B), "pins.txt")
    assert B.hex() in reason
    assert f"add the line 'key {B.hex()}' to pins.txt" in reason


def test_a_key_is_changed_by_adding_a_line() -> None:
    pins = parse_pins(f"{HEADING}\nkey {A.hex()} old, until June\nkey {B.hex()}\n")
    assert pins.unknown_signer(opened(key=A), "f") == pins.unknown_signer(opened(key=B), "f") == ""
    assert pins.unknown_signer(opened(key=bytes(32)), "f") != ""


def test_an_older_serial_is_refused_by_name() -> None:
    pins = Pins()
    assert pins.place(opened(serial=5)) == 'serial 5 "llama"\n'
    assert pins.place(opened(serial=5)) == ""
    assert pins.too_old(opened(serial=5), "f") == ""
    assert pins.too_old(opened(serial=6), "f") == ""
    assert "serial 4 is older than what was placed (serial 5)" in pins.too_old(
        opened(serial=4), "f"
    )
    assert "serial none" in pins.too_old(opened(serial=0), "f")
    assert pins.too_old(opened("other", serial=1), "f") == ""


@given(st.text(max_size=30), st.integers(1, 2**63 - 1))
def test_whatever_a_delivery_is_called_its_line_says_that_and_nothing_else(
    name: str, serial: int
) -> None:
    line = Pins().place(opened(name, serial))
    again = parse_pins(f"key {A.hex()}\n{line}")
    assert (again.keys, again.serials) == ([A], {name: serial})


def test_lines_that_mean_nothing_are_all_named() -> None:
    with pytest.raises(ValueError, match=r"line 1 is neither.*line 3 is neither.*line 4"):
        parse_pins('key 00\n# fine\nserial x "y"\nserial 1 5\n')


def test_files_of_secrets(tmp_path: Path) -> None:
    path = tmp_path / "seal"
    with pytest.raises(UsageError, match="copy the sender's seal key here"):
        key_files.seal_key(path, make=False)
    key, made = key_files.seal_key(path, make=True)
    assert made
    assert len(key) == 16
    assert path.stat().st_mode & 0o777 == 0o600
    assert key_files.seal_key(path, make=True) == (key, False)
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(UsageError, match=rf"others may read it, mode {mode:03o} \(chmod 600"):
            key_files.seal_key(path, make=True)
    path.chmod(0o600)
    path.write_text("nonsense")
    with pytest.raises(UsageError, match="not a seal key, 32 hexadecimal digits"):
        key_files.seal_key(path, make=True)
    with pytest.raises(UsageError, match="16 bytes or more"):
        key_files.token(path)
    path.write_bytes(b"0123456789abcdef\n")
    assert key_files.token(path) == b"0123456789abcdef"


def test_a_file_of_pins_that_is_broken_or_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "pins"
    path.write_text("key zz\n")
    with pytest.raises(ProblemsError, match=r"pins: line 1 is neither.*correct it"):
        Pinned(path)
    if os.geteuid():
        path.chmod(0o400)
        with pytest.raises(UsageError, match="cannot be written"):
            Pinned(path)
    with pytest.raises(UsageError):
        Pinned(tmp_path / "no" / "folder" / "pins")


# ----- a recorded session, played again


def played(net: Net, serial: int, files: dict[str, bytes]) -> None:
    from dataclasses import replace

    net.source = MemorySource(files, net.coding)
    net.sender = Sender(replace(net.sender.session, serial=serial), net.source, net.names)


def test_a_session_that_is_played_again_is_refused_after_a_newer_one(tmp_path: Path) -> None:
    old, new = {"w": b"old weights" * 50}, {"w": b"new weights" * 50}
    results = []
    for serial, files in ((1000, old), (2000, new), (1000, old), (2000, new), (3000, old)):
        pinned = Pinned(tmp_path / "pins")
        net = Net(files, ["fra"])
        net.admit = pinned.admit
        played(net, serial, files)
        net.run()
        last = net.outputs["fra"]
        for output in last:
            if isinstance(output, events.ManifestVerified):
                found = output.opened
            if isinstance(output, events.Completed):
                pinned.placed(found)
        results.append(next((o.reason for o in last if isinstance(o, events.Failed)), "complete"))
        counters = net.receivers["fra"].counters
        assert bool(counters.refused.get("replayed")) == ("older" in results[-1])
    # A rollback on purpose is a new session.
    assert [r == "complete" for r in results] == [True, True, False, True, True]
    assert "a recorded session is played again" in results[2]
    assert (tmp_path / "pins").read_text().count("serial") == 3


# ----- the commands


def test_first_contact_is_remembered_and_another_key_is_refused(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    pins = site.folder / "pins"
    with site.receiving("fra", 0, "--pin", str(pins)):
        assert main(site.send_command(*site.to("fra"))) == 0
    assert "the first signer that was met" in capsys.readouterr().err
    assert pins.read_text().startswith(HEADING + "key ")
    assert '"model"' in pins.read_text()
    (site.folder / "key").rename(site.folder / "stolen")
    with site.receiving("fra", 0, "--pin", str(pins), "-o", "json"):
        main(site.send_command(*site.to("fra")))
    err = capsys.readouterr().err
    assert site.codes["fra"] == ExitCode.ROLLED_BACK
    assert "somebody else sends this, or the sender has a new key" in err
    assert "add the line 'key" in err
    # What the text says helps.
    fresh = err[err.index("add the line 'key ") + 18 :][:64]
    with pins.open("a") as stream:
        stream.write(f"key {fresh}\n")
    with site.receiving("fra", 0, "--pin", str(pins)):
        assert main(site.send_command(*site.to("fra"))) == 0
    assert site.codes["fra"] == 0


def test_sealed_authentic_and_audited(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    seal, token = site.folder / "seal", site.folder / "token"
    token.write_text("a token of more than sixteen bytes\n")
    token.chmod(0o600)
    audit = site.folder / "audit.jsonl"
    key_files.seal_key(seal, make=True)
    both = ("--seal-key", str(seal), "--control-token", str(token))
    with (
        site.receiving("fra", 0, *both),
        site.receiving("lon", 1, "--seal-key", str(seal), "--timeout", "3"),
    ):
        code = main(
            site.send_command(
                *site.to("fra", "lon"), *both, "--audit-log", str(audit), "--timeout", "4",
                "-o", "json",
            )
        )  # fmt: skip
    out, err = capsys.readouterr()
    assert code == ExitCode.FINDINGS
    assert site.codes["fra"] == 0
    assert site.codes["lon"] == ExitCode.UNREACHABLE
    assert site.placed("fra") == FILES
    document = json.loads(out[out.index('{\n  "delivery"') : out.index("\n}") + 2])
    assert document["refused"]["unauthentic"] > 1
    records = [json.loads(line) for line in audit.read_text().splitlines()]
    assert [(r["event"], r["who"]) for r in records if r["event"] != "refused"] == [
        ("join", "fra"), ("complete", "fra"), ("absent", "lon"),
    ]  # fmt: skip
    assert audit.stat().st_mode & 0o777 == 0o600
    for secret in (seal.read_text().strip(), token.read_text().strip()):
        assert secret not in audit.read_text()
        assert secret not in out + err


def test_secrets_that_others_can_read_are_refused(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    token = site.folder / "token"
    token.write_text("a token of more than sixteen bytes\n")
    token.chmod(0o644)
    for command in (
        site.send_command(*site.to("fra"), "--control-token", str(token)),
        site.receive_command("fra", site.ports[0], "--control-token", str(token)),
    ):
        assert main(command) == ExitCode.INVALID
        assert "others may read it, mode 644" in capsys.readouterr().err
