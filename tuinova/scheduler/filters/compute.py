"""Is the host alive, and can it do what the flavor's extra specs ask?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tuinova.scheduler import attributes
from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.base import HostFilter, number
from tuinova.scheduler.matching import match
from tuinova.scheduler.request import RequestSpec
from tuinova.scheduler.view import HostView

_CAPABILITIES = "capabilities"
_ADDRESS_BITS = "hw:maxphysaddr_bits"


class AllHostsFilter(HostFilter):
    """Every host passes."""

    once = True

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        return view.everyone()

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return ""


class ComputeFilter(HostFilter):
    """The compute service is enabled and was heard of within `service_down_time`."""

    once = True

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        seen, limit = view.col("last_seen"), self.options.service_down_time
        up: Array = (seen >= view.now - limit) & (seen <= view.now + limit)
        return up & ~view.col("disabled") & ~view.col("forced_down")

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        if view.col("disabled")[i]:
            return disabled_text(view, i)
        if view.col("forced_down")[i]:
            return "compute service forced down"
        last_seen = float(view.col("last_seen")[i])
        if last_seen == -np.inf:
            return "compute service was never heard of"
        return f"compute service down: last heard of {view.now - last_seen:.0f} s ago, limit {self._limit} s"

    @property
    def _limit(self) -> int:
        return self.options.service_down_time


def disabled_text(view: HostView, i: int) -> str:
    """That the service of the i-th host is disabled, with the operator's reason if there is one."""
    why = view.pooled("disabled_reason", i)
    return f"compute service disabled: {why}" if why else "compute service disabled"


class ComputeCapabilitiesFilter(HostFilter):
    """Each extra spec that names a property of the host (unscoped, or scoped `capabilities:`) must match it."""

    once = True

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        passed = view.everyone()
        for key, path, requirement in self._asked(spec):
            codes, found = _resolve(view, path)
            meets = np.array([value is not None and match(str(value), requirement) for value in found], dtype=bool)
            ok = meets[codes] if len(found) else view.nobody()
            if ":" not in key and path[0] not in attributes.NAMES:
                ok = ok | ~_has_stat(view, path[0])
            passed = passed & ok
        return passed

    def _asked(self, spec: RequestSpec) -> Iterator[tuple[str, list[str], str]]:
        for key, requirement in spec.flavor.extra_specs.items():
            path = key.split(":")
            if key == _ADDRESS_BITS:
                yield key, ["cpu_info", "maxphysaddr", "bits"], f">= {requirement}"
            elif len(path) == 1:
                yield key, path, str(requirement)
            elif path[0] == _CAPABILITIES:
                yield key, path[1:], str(requirement)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        for key, path, requirement in self._asked(spec):
            if ":" not in key and path[0] not in attributes.NAMES and not _has_stat(view, path[0])[i]:
                continue
            codes, found = _resolve(view, path)
            value = found[int(codes[i])]
            if value is None:
                return f"extra spec {key} = '{requirement}': the host has no such capability"
            if not match(str(value), requirement):
                return f"extra spec {key} = '{requirement}': the host has '{value}'"
        return "extra specs do not match"


def _has_stat(view: HostView, key: str) -> Array:
    return view.map_pool("stat_keys", lambda keys: key in keys)


def _resolve(view: HostView, path: list[str]) -> tuple[Array, list[Any]]:
    """The value under a path on each host: of an attribute, or of an entry of its stats when it has none."""
    name, rest = path[0], path[1:]
    if name in attributes.NAMES:
        codes, found = attributes.values(view, name)
    elif bool(_has_stat(view, name).any()):
        codes, found = attributes.stat(view, name)
    else:
        return np.zeros(len(view), dtype=np.intp), [None]
    return codes, [attributes.descend(value, rest) if rest else value for value in found]


class RetryFilter(HostFilter):
    """The host was not tried before for this server (Ocata; alternates replaced it)."""

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        if not spec.tried:
            return view.everyone()
        tried = frozenset(spec.tried)
        hosts = frozenset(host for host, _node in tried)
        passed = ~view.on_hosts(hosts)
        for i in np.flatnonzero(~passed):
            passed[i] = view.name(int(i)) not in tried
        return passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return "already tried for this server"


class IoOpsFilter(HostFilter):
    """Fewer than `max_io_ops_per_host` builds, resizes, snapshots and rescues run on the host."""

    def limit(self, view: HostView) -> Array:
        """The limit of each host."""
        return np.broadcast_to(np.float64(self.options.max_io_ops_per_host), (len(view),))

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        passed: Array = view.col("num_io_ops") < self.limit(view)
        return passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return f"{view.col('num_io_ops')[i]} I/O operations in progress, limit {number(self.limit(view)[i])}"


class NumInstancesFilter(HostFilter):
    """The host has fewer than `max_instances_per_host` servers."""

    def limit(self, view: HostView) -> Array:
        """The limit of each host."""
        return np.broadcast_to(np.float64(self.options.max_instances_per_host), (len(view),))

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        passed: Array = view.col("num_instances") < self.limit(view)
        return passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return f"{view.col('num_instances')[i]} servers, limit {number(self.limit(view)[i])}"


class MetricsFilter(HostFilter):
    """The host reports every metric that `[metrics] weight_setting` weighs."""

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        passed = view.everyone()
        for metric in self.options.metrics.ratios:
            passed = passed & reported(view, metric)
        return passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        missing = [metric for metric in self.options.metrics.ratios if not reported(view, metric)[i]]
        return f"does not report {', '.join(missing)}"


def reported(view: HostView, metric: str) -> Array:
    """Which hosts report a metric."""
    if not view.has("metric:" + metric):
        return view.nobody()
    return ~np.isnan(view.col("metric:" + metric))
