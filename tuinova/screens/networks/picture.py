"""The topology as lines of text: networks stand upright, routers and servers reach out to those that they are on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import set_cell_size

from tuinova.i18n import _
from tuinova.screens.widgets.text_panel import Line, padded, width_of
from tuinova.text import clean

COLUMN = 18  # cells of a network
LABEL = 22  # cells for the names at the left
_TONES = ("ok", "busy", "warn", "heading", "error", "label")  # networks are told apart by colour too


@dataclass(frozen=True, slots=True)
class Node:
    """A router or a server: `on` are its networks, with the addresses it has there."""

    mark: str
    tone: str
    name: str
    on: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Column:
    """A network."""

    id: str
    name: str
    note: str
    ranges: str


def columns_of(networks: Sequence[Mapping[str, Any]], subnets: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The networks as columns, the outside first."""
    found = []
    for one in sorted(networks, key=lambda row: (not row.get("router:external"), row.get("name") or "", row["id"])):
        ranges = [str(subnet["cidr"]) for subnet in subnets if subnet["network_id"] == one["id"]]
        note = _("external") if one.get("router:external") else str(one.get("tuinova:mode") or "")
        found.append(Column(str(one["id"]), str(one.get("name") or one["id"]), note, " ".join(ranges)))
    return found


def nodes_of(
    routers: Sequence[Mapping[str, Any]],
    servers: Sequence[Mapping[str, Any]],
    ports: Sequence[Mapping[str, Any]],
) -> list[Node]:
    """Routers, then servers by name; what is on no network comes too."""
    on: dict[str, dict[str, str]] = {}
    for port in ports:
        words = ", ".join(str(one["ip_address"]) for one in port.get("fixed_ips") or ())
        here = on.setdefault(str(port.get("device_id") or ""), {})
        here[port["network_id"]] = ", ".join(filter(None, (here.get(port["network_id"]), words)))
    nodes = []
    for router in routers:
        joined = dict(on.get(router["id"], {}))
        gateway = router.get("external_gateway_info") or {}
        if gateway.get("network_id"):
            outside = ", ".join(str(one["ip_address"]) for one in gateway.get("external_fixed_ips") or ())
            joined[gateway["network_id"]] = outside
        nodes.append(Node("◎", "key", str(router.get("name") or router["id"]), joined))
    for server in sorted(servers, key=lambda row: (row["name"], row["id"])):
        runs = server.get("power_state") == 1
        nodes.append(Node("●" if runs else "○", "ok" if runs else "off", server["name"], on.get(server["id"], {})))
    return nodes


def draw(columns: Sequence[Column], nodes: Sequence[Node]) -> list[Line]:
    """The picture; every column has COLUMN cells, so that whoever shows it may leave some out."""
    tones = {column.id: _TONES[place % len(_TONES)] for place, column in enumerate(columns)}
    lines = [_heads([column.name for column in columns], [tones[column.id] for column in columns])]
    lines.append(_heads([column.note for column in columns], ["dim"] * len(columns)))
    lines.append(_heads([column.ranges for column in columns], ["dim"] * len(columns)))
    lines.append(_gap(columns, tones))
    for node in nodes:
        lines += [_reach(node, columns, tones), _addresses(node, columns, tones)]
    return lines


def _heads(words: Sequence[str], tones: Sequence[str]) -> Line:
    line: list[tuple[str, str]] = [(" " * LABEL, "")]
    for word, tone in zip(words, tones, strict=True):
        line.append((set_cell_size(clean(word), COLUMN - 1) + " ", tone))
    return line


def _gap(columns: Sequence[Column], tones: Mapping[str, str]) -> Line:
    return [(" " * LABEL, ""), *((padded("┃", COLUMN), tones[column.id]) for column in columns)]


def _reach(node: Node, columns: Sequence[Column], tones: Mapping[str, str]) -> Line:
    """The node's name, and a line to the last network that it is on."""
    places = [place for place, column in enumerate(columns) if column.id in node.on]
    last = places[-1] if places else -1
    name = clean(node.name)
    room = LABEL - 4
    shown = name if width_of(name) <= room else set_cell_size(name, room - 1) + "…"
    line: list[tuple[str, str]] = [(f" {node.mark} ", node.tone), (shown, "name")]
    fill = "─" if places else " "
    line.append((" " + fill * (LABEL - 4 - width_of(shown)), "dim"))
    for place, column in enumerate(columns):
        mark = "●" if column.id in node.on else "╂" if place < last else "┃"
        line.append((mark, tones[column.id]))
        line.append((("─" if place < last else " ") * (COLUMN - 1), "dim"))
    return line


def _addresses(node: Node, columns: Sequence[Column], tones: Mapping[str, str]) -> Line:
    line: list[tuple[str, str]] = [(" " * LABEL, "")]
    for column in columns:
        line.append(("┃", tones[column.id]))
        line.append((set_cell_size(f" {clean(node.on.get(column.id, ''))}", COLUMN - 2) + " ", "dim"))
    return line
