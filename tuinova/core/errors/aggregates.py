"""Host aggregates: what is not there, there already, or would break a zone (nova/exception.py)."""

from __future__ import annotations

from tuinova.core.errors.base import NovaError
from tuinova.core.errors.conflict import Conflict
from tuinova.core.errors.missing import NotFound


class AggregateNotFound(NotFound):
    """No such aggregate."""

    msg_fmt = "Aggregate {aggregate_id} could not be found."


class AggregateHostNotFound(NotFound):
    """A host that the aggregate has not, or that does not exist, is to be taken out of it."""

    msg_fmt = "Cannot remove host {host} in aggregate {aggregate_id}"


class AggregateNameExists(Conflict):
    """The name is taken."""

    msg_fmt = "Aggregate {aggregate_name} already exists."


class AggregateHostExists(Conflict):
    """The host is in it already."""

    msg_fmt = "Aggregate {aggregate_id} already has host {host}."


class AggregateRefusal(NovaError):
    """What would break a zone, or leave hosts behind; 400 but for hosts, which Nova answers with 409."""

    code = 400


class InvalidAggregateActionAdd(AggregateRefusal):
    """A host can't be added."""

    code = 409
    msg_fmt = "Cannot add host to aggregate {aggregate_id}. Reason: {reason}."


class InvalidAggregateActionRemove(AggregateRefusal):
    """A host can't be removed."""

    code = 409
    msg_fmt = "Cannot remove host {host} in aggregate {aggregate_id}. Reason: {reason}."


class InvalidAggregateActionDelete(AggregateRefusal):
    """The aggregate can't be deleted."""

    msg_fmt = "Cannot remove host from aggregate {aggregate_id}. Reason: {reason}."


class InvalidAggregateActionUpdate(AggregateRefusal):
    """Its name or zone can't be changed."""

    msg_fmt = "Cannot update aggregate {aggregate_id}. Reason: {reason}."


class InvalidAggregateActionUpdateMeta(AggregateRefusal):
    """Its metadata can't be changed."""

    msg_fmt = "Cannot update metadata of aggregate {aggregate_id}. Reason: {reason}."
