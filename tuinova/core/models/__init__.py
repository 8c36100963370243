"""The tables: SQLModel classes define the schema, the conductor runs Core statements against it."""

from sqlmodel import SQLModel

from tuinova.core.models.catalogue import (
    Flavor,
    FlavorAccess,
    FlavorExtraSpec,
    Image,
    ImageMember,
    Keypair,
    Quota,
    QuotaClass,
)
from tuinova.core.models.hosts import (
    Aggregate,
    AggregateHost,
    AggregateMetadata,
    Allocation,
    ComputeNode,
    HostNetwork,
    Service,
)
from tuinova.core.models.identity import Project, Role, RoleAssignment, User
from tuinova.core.models.network import (
    FixedIp,
    FloatingIp,
    Network,
    Port,
    PortGroup,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from tuinova.core.models.servers import (
    ActionEvent,
    Instance,
    InstanceAction,
    InstanceFault,
    Migration,
    ScheduleTrace,
    ServerGroup,
    ServerGroupMember,
)
from tuinova.core.models.volumes import Volume, VolumeAttachment, VolumeSnapshot, VolumeType
from tuinova.core.models.work import Change, WorkOrder

metadata = SQLModel.metadata

__all__ = [
    "ActionEvent",
    "Aggregate",
    "AggregateHost",
    "AggregateMetadata",
    "Allocation",
    "Change",
    "ComputeNode",
    "FixedIp",
    "Flavor",
    "FlavorAccess",
    "FlavorExtraSpec",
    "FloatingIp",
    "HostNetwork",
    "Image",
    "ImageMember",
    "Instance",
    "InstanceAction",
    "InstanceFault",
    "Keypair",
    "Migration",
    "Network",
    "Port",
    "PortGroup",
    "Project",
    "Quota",
    "QuotaClass",
    "Role",
    "RoleAssignment",
    "Router",
    "ScheduleTrace",
    "SecurityGroup",
    "SecurityGroupRule",
    "ServerGroup",
    "ServerGroupMember",
    "Service",
    "Subnet",
    "User",
    "Volume",
    "VolumeAttachment",
    "VolumeSnapshot",
    "VolumeType",
    "WorkOrder",
    "metadata",
]
