"""The contract's network records as plain JSON and back: what is kept beside libvirt's own definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tuinova.virt.driver import Nic
from tuinova.virt.networks import (
    FirewallRule,
    FixedIp,
    FloatingAddress,
    NetworkMode,
    NetworkSpec,
    PortForward,
    PortSecurity,
    RouterSpec,
    Routing,
    SubnetSpec,
)


def plain(value: Any) -> dict[str, Any]:
    """Any of them as JSON takes it (its tuples become lists when written)."""
    found: dict[str, Any] = asdict(value)
    return found


def _pairs(items: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(first), str(second)) for first, second in items or ())


def subnet(value: Mapping[str, Any]) -> SubnetSpec:
    """A subnet."""
    fields = dict(value)
    for name in ("pools", "routes"):
        fields[name] = _pairs(fields.get(name))
    fields["dns"] = tuple(fields.get("dns") or ())
    return SubnetSpec(**fields)


def network(value: Mapping[str, Any]) -> NetworkSpec:
    """A network."""
    fields = dict(value)
    fields["mode"] = NetworkMode(fields["mode"])
    fields["subnets"] = tuple(subnet(item) for item in fields.get("subnets") or ())
    return NetworkSpec(**fields)


def security(value: Mapping[str, Any] | None) -> PortSecurity | None:
    """A port's firewall."""
    if value is None:
        return None
    rules = []
    for item in value.get("rules") or ():
        remote = item.get("remote")
        rules.append(FirewallRule(**{**item, "remote": None if remote is None else tuple(remote)}))
    return PortSecurity(tuple(rules), _pairs(value.get("allowed_pairs")))


def nic(value: Mapping[str, Any]) -> Nic:
    """A port; its network's record too, where it has one."""
    fields = dict(value)
    fields["fixed_ips"] = tuple(FixedIp(**item) for item in fields.get("fixed_ips") or ())
    fields["security"] = security(fields.get("security"))
    fields["spec"] = None if fields.get("spec") is None else network(fields["spec"])
    fields["forwards"] = tuple(PortForward(**item) for item in fields.get("forwards") or ())
    return Nic(**fields)


def routing(value: Mapping[str, Any]) -> Routing:
    """Floating addresses and routers."""
    floating = tuple(
        FloatingAddress(**{**item, "external": network(item["external"])}) for item in value.get("floating") or ()
    )
    routers = []
    for item in value.get("routers") or ():
        outside = item.get("external")
        interfaces = tuple((str(one), str(two), int(three)) for one, two, three in item.get("interfaces") or ())
        fields = {**item, "interfaces": interfaces, "routes": _pairs(item.get("routes"))}
        routers.append(RouterSpec(**{**fields, "external": None if outside is None else network(outside)}))
    return Routing(floating, tuple(routers))
