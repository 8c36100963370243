"""A hypervisor that is files: it outlives the service as a real one does, and fails to order."""

from tuinova.virt.fake.driver import FakeDriver
from tuinova.virt.fake.faults import order_faults
from tuinova.virt.fake.options import FakeOptions

__all__ = ["FakeDriver", "FakeOptions", "order_faults"]
