"""llmsync: deliver large language models to many GPU clouds at once over multicast networks.

Layers, top to bottom (ARCHITECTURE.md): cli, report, lab, render | verify, plan, inventory,
transport, planes, netconf | bier | delivery | igp, state | yang | inet, errors.
"""

__version__ = "0.1.0"
