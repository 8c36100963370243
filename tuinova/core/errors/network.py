"""What Neutron refuses, in its words (what Nova says of servers' networks is in `server_networks`).

Sources: neutron_lib/exceptions, neutron/extensions. The name of a class is the `type` that Neutron's answers carry.
"""

from __future__ import annotations

from tuinova.core.errors.base import NovaError
from tuinova.core.errors.conflict import Conflict
from tuinova.core.errors.invalid import Invalid
from tuinova.core.errors.missing import NotFound


# what is not there ---------------------------------------------------------------------------------------------------
class NetworkNotFound(NotFound):
    """Unknown, or another project's."""

    msg_fmt = "Network {net_id} could not be found."


class SubnetNotFound(NotFound):
    """Unknown, or another project's."""

    msg_fmt = "Subnet {subnet_id} could not be found."


class PortNotFound(NotFound):
    """Unknown, or another project's."""

    msg_fmt = "Port {port_id} could not be found."


class SecurityGroupNotFound(NotFound):
    """Unknown, or another project's."""

    msg_fmt = "Security group {id} does not exist"


class SecurityGroupRuleNotFound(NotFound):
    """Unknown, or another project's."""

    msg_fmt = "Security group rule {id} does not exist"


class RouterNotFound(NotFound):
    """Unknown, or another project's."""

    msg_fmt = "Router {router_id} could not be found"


class RouterInterfaceNotFound(NotFound):
    """The router has no such port."""

    msg_fmt = "Router {router_id} does not have an interface with id {port_id}"


class RouterInterfaceNotFoundForSubnet(NotFound):
    """The router is not in that subnet."""

    msg_fmt = "Router {router_id} has no interface on subnet {subnet_id}"


class FloatingIPNotFound(NotFound):
    """Unknown, or another project's."""

    msg_fmt = "Floating IP {floatingip_id} could not be found"


class ExternalGatewayForFloatingIPNotFound(NotFound):
    """No router leads from the port's subnet to the floating address."""

    msg_fmt = (
        "External network {external_network_id} is not reachable from subnet {subnet_id}. Therefore, cannot associate "
        "Port {port_id} with a Floating IP."
    )


class ExtensionNotFound(NotFound):
    """An alias that is none."""

    msg_fmt = "Extension with alias {alias} does not exist"


class TagNotFound(NotFound):
    """The resource does not have it."""

    msg_fmt = "Tag {tag} could not be found."


# what is no good -----------------------------------------------------------------------------------------------------
class InvalidInput(Invalid):
    """A value that can't be."""

    msg_fmt = "Invalid input for operation: {error_message}."


class HTTPBadRequest(Invalid):
    """A body or query that can't be read."""

    msg_fmt = "{reason}"


class BadRequest(Invalid):
    """A request that makes no sense."""

    msg_fmt = "Bad {resource} request: {msg}."


class InvalidIpForNetwork(Invalid):
    """Outside of all subnets."""

    msg_fmt = "IP address {ip_address} is not a valid IP for any of the subnets on the specified network."


class InvalidIpForSubnet(Invalid):
    """Outside of the subnet."""

    msg_fmt = "IP address {ip_address} is not a valid IP for the specified subnet."


class InvalidAllocationPool(Invalid):
    """Its end is before its start."""

    msg_fmt = "The allocation pool {pool} is not valid."


class OutOfBoundsAllocationPool(Invalid):
    """Not inside of the subnet."""

    msg_fmt = "The allocation pool {pool} spans beyond the subnet cidr {subnet_cidr}."


class SecurityGroupInvalidPortRange(Invalid):
    """Reversed, or half given."""

    msg_fmt = "For TCP/UDP protocols, port_range_min must be <= port_range_max"


class SecurityGroupInvalidPortValue(Invalid):
    """No port."""

    msg_fmt = "Invalid value for port {port}"


class SecurityGroupInvalidIcmpValue(Invalid):
    """No ICMP type or code."""

    msg_fmt = "Invalid value for ICMP {field} ({attr}) {value}. It must be 0 to 255."


class SecurityGroupMissingIcmpType(Invalid):
    """A code without a type."""

    msg_fmt = "ICMP code (port-range-max) {value} is provided but ICMP type (port-range-min) is missing."


class SecurityGroupEthertypeConflictWithProtocol(Invalid):
    """ICMPv6 over IPv4."""

    msg_fmt = "Invalid ethertype {ethertype} for protocol {protocol}."


class SecurityGroupRuleInvalidProtocol(Invalid):
    """No protocol that we know."""

    msg_fmt = (
        "Security group rule protocol {protocol} not supported. Only protocol values {values} and integer "
        "representations [0 to 255] are supported."
    )


class SecurityGroupRuleInvalidEtherType(Invalid):
    """Neither IPv4 nor IPv6."""

    msg_fmt = "Security group rule for ethertype '{ethertype}' not supported. Allowed values are ['IPv4', 'IPv6']."


class SecurityGroupProtocolRequiredWithPorts(Invalid):
    """Ports of no protocol."""

    msg_fmt = "Must also specify protocol if port range is given."


class SecurityGroupRemoteGroupAndRemoteIpPrefix(Invalid):
    """Both."""

    msg_fmt = "Only remote_ip_prefix or remote_group_id may be provided."


class SecurityGroupRuleParameterConflict(Invalid):
    """An IPv6 prefix in an IPv4 rule."""

    msg_fmt = "Conflicting value ethertype {ethertype} for CIDR {cidr}"


class PortSecurityAndIPRequiredForSecurityGroups(Invalid):
    """Groups on a port that has no firewall."""

    msg_fmt = "Port security must be enabled and port must have an IP address in order to use security groups."


# what is not possible now --------------------------------------------------------------------------------------------
class NetworkInUse(Conflict):
    """Ports are on it."""

    msg_fmt = (
        "Unable to complete operation on network {net_id}. There are one or more ports still in use on the network: "
        "{users}."
    )


class NetworkOfHost(Conflict):
    """A network that a host has without us."""

    msg_fmt = "Network {net_id} belongs to the host: tuinova joins it and does not change it. Use the host's own tools."


class SubnetInUse(Conflict):
    """Ports have addresses in it."""

    msg_fmt = "Unable to complete operation on subnet {subnet_id}: {reason}."


class PortInUse(Conflict):
    """Somebody has it."""

    msg_fmt = (
        "Unable to complete operation on port {port_id} for network {net_id}. Port already has an attached device "
        "{device_id}."
    )


class L3PortInUse(Conflict):
    """A router's or a floating address's."""

    msg_fmt = "Port {port_id} cannot be deleted directly via the port API: has device owner {device_owner}."


class MacAddressInUse(Conflict):
    """Another port has it."""

    msg_fmt = "Unable to complete operation for network {net_id}. The mac address {mac} is in use."


class PortForwardInUse(Conflict):
    """A port of the host that leads to another guest."""

    msg_fmt = "Port {host_port}/{protocol} of the host leads to port {port_id} already."


class IpAddressInUse(Conflict):
    """Another port has it."""

    msg_fmt = "Unable to complete operation for network {net_id}. The IP address {ip_address} is in use."


class IpAddressGenerationFailure(Conflict):
    """Used up."""

    msg_fmt = "No more IP addresses available on network {net_id}."


class GatewayConflictWithAllocationPools(Conflict):
    """The gateway would be given to a port."""

    msg_fmt = "Gateway ip {ip_address} conflicts with allocation pool {pool}."


class OverlappingAllocationPools(Conflict):
    """Two pools share addresses."""

    msg_fmt = "Found overlapping allocation pools: {pool_1} {pool_2} for subnet {subnet_cidr}."


class GatewayIpInUse(Conflict):
    """A port has it."""

    msg_fmt = "Current gateway ip {ip_address} already in use by port {port_id}. Unable to update."


class SecurityGroupInUse(Conflict):
    """Ports are in it."""

    msg_fmt = "Security Group {id} in use: {reason}."


class SecurityGroupCannotRemoveDefault(Conflict):
    """Every project has one."""

    msg_fmt = "Insufficient rights for removing default security group."


class SecurityGroupCannotUpdateDefault(Conflict):
    """Its name is its meaning."""

    msg_fmt = "Updating default security group not allowed."


class SecurityGroupDefaultAlreadyExists(Conflict):
    """There is one."""

    msg_fmt = "Default security group already exists."


class SecurityGroupRuleExists(Conflict):
    """The same rule."""

    msg_fmt = "Security group rule already exists. Rule id is {rule_id}."


class PortSecurityPortHasSecurityGroup(Conflict):
    """The firewall can't go while there are groups."""

    msg_fmt = (
        "Port has security group associated. Cannot disable port security or IP address until security group is "
        "removed."
    )


class AddressPairAndPortSecurityRequired(Conflict):
    """Without a firewall every address may be used."""

    msg_fmt = "Port Security must be enabled in order to have allowed address pairs on a port."


class RouterInUse(Conflict):
    """It has interfaces."""

    msg_fmt = "Router {router_id} still has ports: {users}"


class RouterInterfaceInUseByFloatingIP(Conflict):
    """A floating address needs it."""

    msg_fmt = (
        "Router interface for subnet {subnet_id} on router {router_id} cannot be deleted, as it is required by one or "
        "more floating IPs."
    )


class RouterExternalGatewayInUseByFloatingIp(Conflict):
    """A floating address needs it."""

    msg_fmt = (
        "Gateway cannot be updated for router {router_id}, since a gateway to external network {net_id} is required "
        "by one or more floating IPs."
    )


class FloatingIPPortAlreadyAssociated(Conflict):
    """The fixed address has one."""

    msg_fmt = (
        "Cannot associate floating IP {floating_ip_address} ({fip_id}) with port {port_id} using fixed IP {fixed_ip}, "
        "as that fixed IP already has a floating IP on external network {net_id}."
    )


class PolicyNotAuthorized(NovaError):
    """Neutron's words for what a caller may not."""

    code = 403
    msg_fmt = "rule:{action} is disallowed by policy"


class DuplicateTag(Invalid):
    """Two devices of one tag."""

    msg_fmt = "Duplicate tag '{tag}' was requested."
