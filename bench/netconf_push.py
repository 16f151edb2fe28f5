"""One change on 50 devices: llmsync's network-wide transaction beside Ansible's netconf_config.

    python bench/netconf_push.py [--devices 50] [--runs 2]

Both are whole programs, started anew, against the same embedded routers (a process of their own on
this machine), in the same run, by turns: `llmsync push` locks, edits, validates, reads back,
commits to be confirmed, reads back, confirms on all together and keeps a journal; the peer is
`ansible-playbook` with `ansible.netcommon.netconf_config` (PyPI ansible, in an environment of its
own) and as many forks as devices, which locks, edits, validates and commits each device for itself.
A change is 50 leaves on each device: 25 descriptions and 25 metrics.  Ansible's connections stay
for a while when its play has ended; they are ended, untimed, before ours runs.

The last line is JSON: devices a minute of both, and ours over theirs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import peers
import yaml

ANSIBLE = ("ansible==12.3.0", "ansible-core==2.19.14", "ncclient==0.7.1", "xmltodict", "paramiko<4")
INTERFACES = 25
LLMSYNC = Path(sys.executable).with_name("llmsync")


def write_inventory(count: int, folder: Path) -> Path:
    """A ring of routers; what is pushed are payloads of ours, not the plan's."""
    names = [f"r{n}" for n in range(count)]
    body = {
        "name": "bench",
        "domains": {"d": {}},
        "routers": {name: {} for name in names},
        "links": [{"a": names[n], "b": names[(n + 1) % count]} for n in range(count)],
        "repositories": {"hub": {"router": names[0]}},
        "clouds": {"cloud": {"router": names[count // 2]}},
        "deliveries": {"model": {"model": "demo", "from": "hub", "to": "all"}},
    }
    path = folder / "inventory.yaml"
    path.write_text(yaml.safe_dump(body, sort_keys=False), "utf-8")
    return path


def write_payloads(count: int, value: int, folder: Path) -> Path:
    """Configurations that differ from those of another `value` in 50 leaves."""
    folder.mkdir()
    for n in range(count):
        names = [f"e{i}" for i in range(INTERFACES)]
        interfaces = "".join(
            f"<interface><name>{i}</name><description>llmsync: change {value}</description>"
            "<type>ianaift:ethernetCsmacd</type></interface>"
            for i in names
        )
        metrics = "".join(
            f"<interface><name>{i}</name><metric>{value}</metric></interface>" for i in names
        )
        (folder / f"r{n}.xml").write_text(
            '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">'
            '<interfaces xmlns="urn:ietf:params:xml:ns:yang:ietf-interfaces"'
            ' xmlns:ianaift="urn:ietf:params:xml:ns:yang:iana-if-type">'
            f"{interfaces}</interfaces>"
            f'<isis xmlns="urn:llmsync:isis"><system-id>0000.0000.{n:04d}</system-id>'
            f"<area-address>49.0001</area-address>{metrics}</isis></config>",
            "utf-8",
        )
    return folder


@contextmanager
def devices(inventory: Path, folder: Path) -> Iterator[Path]:
    """Start the routers in a process of their own; yield how they are reached."""
    management = folder / "management.yaml"
    command = [LLMSYNC, "device", inventory, "--write-management", management]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            if process.stderr is None or b"routers up" not in process.stderr.readline():
                sys.exit("bench: the routers did not start")
            yield management
        finally:
            process.terminate()


def timed(command: list[str | Path], folder: Path, **environment: str) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True,
        env={**os.environ, "XDG_STATE_HOME": str(folder / "state"), **environment},
    )  # fmt: skip
    taken = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"bench: {command[0]}: {(done.stdout + done.stderr)[-3000:]}")
    return taken


def end_connections(folder: Path) -> None:
    """End the peer's connections: they outlive the play, and cost whoever comes next."""
    mark = f"ANSIBLE_HOME={folder / 'ansible'}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if mark in (process / "environ").read_bytes():
                os.kill(int(process.name), signal.SIGTERM)


def write_play(management: Path, folder: Path) -> tuple[Path, Path]:
    """Return Ansible's inventory and playbook for the same devices."""
    routers = yaml.safe_load(management.read_text("utf-8"))["routers"]
    hosts = {}
    for name, body in routers.items():
        entry = body["management"]
        secret = management.with_name(entry["password"]["file"]).read_text("utf-8").strip()
        hosts[name] = {
            "ansible_host": entry["host"],
            "ansible_port": entry["port"],
            "ansible_user": entry["username"],
            "ansible_password": secret,
        }
    common = {
        "ansible_connection": "ansible.netcommon.netconf",
        "ansible_network_os": "default",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    source = folder / "hosts.yml"
    source.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}), "utf-8")
    task = {
        "ansible.netcommon.netconf_config": {
            "content": "{{ lookup('file', folder + '/' + inventory_hostname + '.xml') }}",
            "target": "candidate",
            "lock": "always",
            "validate": True,
            "commit": True,
        }
    }
    book = folder / "change.yml"
    book.write_text(
        yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task]}]), "utf-8"
    )
    return source, book


def measure(count: int, runs: int) -> dict[str, object]:
    programs = peers.environment("ansible", *ANSIBLE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inventory = write_inventory(count, folder)
        with devices(inventory, folder) as management:
            source, book = write_play(management, folder)
            reach = ["--management", management, "--timeout", "60"]
            value = 10
            payloads = write_payloads(count, value, folder / "first")
            push = [LLMSYNC, "push", inventory, *reach, "--yes", "--payloads"]
            timed([*push, payloads], folder)  # from empty devices: not the change to be measured
            ours, theirs = [], []
            play = [programs / "ansible-playbook", "-i", source, "-f", str(count), book]
            print(f"# peer: ansible-playbook -f {count}: netconf_config, {' '.join(ANSIBLE)}")
            for run in range(runs):
                value += 1
                payloads = write_payloads(count, value, folder / f"ours{run}")
                ours.append(timed([*push, payloads], folder))
                print(f"llmsync {ours[-1]:.2f} s", flush=True)
                value += 1
                payloads = write_payloads(count, value, folder / f"theirs{run}")
                theirs.append(
                    timed(
                        [*play, "-e", f"folder={payloads}"], folder,
                        ANSIBLE_HOST_KEY_CHECKING="False",
                        HOME=str(folder), ANSIBLE_HOME=str(folder / "ansible"), LC_ALL="C.UTF-8",
                        ANSIBLE_PERSISTENT_COMMAND_TIMEOUT="120",
                        ANSIBLE_PERSISTENT_CONNECT_TIMEOUT="120",
                    )
                )  # fmt: skip
                print(f"ansible {theirs[-1]:.2f} s", flush=True)
                end_connections(folder)
                # The peer's change arrived: ours finds nothing left to do.
                timed([*push[:3], *reach, "--check", "--payloads", payloads], folder)
    own_s, ansible_s = statistics.median(ours), statistics.median(theirs)
    return {
        "devices": count,
        "leaves_changed": 2 * INTERFACES,
        "llmsync_s": round(own_s, 2),
        "ansible_s": round(ansible_s, 2),
        "llmsync_devices_per_min": round(60 * count / own_s),
        "ansible_devices_per_min": round(60 * count / ansible_s),
        "ratio": round(ansible_s / own_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--devices", type=int, default=50)
    parser.add_argument("--runs", type=int, default=2)
    args = parser.parse_args()
    print(json.dumps({"bench": "netconf_push", **measure(args.devices, args.runs)}))


if __name__ == "__main__":
    main()
