"""What placement decides before any filter runs: capacity, zone, disabled services, traits, reserved aggregates.

Sources: nova/scheduler/request_filter.py, nova/scheduler/utils.py ResourceRequest, placement's inventory rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.aggregates import tenants_of
from tuinova.scheduler.filters.base import HostFilter, aggregates_at, number, words
from tuinova.scheduler.filters.compute import disabled_text
from tuinova.scheduler.records import AggregateInfo, AggregateSet
from tuinova.scheduler.request import Amounts, RequestSpec
from tuinova.scheduler.view import HostView

_TRAIT = "trait:"

_IMAGE_TRAITS = {
    "hw_cdrom_bus": "COMPUTE_STORAGE_BUS",
    "hw_disk_bus": "COMPUTE_STORAGE_BUS",
    "hw_video_model": "COMPUTE_GRAPHICS_MODEL",
    "hw_vif_model": "COMPUTE_NET_VIF_MODEL",
    "hw_architecture": "HW_ARCH",
    "hw_emulation_architecture": "COMPUTE_ARCH",
    "hw_viommu_model": "COMPUTE_VIOMMU",
}


class PlacementStage(HostFilter):
    """A stage that always runs, whatever filters are enabled and even for forced hosts."""

    title: ClassVar[str]

    def applies(self, spec: RequestSpec) -> bool:
        """Whether the request gives this stage anything to judge."""
        return True

    @property
    def name(self) -> str:
        """What the trace calls it."""
        return self.title


class Capacity(PlacementStage):
    """used + asked <= (total - reserved) x ratio, and asked <= total, for each class of which something is asked."""

    title = "capacity"

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        passed = view.everyone()
        scratch = np.empty(len(view))
        for _unit, asked, total, limit, used, _ratio in _classes(spec.amounts):
            if not view.has(total):
                return view.nobody()
            left = view.col(limit)
            if view.has(used):
                left = np.subtract(left, view.col(used), out=scratch)
            passed = passed & (view.col(total) >= asked) & (left >= asked)
        return passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        short = []
        for unit, asked, total, limit, used, ratio in _classes(spec.amounts):
            whole = view.col(total)[i] if view.has(total) else 0
            if whole < asked:
                short.append(f"needs {asked} {unit}, the whole host has {whole}")
                continue
            left = view.col(limit)[i] - (view.col(used)[i] if view.has(used) else 0)
            if left < asked:
                over = f" (allocation ratio {number(view.col(ratio)[i])})" if ratio else ""
                short.append(f"needs {asked} {unit}, has {number(left)} {unit} free{over}")
        return "; ".join(short)


def _classes(amounts: Amounts) -> Iterator[tuple[str, int, str, str, str, str]]:
    """(unit, asked, and the columns of total, limit, used, ratio) of each class of which something is asked."""
    if amounts.memory_mb:
        yield "MB", amounts.memory_mb, "memory_mb", "cap_mem", "used_mem", "ratio_mem"
    if amounts.vcpus:
        yield "vCPUs", amounts.vcpus, "vcpus", "cap_vcpu", "used_vcpu", "ratio_vcpu"
    if amounts.disk_gb:
        yield "GB of disk", amounts.disk_gb, "local_gb", "cap_disk", "used_disk", "ratio_disk"
    for name, asked in amounts.others:
        yield name, asked, "total:" + name, "total:" + name, "used:" + name, ""


class RequestedHost(PlacementStage):
    """The one host that was asked for, by `--host` or forced."""

    title = "requested host"

    def applies(self, spec: RequestSpec) -> bool:
        """One host was asked for."""
        return target_of(spec) is not None

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        target = target_of(spec)
        if target is None:
            return view.everyone()
        host, node = target
        passed = view.on_hosts((host,), ignore_case=spec.forced) if host else view.everyone()
        return passed if node is None else passed & _on_nodes(view, (node,))

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        host, node = target_of(spec) or (None, None)
        return f"{host or node} was asked for"


def target_of(spec: RequestSpec) -> tuple[str | None, str | None] | None:
    """The single (host, node) that placement is asked about, None when there is none or several."""
    if spec.requested_destination is not None:
        return spec.requested_destination
    if spec.forced and len(spec.force_hosts) <= 1 and len(spec.force_nodes) <= 1:
        return spec.force_hosts[0] if spec.force_hosts else None, spec.force_nodes[0] if spec.force_nodes else None
    return None


def _on_nodes(view: HostView, nodes: tuple[str, ...]) -> Array:
    rows = [row for node in nodes for row in view.snapshot.rows_of_node.get(node, ())]
    return view.at_rows(rows)


class Zone(PlacementStage):
    """The availability zone asked for; one that no aggregate carries restricts nothing, as the default zone."""

    title = "availability zone"

    def applies(self, spec: RequestSpec) -> bool:
        """A zone was asked for."""
        return bool(spec.availability_zone)

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        zone = spec.availability_zone
        if zone not in view.snapshot.zones:
            return view.everyone()
        return view.map_pool("aggregates", lambda united: zone in united.zones)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        zones = aggregates_at(view, i).zones or {self.options.default_availability_zone}
        return f"zone {words(zones)}, not {spec.availability_zone}"


class Disabled(PlacementStage):
    """The compute service is not disabled (placement's trait COMPUTE_STATUS_DISABLED)."""

    title = "compute status"

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        return ~view.col("disabled")

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return disabled_text(view, i)


class Traits(PlacementStage):
    """Traits that flavor or image require or forbid, and those that follow from them."""

    title = "traits"

    def applies(self, spec: RequestSpec) -> bool:
        """Traits were asked for."""
        return self.wanted(spec) != (frozenset(), frozenset())

    def wanted(self, spec: RequestSpec) -> tuple[frozenset[str], frozenset[str]]:
        """(required, forbidden)."""
        required, forbidden = set(required_traits(spec)), set()
        for source in (spec.flavor.extra_specs, spec.image_properties):
            forbidden |= {
                k.removeprefix(_TRAIT) for k, v in source.items() if k.startswith(_TRAIT) and v == "forbidden"
            }
        if spec.flavor.extra_specs.get("accel:device_profile"):
            required.add("COMPUTE_ACCELERATORS")
        if self.options.query_placement_for_image_type_support and not spec.volume_backed and spec.image_disk_format:
            required.add(f"COMPUTE_IMAGE_TYPE_{spec.image_disk_format.upper()}")
        if self.options.image_metadata_prefilter:
            for key, prefix in _IMAGE_TRAITS.items():
                if value := spec.properties.get(key):
                    required.add(f"{prefix}_{str(value).replace('-', '_').upper()}")
        return frozenset(required), frozenset(forbidden)

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        required, forbidden = self.wanted(spec)
        return view.map_pool("traits", lambda traits: required <= traits and not forbidden & traits)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        required, forbidden = self.wanted(spec)
        traits = view.pooled("traits", i)
        if missing := required - traits:
            return f"lacks trait {words(missing)}"
        return f"has forbidden trait {words(forbidden & traits)}"


def required_traits(spec: RequestSpec) -> frozenset[str]:
    """Traits that extra specs or image properties `trait:NAME=required` name."""
    both = {**spec.image_properties, **spec.flavor.extra_specs}
    return frozenset(key.removeprefix(_TRAIT) for key, v in both.items() if key.startswith(_TRAIT) and v == "required")


class Tenants(PlacementStage):
    """`limit_tenants_to_placement_aggregate`: a project with aggregates of its own gets only these."""

    title = "project aggregates"

    def applies(self, spec: RequestSpec) -> bool:
        """It is enabled."""
        return self.options.limit_tenants_to_placement_aggregate

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        own = view.map_pool("aggregates", lambda united: spec.project_id in tenants_of(united))
        if not own.any() and not self._has_any(view, spec.project_id):
            return view.nobody() if self.options.placement_aggregate_required_for_tenants else view.everyone()
        return own

    def _has_any(self, view: HostView, project_id: str) -> bool:
        alive = np.flatnonzero(view.snapshot.columns["alive"][: view.snapshot.n])
        whole = HostView(view.snapshot, alive, view.now)
        return bool(whole.map_pool("aggregates", lambda united: project_id in tenants_of(united)).any())

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return f"is in no aggregate of project {spec.project_id}"


class IsolatedAggregates(PlacementStage):
    """`enable_isolated_aggregate_filtering`: aggregates that require traits take only requests that ask for them."""

    title = "isolated aggregates"

    def applies(self, spec: RequestSpec) -> bool:
        """It is enabled."""
        return self.options.enable_isolated_aggregate_filtering

    def _isolated(self, united: AggregateSet, asked: frozenset[str]) -> AggregateInfo | None:
        for aggregate in united.aggregates:
            required = {k for k, v in aggregate.metadata.items() if k.startswith(_TRAIT) and v == "required"}
            if required - {_TRAIT + trait for trait in asked}:
                return aggregate
        return None

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        asked = required_traits(spec)
        return view.map_pool("aggregates", lambda united: self._isolated(united, asked) is None)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        aggregate = self._isolated(aggregates_at(view, i), required_traits(spec))
        assert aggregate is not None
        return f"aggregate {aggregate.name} is for requests with its traits only"


class Ignored(PlacementStage):
    """Hosts that the request wants left out, such as the one that a server moves away from."""

    title = "ignored hosts"

    def applies(self, spec: RequestSpec) -> bool:
        """There are hosts to leave out."""
        return bool(spec.ignore_hosts)

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        return ~view.on_hosts(spec.ignore_hosts, ignore_case=True)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return "the request leaves this host out"


class Forced(PlacementStage):
    """Hosts and nodes that are forced; of a rebuild, the host that the server is on."""

    title = "forced hosts"

    def applies(self, spec: RequestSpec) -> bool:
        """Hosts are forced."""
        return bool(spec.force_hosts or spec.force_nodes)

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        passed = view.on_hosts(spec.force_hosts, ignore_case=True) if spec.force_hosts else view.everyone()
        return passed & _on_nodes(view, spec.force_nodes) if spec.force_nodes else passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return f"{', '.join((*spec.force_hosts, *spec.force_nodes))} was forced"


class Limit(PlacementStage):
    """Placement answers with at most `max_placement_results` candidates; a named host is never cut off."""

    title = "max_placement_results"

    def applies(self, spec: RequestSpec) -> bool:
        """No host is named."""
        return not spec.forced and spec.requested_destination is None

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        limit = max(1, self.options.max_placement_results)
        if len(view) <= limit:
            return view.everyone()
        passed = view.nobody()
        passed[:limit] = True
        return passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return f"beyond the first {self.options.max_placement_results} candidates"


CANDIDATES: tuple[type[PlacementStage], ...] = (
    *(Capacity, RequestedHost, Zone, Disabled, Traits, Tenants, IsolatedAggregates, Limit),
)
"""What makes a host an allocation candidate; none at all is NoValidHost without a reason."""

NARROWING: tuple[type[PlacementStage], ...] = (RequestedHost, Ignored, Forced)
"""What narrows the candidates before filters (nova/scheduler/host_manager.py get_filtered_hosts)."""
