"""What quotas there are, as data: each resource's service, its default and the option that sets it.

Nova's are the fields of `QuotaLimits`; Neutron's and Cinder's are kept by the same means. How a resource is counted is
a statement of `core.conductor.quota_counts.COUNTS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tuinova.core.drafts import QUOTA_NAMES, QuotaLimits

COMPUTE, NETWORK, VOLUME = "compute", "network", "volume"
SERVICES: Final = (COMPUTE, NETWORK, VOLUME)
# The class whose limits stand for every project without its own (nova/db/constants.py DEFAULT_QUOTA_CLASS_NAME).
DEFAULT_CLASS: Final = "default"
UNLIMITED: Final = -1


@dataclass(frozen=True, slots=True)
class QuotaResource:
    """One limit of a project: `option` is (group, name) of the configuration, `what` it bounds in the option's help."""

    name: str
    service: str
    default: int
    option: tuple[str, str]
    what: str = ""


# Names of the API that have another one in the configuration.
_RENAMED = {"injected_file_path_bytes": "injected_file_path_length"}


def _network(name: str, default: int, what: str) -> QuotaResource:
    return QuotaResource(name, NETWORK, default, ("quotas", f"quota_{name}"), what)


def _volume(name: str, default: int, what: str) -> QuotaResource:
    return QuotaResource(name, VOLUME, default, ("DEFAULT", f"quota_{name}"), what)


RESOURCES: Final = (
    *(
        QuotaResource(name, COMPUTE, getattr(QuotaLimits(), name), ("quota", _RENAMED.get(name, name)))
        for name in QUOTA_NAMES
    ),
    # neutron/conf/quota.py, neutron/conf/db/extraroute_db.py and l3, securitygroup extensions
    _network("network", 100, "Networks of a project"),
    _network("subnet", 100, "Subnets of a project"),
    _network("port", 500, "Ports of a project"),
    _network("router", 10, "Routers of a project"),
    _network("floatingip", 50, "Floating IPs of a project"),
    _network("security_group", 10, "Security groups of a project"),
    _network("security_group_rule", 100, "Security group rules of a project"),
    # cinder/quota.py
    _volume("volumes", 10, "Volumes of a project"),
    _volume("snapshots", 10, "Volume snapshots of a project"),
    _volume("gigabytes", 1000, "GiB of volumes and snapshots of a project"),
)
BY_NAME: Final[Mapping[str, QuotaResource]] = {resource.name: resource for resource in RESOURCES}


def names_of(service: str) -> tuple[str, ...]:
    """The resources of a service, in the order of the table."""
    return tuple(resource.name for resource in RESOURCES if resource.service == service)
