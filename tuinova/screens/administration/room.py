"""The room and its lists."""

from __future__ import annotations

from typing import ClassVar

from tuinova.i18n import N_
from tuinova.screens.group_room import GroupRoom, Part

_HERE = "tuinova.screens.administration."


class AdministrationRooms(GroupRoom):
    """What everybody has first, then what is the administrator's."""

    PARTS: ClassVar[tuple[Part, ...]] = (
        Part("server-groups", N_("Server Groups"), _HERE + "server_groups:ServerGroupsList", N_("Groups")),
        Part("quotas", N_("Quotas"), _HERE + "quotas:QuotasList"),
        Part("usage", N_("Usage"), _HERE + "usage:UsageList"),
        Part("aggregates", N_("Host aggregates"), _HERE + "aggregates:AggregatesList", N_("Aggregates")),
    )
