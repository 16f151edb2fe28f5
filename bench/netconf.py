"""Push to many embedded routers: how long a network-wide transaction takes, beside plain ncclient.

Clients and servers share this machine's processors.  The peer is what a script without us would do:
ncclient's own calls (lock, edit, validate, commit confirmed, commit) in as many threads, with
ncclient as it comes.  The last line is JSON: seconds, and ours divided by the peer's.

    python bench/netconf.py [--routers 10,50] [--workers 16]
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import ncclient.manager

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from toolkit.netconf.device import DEFAULT_USER, Device, DeviceFarm
from toolkit.netconf.names import BASE_NS
from toolkit.netconf.push import PushState, Target, push
from toolkit.yang.schema import reference_schema

INTERFACES = 8


@dataclass(frozen=True)
class Payload:
    tree: dict

    @property
    def xml(self) -> str:
        return reference_schema().to_xml(self.tree)


def tree(number: int, metric: int) -> dict:
    names = [f"e{n}" for n in range(INTERFACES)]
    return {
        "ietf-interfaces:interfaces": {
            "interface": [{"name": n, "type": "iana-if-type:ethernetCsmacd"} for n in names]
        },
        "llmsync-isis:isis": {
            "system-id": f"0000.0000.{number:04x}",
            "area-address": ["49.0001"],
            "interface": [{"name": n, "metric": metric} for n in names],
        },
    }


def seconds(act) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def measure(count: int, workers: int) -> dict:
    schema = reference_schema()
    devices = [Device(f"r{n}", schema) for n in range(count)]
    with DeviceFarm(devices) as farm:
        password = farm.users[DEFAULT_USER].password
        targets = [
            Target(
                device=name, host=host, port=port, username=DEFAULT_USER, password=password,
                host_key=farm.host_keys[name],
            )
            for name, (host, port) in farm.addresses.items()
        ]  # fmt: skip

        def ours(metric: int, expected: PushState) -> float:
            payloads = {d.name: Payload(tree(n, metric)) for n, d in enumerate(devices)}

            def act() -> None:
                report = push(targets, payloads, workers=workers)
                assert report.state is expected, report

            return seconds(act)

        def plain(metric: int) -> float:
            def one(job: tuple[int, Target]) -> None:
                number, target = job
                xml = schema.to_xml(tree(number, metric))
                with ncclient.manager.connect(
                    host=target.host, port=target.port, username=target.username,
                    password=password, hostkey_b64=target.host_key.split()[1],
                    allow_agent=False, look_for_keys=False,
                ) as manager, manager.locked("candidate"):  # fmt: skip
                    manager.edit_config(
                        target="candidate",
                        config=f'<config xmlns="{BASE_NS}">{xml}</config>',
                    )
                    manager.validate("candidate")
                    manager.commit(confirmed=True, timeout="60")
                    manager.commit()

            def act() -> None:
                with ThreadPoolExecutor(workers) as pool:
                    list(pool.map(one, enumerate(targets)))

            return seconds(act)

        first = ours(10, PushState.COMMITTED)
        again = ours(10, PushState.UNCHANGED)
        change = ours(20, PushState.COMMITTED)
        peer = plain(30)
    return {
        "push_s": round(first, 3),
        "unchanged_s": round(again, 3),
        "change_s": round(change, 3),
        "routers_per_minute": round(60 * count / change),
        "plain_ncclient_s": round(peer, 3),
        "ratio_to_plain": round(change / peer, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--routers", default="10,50")
    parser.add_argument("--workers", type=int, default=16)
    args = parser.parse_args()
    figures = {
        f"routers_{count}": measure(int(count), args.workers) for count in args.routers.split(",")
    }
    print(
        json.dumps(
            {
                "bench": "netconf",
                "workers": args.workers,
                "peer": "ncclient calls in threads: lock, edit-config, validate, commit x2",
                "python": platform.python_version(),
                **figures,
            }
        )
    )


if __name__ == "__main__":
    main()
