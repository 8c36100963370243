"""The volume service (cinder-volume): one for all compute hosts, since every host reaches every volume."""

from tuinova.core.volume_manager.manager import VolumeManager
from tuinova.core.volume_manager.store import VolumeStore

__all__ = ["VolumeManager", "VolumeStore"]
