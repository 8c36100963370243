"""PCI devices and NUMA cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuinova.scheduler import numa, pci
from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.base import HostFilter
from tuinova.scheduler.request import RequestSpec
from tuinova.scheduler.view import HostView


class PciPassthroughFilter(HostFilter):
    """The free PCI devices of the host serve all that the flavor asks for together."""

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        requests = pci.requests_of(spec.flavor.extra_specs, self.options.pci_alias)
        if not requests:
            return view.everyone()
        known: dict[Any, bool] = {}
        passed = view.nobody()
        for i, pools in enumerate(view.col("pci")):
            if pools not in known:
                known[pools] = pci.allot(pools, requests) is not None
            passed[i] = known[pools]
        return passed

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        requests = pci.requests_of(spec.flavor.extra_specs, self.options.pci_alias)
        undefined = [request.alias for request in requests if not request.choices]
        if undefined:
            return f"PCI alias {', '.join(undefined)} is not defined"
        asked = ", ".join(f"{request.count} of {request.alias}" for request in requests)
        free = ", ".join(f"{pool.count} of {pool.vendor_id}:{pool.product_id}" for pool in view.col("pci")[i])
        return f"needs {asked}; free PCI devices: {free or 'none'}"


class NUMATopologyFilter(HostFilter):
    """The guest's NUMA cells, pinned CPUs and huge pages fit the host's cells under its ratios."""

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        request = self._request(spec)
        if request is None:
            return view.everyone()
        if isinstance(request, str):
            return view.nobody()
        known: dict[Any, bool] = {}
        passed = view.nobody()
        cells = [record.numa for record in view.col("record")]
        ratios = zip(view.col("ratio_vcpu").tolist(), view.col("ratio_mem").tolist(), strict=True)
        for i, key in enumerate(zip(cells, ratios, strict=True)):
            if key not in known:
                known[key] = numa.problem(key[0], request, *key[1]) is None
            passed[i] = known[key]
        return np.asarray(passed)

    def _request(self, spec: RequestSpec) -> numa.NumaRequest | str | None:
        """What is asked for; a text says why it can't be understood."""
        try:
            return numa.request_of(spec.flavor, spec.properties)
        except numa.BadTopology as error:
            return str(error)

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        request = self._request(spec)
        if not isinstance(request, numa.NumaRequest):
            return request or ""
        ratios = float(view.col("ratio_vcpu")[i]), float(view.col("ratio_mem")[i])
        return numa.problem(view.record(i).numa, request, *ratios) or ""
