"""One report of every receiver, for tests that compare the laboratory with verification."""

from __future__ import annotations

from toolkit.inet import udp
from toolkit.lab.fabric import Fabric, has_gateway
from toolkit.lab.hosts import Uplink
from toolkit.lab.wires import Network
from toolkit.plan.model import Plan
from toolkit.planes.derive import Network as Planes


def send_reports(network: Network, fabric: Fabric, plan: Plan, planes: Planes) -> None:
    """Send one report of each cloud that finds its gateway to the source of the only flow.

    A report has 89 octets and the cloud's name.
    """
    (flow,) = plan.flows
    for cloud in flow.clouds:
        host = plan.hosts[cloud]
        if has_gateway(plan, planes, cloud):
            report = udp.Template(
                host.address.ip, flow.control_port, flow.source_address, flow.control_port
            ).packet(bytes(89 + len(cloud)))
            uplink = Uplink(host, fabric.far[host.name, host.port])
            network.send(cloud, [(host.port, uplink.ip_header + report)])
