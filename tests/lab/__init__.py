"""A libvirt of the run's own: real guests in tests and benchmarks without touching the host's libvirt."""

from tests.lab.hosts import LibvirtHosts
from tests.lab.private import LabError, PrivateLibvirt

__all__ = ["LabError", "LibvirtHosts", "PrivateLibvirt"]
