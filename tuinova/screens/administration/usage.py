"""What projects have used in the last four weeks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tuinova.client import ApiError
from tuinova.i18n import N_, _
from tuinova.screens.administration.base import CountingRoom
from tuinova.screens.list_room import Json, facts, text_column
from tuinova.screens.widgets.text_panel import Line, padded
from tuinova.text import clean

_TIME = "%Y-%m-%dT%H:%M:%S"
_PERIOD = timedelta(weeks=4)
_FORBIDDEN = 403


def _hours(key: str) -> Any:
    return lambda row: round(float(row.get(key) or 0.0), 2)


class UsageList(CountingRoom):
    """All projects for an administrator, his own for anybody else."""

    ID = "tenant_id"
    HINT = (N_("No server has run in the last four weeks."),)
    COLUMNS = (
        text_column("name", N_("Project"), lambda row: row["name"], 12, 28, tone="name"),
        text_column("servers", N_("Servers"), lambda row: len(row.get("server_usages") or ()), 7, 9, right=True),
        text_column("cpu", N_("vCPU hours"), _hours("total_vcpus_usage"), 10, 14, right=True),
        text_column("ram", N_("MB hours"), _hours("total_memory_mb_usage"), 10, 16, right=True),
        text_column("disk", N_("GB hours"), _hours("total_local_gb_usage"), 10, 14, right=True),
    )

    def read(self, client: Any) -> Sequence[Json]:
        now = datetime.now(UTC)
        start, end = (now - _PERIOD).strftime(_TIME), now.strftime(_TIME)
        try:
            found = client.usage.list(start, end)
        except ApiError as error:
            if error.code != _FORBIDDEN:
                raise
            own = client.usage.get(client.info()["project"]["id"], start, end)
            found = [own] if own else []
        names = {row["id"]: row["name"] for row in client.projects.list()}
        return [{**row, "name": names.get(row["tenant_id"], row["tenant_id"])} for row in found]

    def details(self, row: Json) -> Sequence[Line]:
        lines = facts([(_("From"), row.get("start")), (_("Until"), row.get("stop"))])
        for usage in row.get("server_usages") or ():
            sizes = f"{usage['vcpus']} vCPU, {usage['memory_mb']} MB, {usage['local_gb']} GB"
            text = f"{usage['hours']:10.2f} h  {usage['state']:<12} {clean(usage['flavor'])}: {sizes}"
            lines.append([(padded(clean(usage["name"]), 18), "label"), (text, "")])
        return lines
