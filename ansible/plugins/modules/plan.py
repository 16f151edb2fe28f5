#!/usr/bin/python
"""Plan the multicast network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan the multicast network of an llmsync inventory
description:
  - Derives everything that follows from an inventory (BFR-ids, addresses, labels, trees, groups)
    and keeps new identifiers in the lock file beside it, so that nothing is ever renumbered.
extends_documentation_fragment:
  - llmsync.multicast.llmsync
  - llmsync.multicast.llmsync.inventory
options:
  write_lock:
    description: Keep new identifiers in the lock file.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Plan, and keep the identifiers
  llmsync.multicast.plan:
    inventory: inventories/demo
  register: planned
"""

RETURN = r"""
plan:
  description: The whole plan, as C(llmsync plan -o json) prints it.
  returned: success
  type: dict
lock:
  description: Path of the lock file.
  returned: success
  type: str
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmsync.multicast.plugins.module_utils import command


def lock_path(inventory: str) -> str:
    """Return where llmsync keeps the lock of an inventory."""
    if os.path.isdir(inventory):
        return os.path.join(inventory, "llmsync.lock.json")
    return os.path.splitext(inventory)[0] + ".lock.json"


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def main() -> None:
    options: dict[str, Any] = {"write_lock": {"type": "bool", "default": True}}
    module = AnsibleModule(
        argument_spec={**command.COMMON, **command.INVENTORY, **options}, supports_check_mode=True
    )
    llmsync = command.program(module)
    inventory = module.params["inventory"]
    base = ["plan", inventory, "-o", "json", *command.flags(module, transport="--transport")]
    lock = lock_path(inventory)
    before = _read(lock)
    wanted = module.params["write_lock"]
    extra = [] if not wanted else ["--check-lock"] if module.check_mode else ["--write-lock"]
    answer = command.ask(llmsync, [*base, *extra])
    if answer.code not in (command.OK, command.PENDING):
        command.fail(module, answer)
    after = _read(lock)
    changed = after != before or answer.code == command.PENDING
    result = {"changed": changed, "plan": answer.document(), "lock": lock, "notes": answer.words}
    if changed:
        shown = after if after != before else before + "\n".join(answer.words) + "\n"
        result["diff"] = {
            "before_header": lock, "after_header": lock, "before": before, "after": shown,
        }  # fmt: skip
    module.exit_json(**result)


if __name__ == "__main__":
    main()
