"""The networks that servers can join, as the hosts reported them."""

from __future__ import annotations

from typing import Any

from tuinova.api.operations import Call, Operation

_SHOWN = ("id", "name", "mode", "cidr", "gateway", "first", "last", "mtu")


def rows(call: Call) -> Any:
    """Each host's networks, its default one first; on which host a network is only for administrators."""
    return {
        "networks": [
            {
                **{name: getattr(network, name) for name in _SHOWN},
                "dns": list(network.dns),
                "host": network.host if call.ctx.is_admin else None,
            }
            for network in call.state.conductor.host_networks()
        ]
    }


OWN_OPERATIONS = (Operation("GET", "/networks", rows, rule="tuinova:networks"),)
