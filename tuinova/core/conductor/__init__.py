"""The one door to the database: states, work orders and the change feed move in one transaction."""

from tuinova.core.conductor.conductor import Conductor, utcnow
from tuinova.core.conductor.errors import ConductorClosed, DatabaseUnavailable, UnexpectedTaskState
from tuinova.core.drafts import (
    ANY,
    EventFinish,
    EventStart,
    FaultDraft,
    FlavorFilter,
    ImageFilter,
    InstanceDraft,
    InstanceFilter,
    OrderDraft,
    QuotaLimits,
)

__all__ = [
    "ANY",
    "Conductor",
    "ConductorClosed",
    "DatabaseUnavailable",
    "EventFinish",
    "EventStart",
    "FaultDraft",
    "FlavorFilter",
    "ImageFilter",
    "InstanceDraft",
    "InstanceFilter",
    "OrderDraft",
    "QuotaLimits",
    "UnexpectedTaskState",
    "utcnow",
]
