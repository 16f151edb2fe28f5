"""The Ansible collection, built and installed as users do, against embedded routers."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from toolkit.cli import cmd_push

ROOT = Path(__file__).parent.parent
COLLECTION = ROOT / "ansible"
DEMO = ROOT / "inventories" / "demo"
PROGRAMS = Path(sys.executable).parent
MODULES = sorted(file.stem for file in (COLLECTION / "plugins" / "modules").glob("*.py"))
SOME = ("ams1", "lon1", "dal1")


def _environment(collections: Path, home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "ANSIBLE_HOME": str(home / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_LOCALHOST_WARNING": "False",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
        "XDG_STATE_HOME": str(home / "state"),
        "LC_ALL": "C.UTF-8",
    }


class Ansible:
    """The installed collection in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.collections = folder / "collections"
        self.environment = _environment(self.collections, folder)

    def run(self, program: str, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            [PROGRAMS / program, *arguments], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def play(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """Run a playbook; return task -> its result on the first host that has one."""
        self.environment["ANSIBLE_STDOUT_CALLBACK"] = "llmsync_results"
        self.environment["ANSIBLE_CALLBACK_PLUGINS"] = str(self.folder)
        (self.folder / "llmsync_results.py").write_text(CALLBACK, "utf-8")
        out = self.run("ansible-playbook", *arguments, code=code)
        return dict(json.loads(out.splitlines()[-1]))


CALLBACK = """
import json
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "llmsync_results"

    def __init__(self):
        super().__init__()
        self.results = {}

    def _note(self, result, failed=False):
        name = result.task.get_name().rpartition(" : ")[2]
        entry = {"failed": failed, "runs": 0, **result.result}
        entry["runs"] = self.results.get(name, {"runs": 0})["runs"] + 1
        self.results[name] = entry

    def v2_runner_on_ok(self, result):
        self._note(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._note(result, failed=True)

    def v2_playbook_on_stats(self, stats):
        print(json.dumps(self.results))
"""


@pytest.fixture(scope="module")
def ansible(tmp_path_factory: pytest.TempPathFactory) -> Ansible:
    """Build the collection, install it from the archive, without any network."""
    made = Ansible(tmp_path_factory.mktemp("ansible"))
    made.run("ansible-galaxy", "collection", "build", str(COLLECTION), "--output-path", "built")
    (archive,) = (made.folder / "built").glob("llmsync-multicast-*.tar.gz")
    made.run(
        "ansible-galaxy", "collection", "install", str(archive), "--offline",
        "-p", str(made.collections),
    )  # fmt: skip
    return made


@pytest.fixture
def routers(tmp_path: Path) -> Iterator[Path]:
    """Start three routers of the demonstration; yield how they are reached."""
    overlay = tmp_path / "management.yaml"
    arguments = [x for name in SOME for x in ("--router", name)]
    command = [
        sys.executable, "-m", "toolkit.cli", "device", str(DEMO), *arguments,
        "--write-management", str(overlay), "--hold", "100",
    ]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert "3 routers up" in process.stderr.readline()
            yield overlay
        finally:
            process.terminate()


def test_every_module_is_documented_and_takes_what_it_documents(ansible: Ansible) -> None:
    assert MODULES == ["deliver", "plan", "push", "render", "verify"]
    names = [f"llmsync.multicast.{name}" for name in MODULES]
    documents = json.loads(ansible.run("ansible-doc", "-j", "-t", "module", *names))
    for name in names:
        document = documents[name]
        assert document["examples"].strip()
        assert document["return"]
        source = (COLLECTION / "plugins" / "modules" / f"{name.rpartition('.')[2]}.py").read_text()
        spec = _spec(ansible, name.rpartition(".")[2])
        assert set(spec) == set(document["doc"]["options"]), name
        for option, body in document["doc"]["options"].items():
            assert spec[option].get("type", "str") == body.get("type", "str"), (name, option)
            assert spec[option].get("required", False) == body.get("required", False)
            assert spec[option].get("default") == body.get("default"), (name, option)
            assert spec[option].get("choices") == body.get("choices"), (name, option)
        assert "supports_check_mode=True" in source
    assert "llmsync.multicast.inventory" in ansible.run(
        "ansible-doc", "-t", "inventory", "-l", "llmsync.multicast"
    )


def _spec(ansible: Ansible, module: str) -> dict[str, Any]:
    """Return the argument_spec that a module gives to AnsibleModule."""
    text = (
        "import json, sys; import ansible.module_utils.basic as basic\n"
        "class Stop(Exception): pass\n"
        "def caught(argument_spec, **rest): print(json.dumps(argument_spec)); raise SystemExit\n"
        "basic.AnsibleModule = caught\n"
        f"import ansible_collections.llmsync.multicast.plugins.modules.{module} as m; m.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], env={**ansible.environment,
        "PYTHONPATH": str(ansible.collections)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout))


def test_a_task_can_say_whatever_the_command_can(ansible: Ansible) -> None:
    """Every flag of `llmsync push` has an option, but where Ansible has words of its own."""
    parser = argparse.ArgumentParser()
    cmd_push.configure(parser)
    flags = {action.dest for action in parser._actions if action.help is not argparse.SUPPRESS}
    own = {"help", "check", "diff", "yes", "format"}
    assert flags - own == set(_spec(ansible, "push")) - {"executable"}


def _source(ansible: Ansible, management: Path | None = None) -> str:
    path = ansible.folder / "network.llmsync.yml"
    body = {"plugin": "llmsync.multicast.inventory", "inventory": str(DEMO)}
    if management is not None:
        body["management"] = str(management)
    path.write_text(yaml.safe_dump(body), "utf-8")
    return str(path)


def test_the_inventory_plugin_groups_routers_and_hosts(ansible: Ansible) -> None:
    tree = json.loads(ansible.run("ansible-inventory", "-i", _source(ansible), "--list"))
    assert len(tree["routers"]["hosts"]) == 12
    assert tree["repositories"]["hosts"] == ["hub"]
    assert "cloud-london" in tree["clouds"]["hosts"]
    assert "ams1" in tree["edge_routers"]["hosts"]
    assert "lon1" in tree["region_europe"]["hosts"]
    facts = {key: _plain(v) for key, v in tree["_meta"]["hostvars"]["ams1"].items()}
    assert facts["llmsync_router"] == "ams1"
    assert facts["ansible_network_os"] == "default"
    assert not any("password" in key for key in facts)


def _plain(value: Any) -> Any:
    """Values that a plugin brought are marked as not to be templated."""
    return value["__ansible_unsafe"] if isinstance(value, dict) else value


def test_an_inventory_with_mistakes_is_refused_in_its_own_words(ansible: Ansible) -> None:
    path = ansible.folder / "bad.llmsync.yml"
    wrong = ROOT / "tests" / "errors" / "many-at-once.yaml"
    path.write_text(
        yaml.safe_dump({"plugin": "llmsync.multicast.inventory", "inventory": str(wrong)}), "utf-8"
    )
    done = subprocess.run(
        [PROGRAMS / "ansible-inventory", "-i", str(path), "--list"],
        env={**ansible.environment, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode != 0
    assert "many-at-once.yaml" in done.stderr


def _push(ansible: Ansible, management: Path, *extra: str, code: int = 0) -> dict[str, Any]:
    return ansible.play(
        "-i", _source(ansible, management), "llmsync.multicast.push",
        "-e", f"llmsync_inventory={DEMO}", "-e", f"llmsync_management={management}",
        "--limit", ",".join(SOME), *extra, code=code,
    )  # fmt: skip


def test_a_play_is_one_transaction_with_real_check_mode_and_diff(
    ansible: Ansible, routers: Path
) -> None:
    checked = _push(ansible, routers, "--check", "--diff")["Push"]
    assert (checked["changed"], checked["state"], checked["runs"]) == (True, "pending", 1)
    assert [d["before_header"] for d in checked["diff"]] == list(SOME)
    assert "/ietf-interfaces:interfaces/" in checked["diff"][0]["after"]
    # Nothing was changed by it: the real run has everything to do, once, for all three.
    pushed = _push(ansible, routers)
    assert (pushed["Push"]["changed"], pushed["Push"]["state"]) == (True, "committed")
    assert pushed["Push"]["runs"] == 1
    assert [r["outcome"] for r in pushed["Push"]["routers"]] == ["committed"] * 3
    assert pushed["A second push changes nothing"]["changed"] is False
    again = _push(ansible, routers)["Push"]
    assert (again["changed"], again["state"]) == (False, "unchanged")


def test_a_router_that_an_earlier_task_failed_on_is_not_left_behind(
    ansible: Ansible, routers: Path
) -> None:
    book = ansible.folder / "some-fail.yml"
    book.write_text(SOME_FAIL.format(inventory=DEMO, management=routers), "utf-8")
    arguments = ("-i", _source(ansible, routers), "--limit", ",".join(SOME), "--check", str(book))
    pushed = ansible.play(*arguments, code=2)["Push"]
    assert [router["name"] for router in pushed["routers"]] == list(SOME)


SOME_FAIL = """
- hosts: routers
  gather_facts: false
  vars: {{ansible_connection: local}}
  tasks:
    - name: Something goes wrong on one
      ansible.builtin.fail:
      when: inventory_hostname == "lon1"
    - name: Push
      llmsync.multicast.push: {{inventory: "{inventory}", management: "{management}"}}
"""


def test_a_push_that_fails_says_why_and_what_became_of_the_routers(
    ansible: Ansible, routers: Path
) -> None:
    body = yaml.safe_load(routers.read_text())
    body["routers"]["lon1"]["management"]["port"] = 1  # nobody is there
    broken = routers.with_name("broken.yaml")
    broken.write_text(yaml.safe_dump(body), "utf-8")
    failed = _push(ansible, broken, code=2)["Push"]
    assert failed["failed"]
    assert failed["rc"] == 4
    assert "lon1" in failed["msg"]
    assert {r["name"]: r["outcome"] for r in failed["routers"]}["ams1"] == "untouched"


def test_site_plans_renders_and_verifies_and_a_second_run_changes_nothing(
    ansible: Ansible, tmp_path: Path
) -> None:
    copy = tmp_path / "demo"
    copy.mkdir()
    for file in DEMO.glob("*.yaml"):
        (copy / file.name).write_text(file.read_text("utf-8"), "utf-8")
    payloads = tmp_path / "payloads"
    extra = ("-e", f"llmsync_inventory={copy}", "-e", f"llmsync_payloads={payloads}")
    checked = ansible.play("llmsync.multicast.site", *extra, "--check", "--diff")
    assert checked["Plan, and keep the identifiers"]["changed"]
    assert checked["Render"]["changed"]
    assert len(checked["Render"]["diff"]) == 12
    assert not payloads.exists()
    assert not (copy / "llmsync.lock.json").exists()
    first = ansible.play("llmsync.multicast.site", *extra)
    assert first["Render"]["changed"]
    assert first["Verify what was rendered"]["verdict"] == "passed"
    assert len(list(payloads.glob("*.xml"))) == 12
    second = ansible.play("llmsync.multicast.site", *extra)
    assert [second[name]["changed"] for name in second] == [False] * len(second)
    (payloads / "ams1.xml").write_text("<config/>", "utf-8")
    mended = ansible.play("llmsync.multicast.site", *extra, "--diff")
    assert mended["Render"]["files"] == [str(payloads / "ams1.xml")]


def test_verify_fails_the_play_with_its_findings(ansible: Ansible, tmp_path: Path) -> None:
    book = tmp_path / "book.yml"
    task = {
        "name": "Verify",
        "llmsync.multicast.verify": {"inventory": str(DEMO), "broken": ["waw1"]},
    }
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    book.write_text(yaml.safe_dump([play]), "utf-8")
    result = ansible.play(str(book), code=2)["Verify"]
    assert result["failed"]
    assert result["verdict"] == "failed"
    assert result["findings"]
    assert result["msg"].startswith("findings: ")


def test_deliver_sends_a_model_and_waits_for_proof(ansible: Ansible, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "weights.bin").write_bytes(bytes(range(256)) * 4000)
    ports = _free_ports(2)
    receiver = subprocess.Popen(
        [sys.executable, "-m", "toolkit.cli", "receive", "--name", "fra",
         "--listen", f"127.0.0.1:{ports[0]}", "--sender", f"127.0.0.1:{ports[1]}",
         "--output", str(tmp_path / "got"), "--timeout", "60"],
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    values = {
        "llmsync_model": str(model),
        "llmsync_to": [f"fra=127.0.0.1:{ports[0]}"],
        "llmsync_control": f"127.0.0.1:{ports[1]}",
        "llmsync_key": str(tmp_path / "key"),
        "llmsync_rate": "100M",
    }
    try:
        checked = ansible.play(
            "llmsync.multicast.deliver", "-e", json.dumps(values), "--check", "--diff"
        )["Deliver"]
        assert (checked["files"], checked["bytes"]) == (1, 1_024_000)
        assert not (tmp_path / "got" / "weights.bin").exists()
        done = ansible.play("llmsync.multicast.deliver", "-e", json.dumps(values))["Deliver"]
        assert done["changed"]
        assert done["delivery"]
        assert receiver.wait(30) == 0
    finally:
        receiver.kill()
        receiver.wait()
    received = list((tmp_path / "got").rglob("weights.bin"))
    assert [r.read_bytes() for r in received] == [(model / "weights.bin").read_bytes()]


def _free_ports(count: int) -> Sequence[int]:
    import socket

    with_sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    try:
        for one in with_sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in with_sockets]
    finally:
        for one in with_sockets:
            one.close()
