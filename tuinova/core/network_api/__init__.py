"""What Neutron's users may ask of the engine: who sees what, what is refused before anything is written."""

from tuinova.core.network_api.api import NetworkAPI
from tuinova.core.network_api.hosts import NetworkHosts

__all__ = ["NetworkAPI", "NetworkHosts"]
