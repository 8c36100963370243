"""What callers may ask of networks: one object, a part for each noun."""

from __future__ import annotations

from tuinova.core.conductor import Conductor
from tuinova.core.network_api.hosts import NetworkHosts
from tuinova.core.network_api.networks import NetworkCalls
from tuinova.core.network_api.ports import PortCalls
from tuinova.core.network_api.routers import FloatingCalls, RouterCalls
from tuinova.core.network_api.security_groups import GroupCalls
from tuinova.core.network_api.subnets import SubnetCalls


class NetworkAPI:
    """Refusals in Neutron's order, then one transaction; what hosts do about it are work orders in it."""

    def __init__(self, conductor: Conductor, hosts: NetworkHosts) -> None:
        self.conductor = conductor
        self.hosts = hosts
        self.networks = NetworkCalls(conductor, hosts)
        self.subnets = SubnetCalls(conductor, hosts, self.networks)
        self.groups = GroupCalls(conductor)
        self.ports = PortCalls(conductor, self.networks, self.groups)
        self.routers = RouterCalls(conductor, self.networks, self.subnets, self.ports)
        self.floating = FloatingCalls(conductor, self.networks)
