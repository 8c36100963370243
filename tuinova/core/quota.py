"""Quotas of a project: how many servers still fit, and Nova's words when none do (nova/compute/utils.py)."""

from __future__ import annotations

from tuinova.core.drafts import QuotaLimits
from tuinova.core.errors import QuotaExceeded
from tuinova.core.records import Flavor, QuotaUsage

UNLIMITED = -1


def fitting_count(limits: QuotaLimits, usage: QuotaUsage, flavor: Flavor, least: int, most: int) -> int:
    """The largest number of servers between `least` and `most` that the quota allows; raises QuotaExceeded."""
    wanted = {"instances": 1, "cores": flavor.vcpus, "ram": flavor.memory_mb}
    count = most
    for name, each in wanted.items():
        limit = getattr(limits, name)
        if limit != UNLIMITED:
            count = min(count, max(0, limit - getattr(usage, name)) // each)
    if count >= least:
        return count
    raise exceeded(limits, usage, wanted, least, most)


def exceeded(limits: QuotaLimits, usage: QuotaUsage, wanted: dict[str, int], least: int, most: int) -> QuotaExceeded:
    """Nova's refusal: what is over, in parallel lists; the request's numbers are those of `most` servers."""
    overs = sorted(
        name
        for name, each in wanted.items()
        if getattr(limits, name) != UNLIMITED and getattr(usage, name) + each * most > getattr(limits, name)
    )
    asked = {name: str(each * most) for name, each in wanted.items()}
    if least != most:
        asked["instances"] = f"{least}-{most}"
    return QuotaExceeded(
        overs=", ".join(overs),
        req=", ".join(asked[name] for name in overs),
        used=", ".join(str(getattr(usage, name)) for name in overs),
        allowed=", ".join(str(getattr(limits, name)) for name in overs),
    )
