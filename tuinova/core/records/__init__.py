"""What leaves the conductor: frozen records, never rows of the database.

JSON columns are plain dicts and lists that several readers may share: read only. Times are aware UTC datetimes.
"""

from tuinova.core.records.catalogue import (
    Flavor,
    Image,
    ImageMember,
    Keypair,
    Project,
    QuotaUsage,
    RoleAssignment,
    User,
)
from tuinova.core.records.hosts import Aggregate, Allocation, ComputeNode, Service
from tuinova.core.records.network import (
    FixedAddress,
    FloatingIp,
    Network,
    Port,
    ReportedNetwork,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from tuinova.core.records.servers import (
    MIGRATION_ENDS,
    OLD_VM_STATE,
    TRUSTED_CERTS,
    ActionEvent,
    Fault,
    Instance,
    InstanceAction,
    Migration,
    ScheduleTrace,
    ServerGroup,
)
from tuinova.core.records.usage import ServerUsage
from tuinova.core.records.volumes import Volume, VolumeAttachment, VolumeSnapshot, VolumeType
from tuinova.core.records.work import Change, WorkOrder

__all__ = [
    "MIGRATION_ENDS",
    "OLD_VM_STATE",
    "TRUSTED_CERTS",
    "ActionEvent",
    "Aggregate",
    "Allocation",
    "Change",
    "ComputeNode",
    "Fault",
    "FixedAddress",
    "Flavor",
    "FloatingIp",
    "Image",
    "ImageMember",
    "Instance",
    "InstanceAction",
    "Keypair",
    "Migration",
    "Network",
    "Port",
    "Project",
    "QuotaUsage",
    "ReportedNetwork",
    "RoleAssignment",
    "Router",
    "ScheduleTrace",
    "SecurityGroup",
    "SecurityGroupRule",
    "ServerGroup",
    "ServerUsage",
    "Service",
    "Subnet",
    "User",
    "Volume",
    "VolumeAttachment",
    "VolumeSnapshot",
    "VolumeType",
    "WorkOrder",
]
