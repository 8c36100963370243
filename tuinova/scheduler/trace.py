"""Why this host, why none: what a decision saw, kept as references and rendered when somebody asks."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.base import HostFilter
from tuinova.scheduler.ranking import best
from tuinova.scheduler.request import RequestSpec
from tuinova.scheduler.view import HostView
from tuinova.scheduler.weights import Weighed

SELECTED = "selected"
NO_VALID_HOST = "no_valid_host"
UNDONE = "undone"
"""The host was chosen and claimed, and given back because another server of the request found none."""

_BEST = 20
_COMPACT_REJECTED = 5


@dataclass(frozen=True, slots=True)
class Stage:
    """One step that hosts passed or not; `kept` is None when all passed."""

    kind: str
    judge: HostFilter
    spec: RequestSpec
    view: HostView
    kept: Array | None
    hosts_out: int

    @property
    def name(self) -> str:
        """The filter's name, or what the placement stage decides on."""
        return self.judge.name

    @property
    def hosts_in(self) -> int:
        """How many hosts came to it."""
        return len(self.view)

    def rejected(self, limit: int) -> list[dict[str, str]]:
        """The first hosts that it refused, each with the reason."""
        if self.kept is None:
            return []
        found = []
        for i in np.flatnonzero(~self.kept)[:limit].tolist():
            host, node = self.view.name(i)
            found.append({"host": host, "node": node, "reason": self.judge.reason(self.view, self.spec, i)})
        return found


@dataclass(slots=True)
class Trace:
    """One decision for one server; `considered` counts the hosts at its start, times are in milliseconds.

    `claims` are the hosts whose claim was tried, in order, with its result. Of a forced host no filter was asked.
    """

    instance_uuid: str
    spec: RequestSpec
    decided_at: datetime
    considered: int = 0
    stages: list[Stage] = field(default_factory=list)
    filters_skipped: bool = False
    view: HostView | None = None
    weights: Array | None = None
    weighed: list[Weighed] = field(default_factory=list)
    claims: list[tuple[str, str, bool]] = field(default_factory=list)
    choice: tuple[str, str] | None = None
    alternates: tuple[tuple[str, str], ...] = ()
    outcome: str = NO_VALID_HOST
    message: str = ""
    duration_ms: float = 0.0
    claim_ms: float = 0.0

    @property
    def candidates(self) -> int:
        """How many hosts were left to weigh."""
        return 0 if self.view is None else len(self.view)

    def path(self) -> list[str]:
        """The way of the hosts in Nova's words: one "Name: (start: N, end: M)" a stage."""
        return [f"{stage.name}: (start: {stage.hosts_in}, end: {stage.hosts_out})" for stage in self.stages]

    def to_dict(self, limit: int = _BEST) -> dict[str, Any]:
        """All of it for people and programs: the best hosts and, of each stage, the first refused, up to `limit`."""
        return self._render(limit, limit, every_weigher=True)

    def compact(self) -> str:
        """The JSON to store: counts, the best 20 with the weighers that counted, and a few reasons of each stage."""
        rendered = self._render(_BEST, _COMPACT_REJECTED, every_weigher=False)
        return json.dumps(rendered, separators=(",", ":"), ensure_ascii=False)

    def forget_arrays(self) -> None:
        """Drop what can be gathered again from the snapshot."""
        for view in (*(stage.view for stage in self.stages), self.view):
            if view is not None:
                view.forget_arrays()

    def _render(self, limit: int, rejected: int, *, every_weigher: bool) -> dict[str, Any]:
        return {
            "instance_uuid": self.instance_uuid,
            "decided_at": self.decided_at.isoformat(),
            "outcome": self.outcome,
            "message": self.message,
            "request": _request(self.spec),
            "hosts": self.considered,
            "candidates": self.candidates,
            "stages": [
                {
                    "name": stage.name,
                    "kind": stage.kind,
                    "hosts_in": stage.hosts_in,
                    "hosts_out": stage.hosts_out,
                    "rejected": stage.rejected(rejected),
                }
                for stage in self.stages
            ],
            "filters_skipped": self.filters_skipped,
            "weighers": [_weigher(part) for part in self.weighed],
            "ranking": self._ranking(limit, every_weigher=every_weigher),
            "claims": [{"host": host, "node": node, "claimed": claimed} for host, node, claimed in self.claims],
            "choice": _place(self.choice) if self.choice else None,
            "alternates": [_place(place) for place in self.alternates],
            "duration_ms": round(self.duration_ms, 3),
            "claim_ms": round(self.claim_ms, 3),
        }

    def _ranking(self, limit: int, *, every_weigher: bool) -> list[dict[str, Any]]:
        if self.view is None or self.weights is None:
            return []
        parts = [part for part in self.weighed if every_weigher or part.counts]
        return [
            {
                **_place(self.view.name(i)),
                "weight": float(self.weights[i]),
                "weighers": {part.name: part.at(i) for part in parts},
            }
            for i in best(self.weights, limit).tolist()
        ]


def _place(place: tuple[str, str]) -> dict[str, str]:
    return {"host": place[0], "node": place[1]}


def _weigher(part: Weighed) -> dict[str, Any]:
    """A weigher's scale; the multiplier is None when aggregates give hosts different ones."""
    one = None if isinstance(part.multiplier, np.ndarray) else float(part.multiplier)
    return {"name": part.name, "multiplier": one, "low": part.low, "high": part.high, "counts": part.counts}


def _request(spec: RequestSpec) -> dict[str, Any]:
    """What was asked, without what was not."""
    asked: dict[str, Any] = {
        "project_id": spec.project_id,
        "flavor": spec.flavor.name,
        "resources": spec.amounts.as_dict(),
        "image_id": spec.image_id,
        "availability_zone": spec.availability_zone,
        "force_hosts": list(spec.force_hosts),
        "force_nodes": list(spec.force_nodes),
        "ignore_hosts": list(spec.ignore_hosts),
        "requested_destination": list(spec.requested_destination or ()),
        "scheduler_hints": dict(spec.scheduler_hints),
        "tried": [_place(place) for place in spec.tried],
        "rebuild_check": spec.rebuild_check,
    }
    if spec.group is not None:
        asked["group"] = {"uuid": spec.group.uuid, "policy": spec.group.policy, "hosts": list(spec.group.hosts)}
    return {key: value for key, value in asked.items() if value}


class TraceLog:
    """The last decisions, one a server, bounded by their number and by the hosts that they looked at."""

    def __init__(self, limit: int = 64, max_hosts: int = 500_000) -> None:
        self._limit = limit
        self._max_hosts = max_hosts
        self._kept: OrderedDict[str, Trace] = OrderedDict()
        self._hosts = 0
        self._lock = threading.Lock()

    def add(self, trace: Trace) -> None:
        """Keep a trace; the oldest go when there are too many (the newest always stays)."""
        trace.forget_arrays()
        with self._lock:
            self._forget(trace.instance_uuid)
            self._kept[trace.instance_uuid] = trace
            self._hosts += trace.considered
            while len(self._kept) > 1 and (len(self._kept) > self._limit or self._hosts > self._max_hosts):
                self._forget(next(iter(self._kept)))

    def get(self, instance_uuid: str) -> Trace | None:
        """The last decision for a server, None when it is no longer kept."""
        with self._lock:
            return self._kept.get(instance_uuid)

    def _forget(self, instance_uuid: str) -> None:
        old = self._kept.pop(instance_uuid, None)
        if old is not None:
            self._hosts -= old.considered
