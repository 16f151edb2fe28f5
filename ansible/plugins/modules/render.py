#!/usr/bin/python
"""Write each router's configuration."""

from __future__ import annotations

DOCUMENTATION = r"""
module: render
short_description: Write each router's configuration, proven against its YANG schema
description:
  - Renders the plan's configuration of every router and validates it before anything is written.
  - Files that are as they should be are not touched; files of other names are left alone.
extends_documentation_fragment:
  - llmsync.multicast.llmsync
  - llmsync.multicast.llmsync.inventory
options:
  dest:
    description: Folder that the files ROUTER.xml are written to; made where it does not exist.
    type: path
    required: true
  routers:
    description: Only these routers.
    type: list
    elements: str
    default: []
  format:
    description: C(xml) is a NETCONF C(<config>), C(json) RFC 7951.
    type: str
    choices: [xml, json]
    default: xml
"""

EXAMPLES = r"""
- name: Payloads for review
  llmsync.multicast.render:
    inventory: inventories/demo
    dest: payloads
"""

RETURN = r"""
files:
  description: Files that changed or would change.
  returned: success
  type: list
  elements: str
notes:
  description: What llmsync has to say, unproven schemas among it.
  returned: success
  type: list
  elements: str
"""

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmsync.multicast.plugins.module_utils import command


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def main() -> None:
    options: dict[str, Any] = {
        "dest": {"type": "path", "required": True},
        "routers": {"type": "list", "elements": "str", "default": []},
        "format": {"type": "str", "choices": ["xml", "json"], "default": "xml"},
    }
    module = AnsibleModule(
        argument_spec={**command.COMMON, **command.INVENTORY, **options}, supports_check_mode=True
    )
    llmsync = command.program(module)
    dest = module.params["dest"]
    arguments = ["render", module.params["inventory"], "--format", module.params["format"]]
    arguments += command.flags(module, transport="--transport")
    for router in module.params["routers"]:
        arguments += ["--router", router]
    with tempfile.TemporaryDirectory() as scratch:
        answer = command.ask(llmsync, [*arguments, "-o", scratch])
        if answer.code != command.OK:
            command.fail(module, answer)
        new = {name: _read(os.path.join(scratch, name)) for name in sorted(os.listdir(scratch))}
    differing = {}
    for name, text in new.items():
        old = _read(os.path.join(dest, name))
        if old != text:
            differing[name] = (old or "", text or "")
    if differing and not module.check_mode:
        written = command.ask(llmsync, [*arguments, "-o", dest])
        if written.code != command.OK:
            command.fail(module, written)
    module.exit_json(
        changed=bool(differing),
        files=[os.path.join(dest, name) for name in differing],
        notes=answer.words,
        diff=[
            {"before_header": name, "after_header": name, "before": old, "after": text}
            for name, (old, text) in differing.items()
        ],
    )


if __name__ == "__main__":
    main()
