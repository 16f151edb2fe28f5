#!/usr/bin/python
"""Check the multicast network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Check that every GPU cloud is served exactly once, also when links fail
description:
  - Judges the rendered configurations, or those of O(payloads), bit by bit, and the policies of the
    inventory.  Changes nothing.  The task fails where there are errors.
extends_documentation_fragment:
  - llmsync.multicast.llmsync
  - llmsync.multicast.llmsync.inventory
options:
  payloads:
    description: Judge the files ROUTER.xml of this folder instead of rendering.
    type: path
  broken:
    description: Links (C(a-b)) and nodes that have failed.
    type: list
    elements: str
    default: []
  batfish:
    description: Ask this Batfish service about the underlay, HOST[:PORT].
    type: str
"""

EXAMPLES = r"""
- name: Is it right?
  llmsync.multicast.verify:
    inventory: inventories/demo
    payloads: payloads
  register: verified

- name: And without Madrid's links?
  llmsync.multicast.verify:
    inventory: inventories/demo
    broken: [lon1-mad1]
"""

RETURN = r"""
verdict:
  description: C(passed) or C(failed).
  returned: always
  type: str
findings:
  description: What was found, each with id, severity, place, evidence and remedy.
  returned: always
  type: list
  elements: dict
checks:
  description: What was checked, what was not, and why.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmsync.multicast.plugins.module_utils import command


def main() -> None:
    options: dict[str, Any] = {
        "payloads": {"type": "path"},
        "broken": {"type": "list", "elements": "str", "default": []},
        "batfish": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={**command.COMMON, **command.INVENTORY, **options}, supports_check_mode=True
    )
    llmsync = command.program(module)
    arguments = ["verify", module.params["inventory"], "-o", "json"]
    arguments += command.flags(
        module, payloads="--payloads", broken="--break", batfish="--batfish",
        transport="--transport",
    )  # fmt: skip
    answer = command.ask(llmsync, arguments)
    report = answer.document() or {}
    facts = {
        "verdict": report.get("verdict", "failed"),
        "findings": report.get("findings", []),
        "checks": report.get("checks", []),
        "counts": report.get("counts", {}),
    }
    if answer.code != command.OK:
        command.fail(module, answer, **facts)
    module.exit_json(changed=False, notes=answer.words, **facts)


if __name__ == "__main__":
    main()
