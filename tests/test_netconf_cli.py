"""`llmsync device` and `llmsync push`, as a person or a pipeline uses them."""

from __future__ import annotations

import io
import json
import os
import signal

import pytest

from toolkit.cli import cmd_device
from toolkit.cli.loading import load_plan
from toolkit.cli.main import main
from toolkit.cli.management import read_overlay
from toolkit.datafiles import data_folder
from toolkit.errors import InventoryError
from toolkit.plan.order import order

DEMO = data_folder("inventories") / "demo"
SOME = "ams1,lon1,dal1"


@pytest.fixture
def cli(tmp_path, monkeypatch, capsys):
    """Run `llmsync push` on the demo while its routers are up, as often as wanted."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    overlay = tmp_path / "m.yaml"

    class Cli:
        path = overlay
        codes: list[int]
        farm = None

        def push(self, *arguments):
            command = ["push", str(DEMO), "--management", str(overlay), *arguments]
            if "--limit" not in arguments:
                command += ["--limit", SOME]
            capsys.readouterr()
            code = main(command)
            printed = capsys.readouterr()
            return code, printed.out, printed.err

        def while_up(self, act, *arguments):
            """Call `act` when the routers of `llmsync device` are up; return what it printed."""
            monkeypatch.setattr(cmd_device, "_wait", lambda hold, count: act())
            routers = [x for name in SOME.split(",") for x in ("--router", name)]
            command = ["device", str(DEMO), *routers, "--write-management", str(overlay)]
            return main([*command, *arguments])

    return Cli()


def test_push_finds_the_routers_of_device_and_a_second_push_changes_nothing(cli):
    def act():
        code, out, err = cli.push("--check")
        assert code == 3
        assert "ams1 + /ietf-interfaces:interfaces/interface[name='" in out
        assert "3 routers would change" in err
        code, out, err = cli.push("--yes")
        assert code == 0
        assert [line.split()[1] for line in out.splitlines()[2:]] == ["committed"] * 3
        assert "3 routers changed" in err
        code, out, err = cli.push("--check", "-o", "json")
        assert code == 0
        document = json.loads(out)
        assert document["state"] == "unchanged"
        assert [r["outcome"] for r in document["routers"]] == ["untouched"] * 3

    assert cli.while_up(act) == 0


def test_what_device_writes_is_private_and_goes_with_it(cli, capsys):
    seen = {}

    def act():
        secret = cli.path.with_name("m.yaml.password")
        seen["mode"] = secret.stat().st_mode & 0o777
        seen["routers"] = list(read_overlay(cli.path))
        password = secret.read_text().strip()
        assert password not in cli.path.read_text()
        assert password not in capsys.readouterr().out

    assert cli.while_up(act, "-o", "json") == 0
    assert seen == {"mode": 0o600, "routers": SOME.split(",")}
    assert list(cli.path.parent.glob("m.yaml*")) == []


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_device_tells_where_its_routers_are(form, capsys):
    assert main(["device", str(DEMO), "--router", "ams1", "--hold", "0", "-o", form]) == 0
    out = capsys.readouterr().out
    row = json.loads(out) if form == "jsonl" else json.loads(out)[0]
    assert row["router"] == "ams1"
    assert row["host_key"].startswith("ssh-ed25519 AAAA")
    assert 0 < row["port"] < 65536


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_device_ends_when_it_is_asked_to(monkeypatch, number):
    monkeypatch.setattr(cmd_device, "say", lambda _: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    assert main(["device", str(DEMO), "--router", "ams1"]) == 0
    assert signal.getsignal(number) is before


def test_a_push_that_nobody_can_approve_needs_yes(cli, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def act():
        code, _, err = cli.push()
        assert (code, "changes need --yes" in err) == (2, True)

    cli.while_up(act)


@pytest.mark.parametrize(("answer", "expected"), [("y\n", 0), ("n\n", 3), ("", 3)])
def test_a_person_is_asked(cli, monkeypatch, answer, expected):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def act():
        monkeypatch.setattr("sys.stdin", Terminal(answer))
        code, _, err = cli.push()
        assert code == expected
        assert "more (-o json shows all)" in err
        assert "Change this? [y/N]" in err

    cli.while_up(act)


def test_a_router_that_is_gone_is_named_with_exit_code_4(cli):
    text = {}

    def act():
        text["overlay"] = cli.path.read_text()
        text["password"] = cli.path.with_name("m.yaml.password").read_text()

    cli.while_up(act)
    cli.path.write_text(text["overlay"])
    cli.path.with_name("m.yaml.password").write_text(text["password"])
    code, out, err = cli.push("--yes")
    assert code == 4
    assert out.count("unreachable") == 3
    assert "llmsync: ams1: 127.0.0.1 port" in err
    assert "nothing was changed" in err


def test_payloads_may_come_from_a_folder(cli, tmp_path):
    main(["render", str(DEMO), "-o", str(tmp_path / "p"), "--router", "ams1"])

    def act():
        code, _, err = cli.push("--payloads", str(tmp_path / "p"), "--yes", "--limit", "ams1")
        assert code == 0, err
        assert cli.push("--check", "--limit", "ams1")[0] == 0
        code, _, err = cli.push("--payloads", str(tmp_path / "p"), "--yes", "--limit", "lon1")
        assert (code, "lon1.xml: cannot be read: No such file" in err) == (2, True)
        (tmp_path / "p" / "ams1.xml").write_text("<isis xmlns='urn:llmsync:isis'/>")
        code, _, err = cli.push("--payloads", str(tmp_path / "p"), "--yes", "--limit", "ams1")
        assert (code, "ams1: /llmsync-isis:isis: system-id is missing" in err) == (2, True)

    cli.while_up(act)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["device", "--router", "x"], "no router x in "),
        (["device", "--port-base", "65530"], "leaves no 12 ports up to 65535"),
        (["device", "--hold", "-1"], "--hold -1 is no time to wait"),
        (["device", "--hold", "nan"], "--hold nan is no time to wait"),
        (["device", "--hold", "inf"], "--hold inf is no time to wait"),
        (["push", "--limit", "x,ams1"], "no router x; there are ams1, "),
        (["push", "--limit", ""], "--limit '' names no router; leave it out for all of them"),
        (["diff", "--limit", " ,"], "--limit ' ,' names no router"),
        (["push", "--timeout", "nan"], "--timeout (up to 86400) and --jobs are"),
        (["diff", "--timeout", "inf"], "--timeout (up to 86400) and --jobs are"),
        (["push", "--confirm-timeout", "0"], "--confirm-timeout 0 is not 1..86400"),
        (["push", "--jobs", "0"], "--timeout (up to 86400) and --jobs are greater than zero"),
        (["push", "--workers", "0"], "--timeout (up to 86400) and --jobs are greater than zero"),
        (["diff", "--timeout", "0"], "--timeout (up to 86400) and --jobs are greater than zero"),
        (["push"], "ams1 has no management section (give it one, or an overlay with --management"),
        (["push", "--management", "/no/such"], "/no/such"),
    ],
)
def test_what_is_asked_wrongly_is_said_with_exit_code_2(arguments, message, capsys):
    command, *rest = arguments
    assert main([command, str(DEMO), *rest]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\n", "m.yaml:1: routers: holds no 'routers' alone"),
        ("routers:\n  r1: {}\n", "m.yaml:2: routers.r1.management: there is no management section"),
        ("routers:\n  r1: {management: {port: 1}}\n", "routers.r1.management: host is missing"),
        (
            "routers:\n  r1: {management: {host: h, port: 0, password: hunter2, colour: red}}\n",
            "routers.r1.management.port: '0' is no TCP port (1..65535)",
        ),
    ],
)
def test_an_overlay_that_is_wrong_is_said_with_its_line(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.yaml").write_text(text)
    with pytest.raises(InventoryError) as caught:
        read_overlay((tmp_path / "m.yaml").relative_to(tmp_path))
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_make_before_break_needs_the_ingress_last():
    _, plan, _ = load_plan(DEMO)
    egress, transit, ingress = order(plan)
    assert ingress == {"ams1"}
    assert egress == {"lon1", "mad1", "waw1", "mia1", "sea1", "sjc1"}
    assert transit == {"fra1", "par1", "nyc1", "chi1", "dal1"}
