#!/usr/bin/python
"""Bring routers to the plan in one transaction."""

from __future__ import annotations

DOCUMENTATION = r"""
module: push
short_description: Bring routers to the plan in one network-wide transaction
description:
  - Locks, edits, validates and reads back every router, commits everywhere to be confirmed, egress
    before transit before ingress, reads back, and confirms; the first failure gives the change up
    everywhere.
  - The task runs once for the play.  Without O(limit), the routers are those among the hosts of the
    play that came from the inventory plugin, those included that an earlier task failed on, since
    the network changes as a whole or not at all; all routers of the inventory where there are none.
  - In check mode the routers are asked what would change.
extends_documentation_fragment:
  - llmsync.multicast.llmsync
  - llmsync.multicast.llmsync.inventory
options:
  limit:
    description: Only these routers.
    type: list
    elements: str
    default: []
  management:
    description: A file that says how routers are reached, over what the inventory says.
    type: path
  payloads:
    description: Push the files ROUTER.xml of this folder instead of rendering.
    type: path
  confirm_timeout:
    description: Seconds after which an unconfirmed change reverts.
    type: int
    default: 120
  timeout:
    description: Seconds that one answer of a router may take.
    type: float
    default: 30
  jobs:
    description: Routers at a time.
    type: int
    default: 16
  allow_degraded:
    description:
      - Push to routers, too, that cannot keep the whole promise (no confirmed commit, no candidate,
        a broken C(<validate>)); see C(llmsync push --help).
    type: bool
    default: false
  accept_revisions:
    description:
      - Push to routers, too, whose YANG modules are not those that their configuration was proven
        by.
    type: bool
    default: false
  profile:
    description:
      - How the servers differ from RFC 6241 (C(reference), C(yuma), C(junos), C(validate-broken),
        C(no-running-lock)); without it, that of each platform.
    type: str
  journal:
    description:
      - Folder on the controller that remembers pushes; without it, llmsync in the state folder of
        the user that runs Ansible.  C(llmsync status --journal) reads it.
    type: path
"""

EXAMPLES = r"""
- hosts: routers
  gather_facts: false
  tasks:
    - name: One transaction for all of them
      llmsync.multicast.push:
        inventory: inventories/demo
        management: routers.yaml
"""

RETURN = r"""
state:
  description: How the push ended (C(unchanged), C(pending), C(committed), C(rolled-back), ...).
  returned: always
  type: str
txid:
  description: Identifier of the transaction, for C(llmsync status|resume|abort|rollback).
  returned: always
  type: str
routers:
  description: Outcome, error and changes of each router.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmsync.multicast.plugins.module_utils import command


def _diff(routers: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return what changes on each router, one path a line."""
    found = []
    for router in routers:
        before = [
            f"{c['path']} = {c['before']}" for c in router["changes"] if c["before"] is not None
        ]
        after = [f"{c['path']} = {c['after']}" for c in router["changes"] if c["after"] is not None]
        if before or after:
            found.append(
                {
                    "before_header": router["name"],
                    "after_header": router["name"],
                    "before": "".join(line + "\n" for line in before),
                    "after": "".join(line + "\n" for line in after),
                }
            )
    return found


def main() -> None:
    options: dict[str, Any] = {
        "limit": {"type": "list", "elements": "str", "default": []},
        "management": {"type": "path"},
        "payloads": {"type": "path"},
        "confirm_timeout": {"type": "int", "default": 120},
        "timeout": {"type": "float", "default": 30},
        "jobs": {"type": "int", "default": 16},
        "allow_degraded": {"type": "bool", "default": False},
        "accept_revisions": {"type": "bool", "default": False},
        "profile": {"type": "str"},
        "journal": {"type": "path"},
    }
    module = AnsibleModule(
        argument_spec={**command.COMMON, **command.INVENTORY, **options}, supports_check_mode=True
    )
    llmsync = command.program(module)
    arguments = ["push", module.params["inventory"], "-o", "json"]
    arguments += ["--check"] if module.check_mode else ["--yes"]
    arguments += command.flags(
        module, limit="--limit", management="--management", payloads="--payloads",
        confirm_timeout="--confirm-timeout", timeout="--timeout", jobs="--jobs",
        transport="--transport", profile="--profile", journal="--journal",
    )  # fmt: skip
    arguments += ["--allow-degraded"] if module.params["allow_degraded"] else []
    arguments += ["--accept-revisions"] if module.params["accept_revisions"] else []
    answer = command.ask(llmsync, arguments)
    report = answer.document() or {}
    routers = report.get("routers", [])
    facts = {
        "state": report.get("state", "failed"),
        "txid": report.get("txid", ""),
        "routers": routers,
        "notes": answer.words,
    }
    if answer.code not in (command.OK, command.PENDING):
        command.fail(module, answer, **facts)
    module.exit_json(changed=facts["state"] not in ("unchanged",), diff=_diff(routers), **facts)


if __name__ == "__main__":
    main()
