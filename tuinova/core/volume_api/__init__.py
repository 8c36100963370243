"""What callers may ask of volumes (cinder/volume/api.py): refusals first, then one transaction."""

from tuinova.core.volume_api.api import VolumeAPI

__all__ = ["VolumeAPI"]
