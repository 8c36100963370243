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
    Network,
    Port,
    Service,
)
from tuinova.core.models.identity import Project, Role, RoleAssignment, User
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
    "Flavor",
    "FlavorAccess",
    "FlavorExtraSpec",
    "Image",
    "ImageMember",
    "Instance",
    "InstanceAction",
    "InstanceFault",
    "Keypair",
    "Migration",
    "Network",
    "Port",
    "Project",
    "Quota",
    "QuotaClass",
    "Role",
    "RoleAssignment",
    "ScheduleTrace",
    "ServerGroup",
    "ServerGroupMember",
    "Service",
    "User",
    "Volume",
    "VolumeAttachment",
    "VolumeSnapshot",
    "VolumeType",
    "WorkOrder",
    "metadata",
]
