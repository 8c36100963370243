"""What Nova says of the networks of servers (nova/exception.py); Neutron's own words are in `network`."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError
from tuinova.core.errors.conflict import Conflict
from tuinova.core.errors.invalid import Invalid
from tuinova.core.errors.missing import NotFound


class NetworkNotFoundAsked(Invalid):
    """Named in a request for a server."""

    msg_fmt = "Network {network_id} could not be found."


class PortNotFoundAsked(Invalid):
    """Named in a request for a server."""

    msg_fmt = "Port id {port_id} could not be found."


class NovaPortInUse(Conflict):
    """A server has it."""

    msg_fmt = "Port {port_id} is still in use."


class NovaPortNotFound(NotFound):
    """The server has no such port."""

    msg_fmt = "Port id {port_id} could not be found."


class NetworkNotFoundForInstance(NotFound):
    """The server is not on it."""

    msg_fmt = "Network could not be found for instance {instance_id}."


class SecurityGroupNotFoundForProject(NotFound):
    """Unknown."""

    msg_fmt = "Security group {name} not found for project {project_id}."


class SecurityGroupNotOfInstance(NotFound):
    """The server is not in it."""

    msg_fmt = "Security group {name} not associated with the instance {instance_uuid}"


class PortRequiresFixedIP(Invalid):
    """A server needs an address."""

    msg_fmt = "Port {port_id} requires a FixedIP in order to be used."


class NetworkRequiresSubnet(Invalid):
    """A server needs an address."""

    msg_fmt = "Network {network_uuid} requires a subnet in order to boot instances on."


class NetworkAmbiguous(Conflict):
    """None was named and several may be meant."""

    msg_fmt = "More than one possible network found. Specify network ID(s) to select which one(s) to connect to."


class FixedIpAlreadyInUse(Invalid):
    """Another port has it."""

    msg_fmt = "Fixed IP address {address} is already in use."


class FixedIpNotInSubnet(Invalid):
    """Outside of the network."""

    msg_fmt = "Fixed IP address {address} is not a valid ip address for network {network_id}."


class FixedIpNotFoundForInstance(Invalid):
    """The server has no such address."""

    msg_fmt = "Instance {instance_uuid} does not have fixed IP '{ip}'."


class ExternalNetworkAttachForbidden(NovaError):
    """Only administrators join an external network."""

    code = 403
    msg_fmt = "It is not allowed to create an interface on external network {network_uuid}"


class PortLimitExceeded(NovaError):
    """The quota of ports."""

    code = 403
    msg_fmt = "Maximum number of ports exceeded"


class SecurityGroupNotFoundAsked(Invalid):
    """Named in a request for a server."""

    msg_fmt = "Security group {name} not found for project {project_id}."


class SecurityGroupCannotBeApplied(Invalid):
    """The network has no firewall."""

    msg_fmt = "Network requires port_security_enabled and subnet associated in order to apply security groups."


class NoUniqueMatch(Conflict):
    """A name that several have."""

    msg_fmt = "Multiple security_group matches found for name '{name}', use an ID to be more specific."


class InterfaceAttachFailed(NovaError):
    """The hypervisor could not."""

    code = 500
    msg_fmt = "Failed to attach network adapter device to {instance_uuid}"


class InterfaceAttachFailedNoNetwork(Invalid):
    """No network to choose."""

    msg_fmt = "No specific network was requested and none are available for project '{project_id}'."
