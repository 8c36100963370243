"""Near to or far from: other servers, members of a server group, an address."""

from __future__ import annotations

import ipaddress

import numpy as np

from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.base import HostFilter
from tuinova.scheduler.request import GroupSpec, RequestSpec
from tuinova.scheduler.view import HostView


def members_on(view: HostView, spec: RequestSpec, group: GroupSpec) -> Array:
    """How many members of the group each host has; `spec` is the request for one server, as the pipeline makes it.

    The group's own list of hosts is counted too, so a member that the table has not heard of yet is not missed.
    """
    counts = view.holding(group.members | frozenset(spec.instance_uuids))
    if not group.hosts:
        return counts
    listed = np.zeros(len(view), dtype=np.int64)
    for host in group.hosts:
        listed += view.on_hosts((host,))
    found: Array = np.maximum(counts, listed)
    return found


def _group(spec: RequestSpec, policy: str) -> GroupSpec | None:
    return spec.group if spec.group is not None and spec.group.policy == policy else None


class ServerGroupAntiAffinityFilter(HostFilter):
    """Fewer than `max_server_per_host` members of an anti-affinity group are on the host, or the server itself is."""

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        group = _group(spec, "anti-affinity")
        if group is None:
            return view.everyone()
        itself = view.holding(spec.instance_uuids) > 0
        passed: Array = (members_on(view, spec, group) < max(1, group.max_server_per_host)) | itself
        return passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        group = _group(spec, "anti-affinity")
        assert group is not None
        here, limit = members_on(view, spec, group)[i], max(1, group.max_server_per_host)
        return f"has {here} of anti-affinity group {group.uuid}, limit {limit}"


class ServerGroupAffinityFilter(HostFilter):
    """The host has a member of the affinity group; while the group has no host, any host will do."""

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        group = _group(spec, "affinity")
        if group is None or not group.hosts:
            return view.everyone()
        return view.on_hosts(frozenset(group.hosts))

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        group = _group(spec, "affinity")
        assert group is not None
        return f"affinity group {group.uuid} is on {', '.join(sorted(set(group.hosts)))}"


class SameHostFilter(HostFilter):
    """Hint `same_host`: at least one of the servers named is on the host."""

    once = True

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        wanted = spec.hint_list("same_host")
        return view.holding(wanted) > 0 if wanted else view.everyone()

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return f"has none of the servers of hint same_host: {', '.join(spec.hint_list('same_host'))}"


class DifferentHostFilter(HostFilter):
    """Hint `different_host`: none of the servers named is on the host."""

    once = True

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        unwanted = spec.hint_list("different_host")
        return view.holding(unwanted) == 0 if unwanted else view.everyone()

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        here = [uuid for uuid in spec.hint_list("different_host") if view.holding([uuid])[i]]
        return f"has servers of hint different_host: {', '.join(here)}"


class SimpleCIDRAffinityFilter(HostFilter):
    """Hints `build_near_host_ip` and `cidr` ("/24"): the host's address is in that network."""

    once = True

    def _network(self, spec: RequestSpec) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        near, cidr = spec.hint("build_near_host_ip"), spec.hint("cidr") or "/24"
        return ipaddress.ip_network(f"{near}{cidr}", strict=False)

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        if not spec.hint("build_near_host_ip"):
            return view.everyone()
        try:
            network = self._network(spec)
        except ValueError:
            return view.nobody()
        base, bits = int(network.network_address), int(network.netmask)
        same = view.col("ip_version") == network.version
        for column, shift in (("ip_high", 64), ("ip_low", 0)):
            part = np.uint64(bits >> shift & (2**64 - 1))
            same &= (view.col(column) & part) == np.uint64(base >> shift & (2**64 - 1))
        return same

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        try:
            network = self._network(spec)
        except ValueError as error:
            return f"hints build_near_host_ip and cidr are no network: {error}"
        address = view.record(i).host_ip
        return f"address {address} is not in {network}" if address else f"has no address; {network} is asked for"
