"""Rules that are written in the metadata of host aggregates."""

from __future__ import annotations

from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.base import HostFilter, aggregate_minimum, aggregates_at, words
from tuinova.scheduler.filters.compute import IoOpsFilter, NumInstancesFilter
from tuinova.scheduler.matching import match
from tuinova.scheduler.records import AggregateSet
from tuinova.scheduler.request import RequestSpec
from tuinova.scheduler.view import HostView

_SCOPE = "aggregate_instance_extra_specs"
TENANT_KEY = "filter_tenant_id"


class AggregateIoOpsFilter(IoOpsFilter):
    """IoOpsFilter with the limit of the host's aggregates."""

    def limit(self, view: HostView) -> Array:
        """The least limit of the host's aggregates, else the option."""
        return aggregate_minimum(view, "max_io_ops_per_host", self.options.max_io_ops_per_host, int)


class AggregateNumInstancesFilter(NumInstancesFilter):
    """NumInstancesFilter with the limit of the host's aggregates."""

    def limit(self, view: HostView) -> Array:
        """The least limit of the host's aggregates, else the option."""
        return aggregate_minimum(view, "max_instances_per_host", self.options.max_instances_per_host, int)


class AggregateInstanceExtraSpecsFilter(HostFilter):
    """Each unscoped (or so scoped) extra spec is a key of the host's aggregates, and one of its values matches."""

    once = True

    def _asked(self, spec: RequestSpec) -> list[tuple[str, str]]:
        asked = []
        for key, requirement in spec.flavor.extra_specs.items():
            scope, colon, rest = key.partition(":")
            if not colon or scope == _SCOPE:
                asked.append((rest if colon else key, str(requirement)))
        return asked

    def _failing(self, united: AggregateSet, asked: list[tuple[str, str]]) -> tuple[str, str] | None:
        for key, requirement in asked:
            if not any(match(value, requirement) for value in united.metadata.get(key, ())):
                return key, requirement
        return None

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        asked = self._asked(spec)
        if not asked:
            return view.everyone()
        return view.map_pool("aggregates", lambda united: self._failing(united, asked) is None)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        united = aggregates_at(view, i)
        failing = self._failing(united, self._asked(spec))
        assert failing is not None
        key, requirement = failing
        if key not in united.metadata:
            return f"extra spec {key} = '{requirement}': no aggregate of the host has this key"
        return f"extra spec {key} = '{requirement}': its aggregates have {words(united.metadata[key])}"


def tenants_of(united: AggregateSet) -> frozenset[str]:
    """The projects that the aggregates are reserved for, empty when they are for all."""
    found = (values for key, values in united.metadata.items() if key.startswith(TENANT_KEY))
    return frozenset().union(*found)


class AggregateMultiTenancyIsolation(HostFilter):
    """Aggregates with keys `filter_tenant_id*` are for those projects only."""

    once = True

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        def welcome(united: AggregateSet) -> bool:
            tenants = tenants_of(united)
            return not tenants or spec.project_id in tenants

        return view.map_pool("aggregates", welcome)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        return f"reserved for projects {words(tenants_of(aggregates_at(view, i)))}"


class AggregateTypeAffinityFilter(HostFilter):
    """Aggregates with the key `instance_type` are for flavors of these names only."""

    once = True

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        def fits(united: AggregateSet) -> bool:
            names = united.metadata.get("instance_type")
            return names is None or spec.flavor.name in names

        return view.map_pool("aggregates", fits)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        names = aggregates_at(view, i).metadata.get("instance_type", frozenset())
        return f"flavor {spec.flavor.name} is not among {words(names)}"


class AvailabilityZoneFilter(HostFilter):
    """The zone asked for is one of the host's aggregates, or the default zone when these name none (Ocata)."""

    once = True

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        zone = spec.availability_zone
        if not zone:
            return view.everyone()
        default = self.options.default_availability_zone
        return view.map_pool("aggregates", lambda united: zone in united.zones if united.zones else zone == default)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        zones = aggregates_at(view, i).zones or {self.options.default_availability_zone}
        return f"zone {words(zones)}, not {spec.availability_zone}"
