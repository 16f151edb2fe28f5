#!/usr/bin/python
"""Send a model to receivers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: deliver
short_description: Send a model to GPU clouds and wait until all have it
description:
  - Sends a file or a folder to receivers that run C(llmsync receive), and ends when every one has
    proven that what it placed is identical, or has been given up.
  - In check mode nothing is sent; the path has to exist, and what would be sent is returned.
extends_documentation_fragment:
  - llmsync.multicast.llmsync
options:
  path:
    description: The file or folder to send.
    type: path
    required: true
  to:
    description: Receivers, NAME or NAME=HOST:PORT; an address may be left out with O(group).
    type: list
    elements: str
    required: true
  group:
    description: IP multicast group for what all receivers need, ADDR:PORT.
    type: str
  interface:
    description: Send multicast there.
    type: str
  control:
    description: Where receivers reach us, HOST:PORT.
    type: str
  rate:
    description: Bit/s of UDP payload, as in C(200M) or C(1G).
    type: str
  key:
    description: Ed25519 private key that signs the manifest; made when missing.
    type: path
  timeout:
    description: Seconds until a silent receiver is given up.
    type: float
"""

EXAMPLES = r"""
- name: Every cloud gets the model
  llmsync.multicast.deliver:
    path: /models/llama
    to: ["fra=192.0.2.10:4401", "lon=192.0.2.20:4401"]
    rate: 2G
"""

RETURN = r"""
delivery:
  description: What C(llmsync send -o json) says of the delivery, receiver by receiver.
  returned: when something was sent
  type: dict
files:
  description: Number of files.
  returned: success
  type: int
bytes:
  description: Their size.
  returned: success
  type: int
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmsync.multicast.plugins.module_utils import command


def measure(path: str) -> tuple[int, int]:
    """Return the number of files of `path` and their bytes.  Raises OSError."""
    if not os.path.isdir(path):
        return 1, os.stat(path).st_size
    sizes = [
        os.stat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(path)
        for name in names
    ]
    return len(sizes), sum(sizes)


def main() -> None:
    options: dict[str, Any] = {
        "path": {"type": "path", "required": True},
        "to": {"type": "list", "elements": "str", "required": True},
        "group": {"type": "str"},
        "interface": {"type": "str"},
        "control": {"type": "str"},
        "rate": {"type": "str"},
        "key": {"type": "path", "no_log": False},  # a path, not the key
        "timeout": {"type": "float"},
    }
    module = AnsibleModule(argument_spec={**command.COMMON, **options}, supports_check_mode=True)
    llmsync = command.program(module)
    path = module.params["path"]
    try:
        files, size = measure(path)
    except OSError as error:
        module.fail_json(msg=f"{path}: cannot be read: {error.strerror}")
        return
    facts: dict[str, Any] = {"files": files, "bytes": size}
    if module.params["to"] and not module.check_mode:
        arguments = ["send", path, "-o", "json"]
        for receiver in module.params["to"]:
            arguments += ["--to", receiver]
        arguments += command.flags(
            module, group="--group", interface="--interface", control="--control", rate="--rate",
            key="--key", timeout="--timeout",
        )  # fmt: skip
        answer = command.ask(llmsync, arguments)
        facts["delivery"] = answer.document()
        if answer.code != command.OK:
            command.fail(module, answer, **facts)
    after = "".join(
        f"{receiver}: {files} files, {size} bytes\n" for receiver in module.params["to"]
    )
    module.exit_json(changed=True, diff={"before": "", "after": after}, **facts)


if __name__ == "__main__":
    main()
