"""What the image asks of a host."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.base import HostFilter, aggregates_at, words
from tuinova.scheduler.image_schema import PROPERTIES, canonical_architecture, canonical_type, canonical_vm_mode
from tuinova.scheduler.matching import version_satisfies, version_text
from tuinova.scheduler.records import AggregateSet
from tuinova.scheduler.request import RequestSpec
from tuinova.scheduler.view import HostView


class ImagePropertiesFilter(HostFilter):
    """Architecture, hypervisor type and VM mode of the image are together in one tuple that the host supports.

    A hypervisor version asked for beside them, and the guest's physical address bits, must be met too.
    """

    once = True
    run_on_rebuild = True

    def _asked(self, spec: RequestSpec) -> list[str]:
        properties = spec.properties
        architecture = properties.get("hw_architecture") or self.options.image_properties_default_architecture
        named = (
            architecture and canonical_architecture(str(architecture)),
            properties.get("img_hv_type") and canonical_type(str(properties["img_hv_type"])),
            properties.get("hw_vm_mode") and canonical_vm_mode(str(properties["hw_vm_mode"])),
        )
        return [value for value in named if value]

    def _supported(self, view: HostView, asked: list[str]) -> Array:
        def any_tuple(supported: tuple[tuple[str, ...], ...]) -> bool:
            return any(all(value in one for value in asked) for one in supported)

        return view.map_pool("supported", any_tuple) if asked else view.everyone()

    def _version(self, view: HostView, spec: RequestSpec, asked: list[str]) -> Array:
        predicate = spec.properties.get("img_hv_requested_version")
        if not predicate or not asked:
            return view.everyone()
        distinct, codes = np.unique(view.col("hypervisor_version"), return_inverse=True)
        satisfied = [not v or version_satisfies(version_text(v), str(predicate)) for v in distinct.tolist()]
        passed: Array = np.array(satisfied, dtype=bool)[codes]
        return passed

    def _address_bits(self, view: HostView, spec: RequestSpec) -> Array:
        try:
            bits = int(spec.properties.get("hw_maxphysaddr_bits") or 0)
        except ValueError:
            return view.nobody()
        return view.map_pool("cpu_info", lambda info: _bits(info) >= bits) if bits else view.everyone()

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        asked = self._asked(spec)
        return self._supported(view, asked) & self._version(view, spec, asked) & self._address_bits(view, spec)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        asked = self._asked(spec)
        supported = view.pooled("supported", i)
        if not self._supported(view, asked)[i]:
            if not supported:
                return f"image asks for {'/'.join(asked)}, the host advertises nothing"
            offered = "; ".join("/".join(one) for one in supported)
            return f"image asks for {'/'.join(asked)}, the host supports {offered}"
        if not self._version(view, spec, asked)[i]:
            version = version_text(int(view.col("hypervisor_version")[i]))
            return f"image asks for hypervisor version {spec.properties['img_hv_requested_version']}, has {version}"
        wanted = spec.properties.get("hw_maxphysaddr_bits")
        return f"image asks for {wanted} physical address bits, has {_bits(view.pooled('cpu_info', i))}"


def _bits(cpu_info: Any) -> int:
    found = cpu_info.get("maxphysaddr")
    value = found.get("bits") if isinstance(found, dict) else found
    return int(value or 0)


class AggregateImagePropertiesIsolation(HostFilter):
    """Where an aggregate's metadata names a property of the image, the image's value is among the aggregate's.

    Only keys in the configured name space count, and only properties that Nova's image schema knows.
    """

    once = True
    run_on_rebuild = True

    def _conflict(self, united: AggregateSet, properties: dict[str, Any]) -> str | None:
        space = self.options.aggregate_image_properties_isolation_namespace
        prefix = f"{space}{self.options.aggregate_image_properties_isolation_separator}" if space else ""
        for key, allowed in united.metadata.items():
            if not key.startswith(prefix) or key not in PROPERTIES:
                continue
            value = properties.get(key)
            if value and str(value) not in allowed:
                return key
        return None

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        properties = spec.properties
        return view.map_pool("aggregates", lambda united: self._conflict(united, properties) is None)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        united = aggregates_at(view, i)
        key = self._conflict(united, spec.properties)
        assert key is not None
        return f"image property {key} = {spec.properties[key]}, its aggregates allow {words(united.metadata[key])}"


class IsolatedHostsFilter(HostFilter):
    """Isolated images run on isolated hosts, and (restricted, the default) nothing else runs there."""

    once = True
    run_on_rebuild = True

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        options = self.options
        host_isolated = view.on_hosts(options.isolated_hosts)
        restrict = options.restrict_isolated_hosts_to_isolated_images
        if not options.isolated_images:
            return ~host_isolated if restrict else view.everyone()
        if spec.image_id in options.isolated_images:
            return host_isolated
        return ~host_isolated if restrict else view.everyone()

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        if spec.image_id in self.options.isolated_images:
            return "image is isolated, the host is not"
        return "host is isolated, the image is not"
