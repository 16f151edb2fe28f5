"""`llmsync device` with a host key of one's own and users who log in by keys."""

from __future__ import annotations

import asyncssh
import pytest
import yaml

from toolkit.cli import cmd_device
from toolkit.cli.main import main
from toolkit.datafiles import data_folder
from toolkit.errors import UnreachableError
from toolkit.netconf.runtime_ncclient import Connection, Target

DEMO = data_folder("inventories") / "demo"


@pytest.fixture
def keys(tmp_path):
    made = {}
    for name in ("host", "me", "other"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        (tmp_path / name).write_bytes(key.export_private_key())
        (tmp_path / name).chmod(0o600)
        (tmp_path / f"{name}.pub").write_bytes(b"# a comment\n\n" + key.export_public_key())
        made[name] = " ".join(key.export_public_key().decode().split()[:2])
    return made


def test_a_router_with_its_own_key_lets_those_in_whose_keys_it_knows(keys, tmp_path, monkeypatch):
    overlay, seen = tmp_path / "m.yaml", []

    def act(hold, count):
        entry = yaml.safe_load(overlay.read_text())["routers"]["ams1"]["management"]
        assert "password" not in entry
        assert not overlay.with_name("m.yaml.password").exists()
        assert entry["host_key"] == keys["host"]
        for name in ("me", "other"):
            target = Target(
                device="ams1", host=entry["host"], port=entry["port"],
                username=entry["username"], key_file=tmp_path / name, host_key=entry["host_key"],
            )  # fmt: skip
            try:
                Connection(target, timeout=10.0).leave()
                seen.append(name)
            except UnreachableError as error:
                seen.append(str(error))

    monkeypatch.setattr(cmd_device, "_wait", act)
    command = ["device", str(DEMO), "--router", "ams1", "--write-management", str(overlay)]
    command += ["--host-key", str(tmp_path / "host")]
    assert main([*command, "--authorized-keys", str(tmp_path / "me.pub")]) == 0
    assert seen[0] == "me"
    assert "ams1" in seen[1]
    assert not overlay.exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--host-key", "{}/host"], "one router, not of 12"),
        (["--router", "ams1", "--host-key", "{}/me.pub"], "me.pub: "),
        (["--router", "ams1", "--host-key", "{}/none"], "cannot be read: No such file"),
        (["--authorized-keys", "{}/host"], "host: "),
        (["--authorized-keys", "{}/empty"], "holds no key"),
        (["--router", "ams1", "--frr-pathspace", "x"], "--frr-pathspace is of no use without"),
        (["--backend", "frr"], "one FRR is one router, not 12"),
        (["--listen", "203.0.113.77"], "cannot listen on 203.0.113.77"),
    ],
)
def test_flags_that_make_no_sense_are_refused(keys, tmp_path, capsys, flags, says):
    (tmp_path / "empty").write_text("# nobody\n")
    words = [flag.format(tmp_path) for flag in flags]
    assert main(["device", str(DEMO), *words, "--hold", "0"]) == 2
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
