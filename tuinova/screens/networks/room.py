"""The room and its lists."""

from __future__ import annotations

from typing import ClassVar

from tuinova.i18n import N_
from tuinova.screens.group_room import GroupRoom, Part

_HERE = "tuinova.screens.networks."


class NetworkRooms(GroupRoom):
    """Everything of Neutron's."""

    PARTS: ClassVar[tuple[Part, ...]] = (
        Part("networks", N_("Networks"), _HERE + "networks:NetworksList"),
        Part("topology", N_("Topology"), _HERE + "topology:TopologyView"),
        Part("ports", N_("Network Ports"), _HERE + "ports:PortsList", N_("Ports")),
        Part("security-groups", N_("Security Groups"), _HERE + "security_groups:SecurityGroupsList", N_("Groups")),
        Part("routers", N_("Routers"), _HERE + "routers:RoutersList"),
        Part("floating-ips", N_("Floating IPs"), _HERE + "floating_ips:FloatingIpsList", N_("Floating")),
    )
