"""Options that all modules share."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options of `llmsync.multicast.llmsync`."""

    DOCUMENTATION = r"""
options:
  executable:
    description:
      - The command C(llmsync).
      - Without it, the one beside the Python that runs Ansible, else the one in E(PATH).
    type: path
attributes:
  check_mode:
    description: Can run in check mode and say what would change without changing it.
    support: full
  diff_mode:
    description: Says in diff mode what changed or would change.
    support: full
notes:
  - Runs on the controller, once for all hosts of the play.
requirements:
  - llmsync
author:
  - the llmsync developers
"""

    INVENTORY = r"""
options:
  inventory:
    description: The llmsync inventory, a YAML file or a folder.
    type: path
    required: true
  transport:
    description: Carry every delivery over this instead of what the inventory says.
    type: str
    choices: [bier, sr-p2mp, pim-ssm, pim-sm]
"""
