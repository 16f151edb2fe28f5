"""Hosts and groups of an llmsync inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory
short_description: Routers and hosts of an llmsync inventory
description:
  - Every router, repository and GPU cloud of an llmsync inventory becomes a host.
  - Groups are C(routers), C(edge_routers), C(repositories), C(clouds), C(platform_PLATFORM),
    C(domain_DOMAIN) and C(region_REGION).
  - Routers get the variables that network modules want (C(ansible_host), C(ansible_port),
    C(ansible_user), C(ansible_network_os)) and C(llmsync_router), C(llmsync_platform),
    C(llmsync_region).  Secrets are never copied.
author:
  - the llmsync developers
options:
  plugin:
    description: Token that says that this file is for this plugin.
    required: true
    choices: [llmsync.multicast.inventory]
  inventory:
    description: The llmsync inventory, a YAML file or a folder; relative to this file.
    type: path
    required: true
  management:
    description: A file that says how routers are reached, over what the inventory says.
    type: path
  connection:
    description:
      - C(ansible_connection) of routers, such as C(ansible.netcommon.netconf), for plays that talk
        to routers by other modules.  Ours need none.
    type: str
  executable:
    description: The command C(llmsync); see the modules.
    type: path
requirements:
  - llmsync
"""

EXAMPLES = r"""
# network.llmsync.yml
plugin: llmsync.multicast.inventory
inventory: inventories/demo
management: routers.yaml
"""

import os
import re
from typing import Any

from ansible.errors import AnsibleParserError
from ansible_collections.llmsync.multicast.plugins.module_utils.command import ask, find

from ansible.plugins.inventory import BaseInventoryPlugin

NETWORK_OS = {
    "sros": "nokia.sros.md",
    "junos": "junipernetworks.junos.junos",
    "vrp": "community.network.ce",
    "iosxr": "cisco.iosxr.iosxr",
    "frr": "default",
    "ietf": "default",
    "reference": "default",
}


class InventoryModule(BaseInventoryPlugin):
    """The plugin."""

    NAME = "llmsync.multicast.inventory"

    def verify_file(self, path: str) -> bool:
        """Say whether the file could be ours: NAME.llmsync.yml."""
        return bool(super().verify_file(path)) and path.endswith((".llmsync.yml", ".llmsync.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:  # noqa: FBT001, FBT002
        """Fill Ansible's inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        folder = os.path.dirname(os.path.abspath(path))
        source = os.path.join(folder, self.get_option("inventory"))
        arguments = ["inventory", "list", source, "-o", "json"]
        if self.get_option("management"):
            arguments += ["--management", os.path.join(folder, self.get_option("management"))]
        try:
            answer = ask(find(self.get_option("executable")), arguments)
        except OSError as error:
            raise AnsibleParserError(str(error)) from error
        if answer.code:
            raise AnsibleParserError("; ".join(answer.words) or f"llmsync: exit {answer.code}")
        document = answer.document()
        for router in document["routers"]:
            self._router(router)
        for kind in ("repositories", "clouds"):
            for host in document[kind]:
                self._host(kind, host)

    def _router(self, router: dict[str, Any]) -> None:
        name = router["name"]
        groups = ["routers", f"platform_{router['platform']}", f"domain_{router['domain']}"]
        groups += ["edge_routers"] if router["edge"] else []
        groups += [f"region_{router['region']}"] if router["region"] else []
        self._add(name, groups)
        values = {
            "llmsync_router": name,
            "llmsync_platform": router["platform"],
            "llmsync_region": router["region"],
            "ansible_network_os": NETWORK_OS[router["platform"]],
        }
        if self.get_option("connection"):
            values["ansible_connection"] = self.get_option("connection")
        management = router["management"]
        if management is not None:
            values |= {"ansible_host": management["host"], "ansible_port": management["port"]}
            if management["username"]:
                values["ansible_user"] = management["username"]
        self._set(name, values)

    def _host(self, kind: str, host: dict[str, Any]) -> None:
        groups = [kind]
        groups += [f"region_{host['region']}"] if host.get("region") else []
        self._add(host["name"], groups)
        values = {"llmsync_attached_to": host["router"]}
        if "gpus" in host:
            values["llmsync_gpus"] = host["gpus"]
        self._set(host["name"], values)

    def _add(self, name: str, groups: list[str]) -> None:
        self.inventory.add_host(name)
        for group in groups:
            safe = re.sub(r"\W", "_", group)
            self.inventory.add_group(safe)
            self.inventory.add_host(name, group=safe)

    def _set(self, name: str, values: dict[str, Any]) -> None:
        for key, value in values.items():
            self.inventory.set_variable(name, key, value)
