"""Signals during `llmsync push`, journals at its start, files that `llmsync device` spares."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from test_netconf_cli import DEMO, cli

from toolkit.cli import pushing
from toolkit.cli.main import main
from toolkit.netconf import push as push_module
from toolkit.netconf.journal import Entry, Journal, Standing, read_journal
from toolkit.netconf.records import records
from toolkit.netconf.transaction import State

__all__ = ["cli"]


@pytest.fixture
def journals(cli, tmp_path):
    folder = tmp_path / "state" / "llmsync"
    folder.mkdir(parents=True)
    return folder


def interrupted_in_roll_out(monkeypatch, number, *, before=lambda: None):
    """Let the process get signal `number` while everything runs provisionally."""
    roll_out = push_module.roll_out

    def verify():
        before()
        os.kill(os.getpid(), number)

    monkeypatch.setattr(
        push_module, "roll_out", lambda waves, **rest: roll_out(waves, **{**rest, "verify": verify})
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_rolls_back_and_says_so(cli, journals, monkeypatch, number):
    handler = signal.getsignal(number)

    def act():
        with monkeypatch.context() as patched:
            interrupted_in_roll_out(patched, number)
            code, out, err = cli.push("--yes")
        assert (code, out) == (130, "")
        assert err == "llmsync: interrupted: nothing was changed\n"
        assert [r.entry.standing for r in records(journals)] == [Standing.OLD]
        assert cli.push("--check")[0] == 3

    cli.while_up(act)
    assert signal.getsignal(number) is handler


def test_a_push_interrupted_at_its_end_says_that_all_were_changed(cli, journals, monkeypatch):
    def act():
        with monkeypatch.context() as patched:
            patched.setattr(pushing, "_tell", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
            code, _, err = cli.push("--yes")
        assert (code, err) == (130, "llmsync: interrupted: all 3 routers were changed\n")
        assert cli.push("--check")[0] == 0

    cli.while_up(act)


def test_a_push_that_cannot_be_undone_names_its_journal_and_the_next_one_refuses(
    cli, journals, monkeypatch
):
    from toolkit.netconf.devicesession import DeviceSession

    def lost(*_, **__):
        raise ConnectionError("gone")

    def act():
        with monkeypatch.context() as patched:
            interrupted_in_roll_out(
                patched, signal.SIGINT, before=lambda: patched.setattr(DeviceSession, "_do", lost)
            )
            code, _, err = cli.push("--yes")
        (journal,) = journals.iterdir()
        txid = read_journal(journal).txid
        ways = f"finish it with `llmsync resume {txid}`, or undo it with `llmsync abort {txid}`"
        assert code == 130
        assert err == f"llmsync: interrupted: in doubt: {ways}\n"
        for flag in ("--check", "--yes"):
            code, out, err = cli.push(flag)
            assert (code, out) == (6, "")
            assert ways in err
        assert main(["abort", txid]) == 0
        assert cli.push("--check")[0] == 3

    cli.while_up(act)


def test_an_impatient_second_interrupt_is_told_to_wait_and_a_third_is_obeyed(capsys):
    with pushing._interruptible():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert "undoing what was begun" in capsys.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("command", ["resume", "abort"])
def test_an_interrupted_recovery_is_in_doubt(cli, journals, monkeypatch, capsys, command):
    entry = Entry(
        txid="t", before={"ams1": ""}, after={"ams1": ""}, waves=(("ams1",),),
        about={"inventory": str(DEMO)},
    )  # fmt: skip
    with Journal(journals / "push-t.jsonl", entry) as journal:
        journal.record("ams1", State.PROVISIONAL)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("toolkit.inventory.load.load_inventory", interrupted)
    assert main([command, "t"]) == 130
    assert capsys.readouterr().err == (
        "llmsync: interrupted: in doubt: "
        "finish it with `llmsync resume t`, or undo it with `llmsync abort t`\n"
    )


@pytest.mark.parametrize("command", ["resume", "abort", "rollback", "status"])
def test_a_transaction_that_is_not_there_is_said(journals, capsys, command):
    assert main([command, "nope"]) == 2
    assert capsys.readouterr().err == (
        f"llmsync: nope: no such transaction in {journals} (`llmsync status` lists them)\n"
    )


def test_one_router_is_not_many(cli):
    def act():
        assert "llmsync: 1 router would change" in cli.push("--check", "--limit", "ams1")[2]
        assert "llmsync: 1 router changed" in cli.push("--yes", "--limit", "ams1")[2]

    cli.while_up(act)


def test_a_secret_that_cannot_be_read_is_said_once_with_its_routers(cli):
    def act():
        cli.path.with_name("m.yaml.password").unlink()
        code, _, err = cli.push("--check")
        assert code == 2
        assert err.count("cannot read the secret") == 1
        assert "No such file or directory (for ams1, lon1, dal1)" in err
        _, _, err = cli.push("--check", "--limit", "ams1")
        assert "routers.ams1.management: cannot read the secret" in err

    cli.while_up(act)


def test_an_overlay_that_is_not_there_comes_with_a_remedy(capsys):
    assert main(["push", str(DEMO), "--management", "nope.yaml"]) == 2
    err = capsys.readouterr().err
    assert "nope.yaml: no such file (`llmsync device INVENTORY --write-management FILE`" in err


@pytest.mark.parametrize("name", ["m.yaml", "m.yml", "demo.yaml"])
def test_device_does_not_write_into_the_inventory(tmp_path, monkeypatch, capsys, name):
    folder = tmp_path / "demo"
    shutil.copytree(DEMO, folder)
    before = {file: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    monkeypatch.chdir(folder)
    for place in (name, str(folder / name), f"../demo/{name}"):
        assert main(["device", str(folder), "--write-management", place, "--hold", "0"]) == 2
        assert "would become part of the inventory" in capsys.readouterr().err
    assert {f: f.read_bytes() for f in folder.iterdir() if f.is_file()} == before
    other = ["--router", "ams1", "--hold", "0", "--write-management", "m.txt"]
    assert main(["device", str(folder), *other]) == 0


def test_device_does_not_write_over_an_inventory_of_one_file(tmp_path, capsys):
    file = tmp_path / "network.yaml"
    shutil.copy(DEMO / file.name, file)
    assert main(["device", str(file), "--write-management", str(file), "--hold", "0"]) == 2
    assert "would become part of the inventory" in capsys.readouterr().err
    assert file.read_bytes() == (DEMO / file.name).read_bytes()
