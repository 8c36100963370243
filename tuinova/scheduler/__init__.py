"""Where a server goes: Nova's filter scheduler over columns, with a trace of every decision."""

from tuinova.scheduler.filters import FILTERS, PRESETS, filter_names
from tuinova.scheduler.hosts import HostTable
from tuinova.scheduler.options import MetricsOptions, SchedulerOptions
from tuinova.scheduler.pipeline import FilterScheduler, Selection
from tuinova.scheduler.records import AggregateInfo, HostRecord, NumaCell, PciPool, ServiceInfo
from tuinova.scheduler.request import Amounts, FlavorSpec, GroupSpec, RequestSpec, amounts_of
from tuinova.scheduler.retries import alternates_wanted, check_attempt, retries_enabled
from tuinova.scheduler.trace import Trace, TraceLog
from tuinova.scheduler.weights import WEIGHERS

__all__ = [
    "FILTERS",
    "PRESETS",
    "WEIGHERS",
    "AggregateInfo",
    "Amounts",
    "FilterScheduler",
    "FlavorSpec",
    "GroupSpec",
    "HostRecord",
    "HostTable",
    "MetricsOptions",
    "NumaCell",
    "PciPool",
    "RequestSpec",
    "SchedulerOptions",
    "Selection",
    "ServiceInfo",
    "Trace",
    "TraceLog",
    "alternates_wanted",
    "amounts_of",
    "check_attempt",
    "filter_names",
    "retries_enabled",
]
