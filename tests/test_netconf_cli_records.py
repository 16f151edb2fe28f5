"""`llmsync diff`, `status`, `resume`, `abort` and `rollback`, on routers of `llmsync device`."""

from __future__ import annotations

import json

import pytest
from test_netconf_cli import DEMO, SOME, cli

from toolkit.cli import cmd_device
from toolkit.cli.main import main
from toolkit.netconf import push as push_module
from toolkit.netconf.devicesession import DeviceSession
from toolkit.netconf.journal import read_journal

__all__ = ["cli"]


@pytest.fixture
def journals(cli, tmp_path):
    return tmp_path / "state" / "llmsync"


@pytest.fixture
def ask(capsys):
    def run(*command):
        capsys.readouterr()
        code = main(list(command))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def diff(cli, ask, *arguments):
    return ask("diff", str(DEMO), "--management", str(cli.path), "--limit", SOME, *arguments)


def killed(cli, monkeypatch):
    """Push, and die while everything runs provisionally."""

    class Killed(BaseException):
        """Nothing more runs, not even an abort."""

    def kill():
        raise Killed

    roll_out = push_module.roll_out
    with monkeypatch.context() as patched:
        patched.setattr(
            push_module, "roll_out", lambda waves, **rest: roll_out(waves, **rest, verify=kill)
            if "verify" not in rest else roll_out(waves, **{**rest, "verify": kill}),
        )  # fmt: skip
        patched.setattr("toolkit.netconf.rollout.Member.abort", lambda _: False)
        with pytest.raises(Killed):
            cli.push("--yes")


def test_diff_shows_what_a_push_would_change_and_exits_3(cli, ask):
    def act():
        code, out, err = diff(cli, ask)
        assert code == 3
        lines = out.splitlines()
        assert lines[:2] == ["--- ams1 (running)", "+++ ams1 (planned)"]
        assert '+<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"' in out
        assert "+    <name>lo</name>" in lines
        assert err == "llmsync: 3 routers would change\n"
        code, out, _ = diff(cli, ask, "-o", "json")
        document = json.loads(out)
        assert (code, document["state"], document["exit_code"]) == (3, "pending", 3)
        router = document["routers"][0]
        assert router["diff"].startswith("--- ams1 (running)\n+++ ams1 (planned)\n@@ ")
        assert router["changes"]
        code, out, err = cli.push("--yes", "--diff")
        assert (code, "--- ams1 (running)" in out, "committed" in out) == (0, True, True)
        assert diff(cli, ask) == (0, "", "llmsync: nothing to change\n")

    cli.while_up(act)


def test_status_rollback_and_drift(cli, ask, journals):
    def act():
        assert ask("status")[:2] == (0, "")
        code, _, err = cli.push("--yes")
        (record,) = journals.iterdir()
        txid = read_journal(record).txid
        assert err.endswith(f"llmsync: `llmsync rollback {txid}` undoes it\n")
        code, out, err = ask("status")
        assert (code, err) == (0, "")
        assert out.splitlines()[2].split()[0] == txid
        assert out.splitlines()[2].split()[-3:] == ["done", "3", "push"]
        _, out, _ = ask("status", txid)
        assert out.splitlines()[2].split() == ["lon1", "committed", "reference", "persist"]
        assert json.loads(ask("status", "-o", "json")[1])[0]["about"]["inventory"] == str(DEMO)
        code, out, err = ask("rollback", txid, "--check", "--diff")
        assert (code, "-    <name>lo</name>" in out) == (3, True)
        assert ask("rollback", txid)[0] == 0
        assert diff(cli, ask)[0] == 3
        code, _, err = ask("rollback", txid)
        assert code == 5
        assert "ams1: in-use: its configuration was changed since that push at /" in err
        assert "meanwhile: ams1 - /ietf-interfaces:interfaces/interface[name='" in err
        assert err.endswith("given up: every router is as it was\n")
        code, out, _ = ask("status")
        assert [line.split()[6:] for line in out.splitlines()[2:]] == [
            ["push"], ["rollback", "of", txid],
        ]  # fmt: skip

    cli.while_up(act)


@pytest.mark.parametrize(("command", "pending"), [("resume", 0), ("abort", 3)])
def test_a_killed_push_is_in_doubt_until_it_is_settled(
    cli, ask, journals, monkeypatch, command, pending
):
    def act():
        killed(cli, monkeypatch)
        (journal,) = journals.iterdir()
        txid = read_journal(journal).txid
        ways = f"finish it with `llmsync resume {txid}`, or undo it with `llmsync abort {txid}`"
        code, out, err = ask("status")
        assert (code, err) == (6, f"llmsync: {txid}: {ways}\n")
        assert "in doubt" in out
        assert "provisional" in ask("status", txid)[1]
        code, out, err = diff(cli, ask)
        assert (code, out) == (6, "")
        assert err == (f"llmsync: {txid}: a push of lon1, dal1, ams1 has not ended: {ways}\n")
        code, _, err = ask("rollback", txid)
        assert (code, f"it has not ended: `llmsync abort {txid}` undoes it" in err) == (2, True)
        assert ask(command, txid.removeprefix("llmsync-")[:6])[0] == 0
        assert ask("status")[0] == 0
        assert diff(cli, ask)[0] == pending

    cli.while_up(act)


def test_drift_between_the_look_and_the_lock_is_shown(cli, ask, monkeypatch):
    look = DeviceSession.look

    def look_and_meddle(session):
        found = look(session)
        (device,) = [d for d in farms[0].devices.values() if d.name == session.device]
        if session.device == "ams1":
            empty = {"llmsync-isis:isis": {"system-id": "0000.0000.0009"}}
            device._stores.running = device._stores._config(empty)
        return found

    farms = []
    announce = cmd_device._announce
    monkeypatch.setattr(
        cmd_device, "_announce", lambda farm, args: (farms.append(farm), announce(farm, args))
    )

    def act():
        with monkeypatch.context() as patched:
            patched.setattr(DeviceSession, "look", look_and_meddle)
            code, _, err = cli.push("--yes")
        assert code == 5
        assert (
            "llmsync: ams1: in-use: its configuration was changed since this push looked at it; "
            "push again at /llmsync-isis:isis/system-id\n"
            "llmsync: meanwhile: ams1 + /llmsync-isis:isis/system-id: 0000.0000.0009\n"
            "llmsync: given up: every router is as it was\n"
        ) in err

    cli.while_up(act)


@pytest.mark.parametrize("command", ["status", "resume", "abort", "rollback"])
@pytest.mark.parametrize("txid", ["", "x" * 5000, "../x", "a/../b", "\x00"])
def test_what_names_no_transaction_is_said(ask, command, txid):
    code, out, err = ask(command, txid)
    assert (code, out, "no such transaction in " in err) == (2, "", True)


def test_a_journal_folder_that_is_a_file_is_said(capsys):
    assert main(["status", "--journal", __file__]) == 2
    assert f"--journal {__file__} is no folder" in capsys.readouterr().err


def test_routers_that_are_gone_from_the_inventory_are_named(journals, ask):
    from toolkit.netconf.journal import Entry, Journal
    from toolkit.netconf.transaction import State

    for txid, about in (("a", {"inventory": str(DEMO)}), ("b", {})):
        entry = Entry(txid=txid, before={"x": ""}, after={"x": ""}, waves=(("x",),), about=about)
        with Journal(journals / f"push-{txid}.jsonl", entry) as journal:
            journal.record("x", State.PROVISIONAL)
    assert ask("resume", "a") == (
        2, "",
        f"llmsync: a: x is no router of {DEMO} any more (put it back until this is done)\n",
    )  # fmt: skip
    assert ask("abort", "b") == (
        2, "", "llmsync: b: its journal does not say which inventory it was for\n",
    )  # fmt: skip


def test_a_degraded_push_is_asked_for_by_flag(cli, ask, journals):
    def act():
        code, _, err = cli.push("--yes")
        assert (code, err.count("operation-not-supported")) == (5, 3)
        assert "llmsync: lon1: operation-not-supported: the server does not offer urn:ietf:" in err
        code, _, err = cli.push("--yes", "--allow-degraded", "--profile", "junos")
        assert code == 5  # a profile that is not the server's
        (lon1, *_) = ask("status", "-o", "json")[1:]
        assert json.loads(lon1) == []
        code, _, err = cli.push("--yes", "--allow-degraded", "--limit", "ams1,dal1")
        assert code == 0, err
        (path,) = journals.iterdir()
        assert read_journal(path).ways == {"dal1": "direct", "ams1": "final"}

    flavours = ("ams1/no-confirmed", "dal1/writable-running", "lon1/junos")
    assert cli.while_up(act, *(x for f in flavours for x in ("--flavour", f))) == 0


def test_flavours_that_are_none_are_named_at_once(capsys):
    command = ["device", str(DEMO), "--router", "ams1", "--flavour", "x", "--flavour", "y/junos"]
    assert main(command) == 2
    assert capsys.readouterr().err == (
        "llmsync: --flavour x: FLAVOUR is one of junos, session-confirm, no-confirmed, "
        "writable-running, validate-broken, no-running-lock, base-1.0\n"
        "llmsync: --flavour y/junos: no router y is started; there are ams1\n"
    )
