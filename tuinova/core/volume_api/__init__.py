"""What callers may ask of volumes (cinder/volume/api.py): refusals first, then one transaction."""
