"""The metadata service: what guests ask 169.254.169.254 (nova/api/metadata/handler.py, neutron's proxy beside it)."""
