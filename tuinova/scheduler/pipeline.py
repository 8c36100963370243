"""The filter scheduler: candidates, filters, weighers, choice and claim (nova/scheduler/manager.py)."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Literal

import numpy as np

from tuinova.core.errors import NoValidHost, UnsupportedPolicyException
from tuinova.scheduler import pci
from tuinova.scheduler.filters import build_filters
from tuinova.scheduler.filters.base import HostFilter
from tuinova.scheduler.hosts import HostTable
from tuinova.scheduler.options import SchedulerOptions
from tuinova.scheduler.placement import CANDIDATES, NARROWING, Capacity, PlacementStage, target_of
from tuinova.scheduler.ranking import Chance, order_to_try
from tuinova.scheduler.request import Amounts, RequestSpec
from tuinova.scheduler.retries import alternates_wanted
from tuinova.scheduler.trace import NO_VALID_HOST, SELECTED, UNDONE, Stage, Trace
from tuinova.scheduler.view import HostView
from tuinova.scheduler.weights import build_weighers, weigh

LOG = logging.getLogger(__name__)

Claim = Callable[[str, str, str, Amounts], bool]
Unclaim = Callable[[str, str, str, Amounts], None]
TraceSink = Callable[[Trace], None]
Place = tuple[str, str]

_NOT_ENOUGH = "There are not enough hosts available."

_NEEDED_FOR_POLICY = {
    "affinity": "ServerGroupAffinityFilter",
    "anti-affinity": "ServerGroupAntiAffinityFilter",
    "soft-affinity": "ServerGroupSoftAffinityWeigher",
    "soft-anti-affinity": "ServerGroupSoftAntiAffinityWeigher",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The host of one server, and where to try next if it fails there."""

    instance_uuid: str
    host: str
    node: str
    alternates: tuple[Place, ...] = ()


class FilterScheduler:
    """Chooses hosts for requests; may be used from several threads at once.

    The table says what is likely, the claim what is true: a host that lost a race refuses its claim and the next one
    is tried, so the caller's claim alone keeps a host from being over-allocated.
    """

    def __init__(
        self,
        options: SchedulerOptions,
        table: HostTable,
        clock: Callable[[], float] = time.time,
        rng: Chance = random,
    ) -> None:
        self.options = options
        self.table = table
        self.clock = clock
        self.rng = rng
        self.filters = build_filters(options)
        self.weighers = build_weighers(options)
        self.candidate_stages = tuple(kind(options) for kind in CANDIDATES)
        self.narrowing_stages = tuple(kind(options) for kind in NARROWING)
        self.capacity_stage = Capacity(options)

    def select_destinations(
        self,
        spec: RequestSpec,
        claim: Claim,
        trace_sink: TraceSink | None = None,
        *,
        unclaim: Unclaim | None = None,
        alternates: bool = True,
    ) -> list[Selection]:
        """A host for each server of the request, claimed, or none for any of them.

        `claim(host, node, uuid, amounts)` takes the resources for good and says whether it could; `unclaim` undoes it.
        A rebuild check claims nothing. Each server's trace goes to `trace_sink` at the end, failure or not.

        Raises:
            NoValidHost: not all servers found a host; every claim that was made is undone.
            UnsupportedPolicyException: the group's policy needs a filter or weigher that is not enabled.
        """
        self.check_policy(spec)
        request = _Request(self, spec, claim, unclaim)
        try:
            request.place_all()
            if alternates:
                request.find_alternates()
        except NoValidHost as error:
            request.undo(str(error))
            raise
        except BaseException as error:
            request.undo(f"{type(error).__name__}: {error}")
            raise
        finally:
            request.report(trace_sink)
        return request.selections()

    def check_policy(self, spec: RequestSpec) -> None:
        """Refuse a group policy that nothing enabled would hold (nova/scheduler/utils.py _get_group_details).

        Raises:
            UnsupportedPolicyException: its filter or weigher is not enabled.
        """
        needed = _NEEDED_FOR_POLICY.get(spec.group.policy) if spec.group is not None else None
        enabled = {one.name for one in self.filters} | {one.name for one in self.weighers}
        if needed and needed not in enabled:
            raise UnsupportedPolicyException(reason=f"{needed} not configured")


class _Request:
    """One call of select_destinations: what is placed so far, and what hosts are left."""

    def __init__(self, scheduler: FilterScheduler, spec: RequestSpec, claim: Claim, unclaim: Unclaim | None) -> None:
        self._scheduler = scheduler
        self._spec = spec
        self._claim = claim
        self._unclaim = unclaim
        self._placed: list[tuple[str, Place]] = []
        self._claimed: list[tuple[str, Place]] = []
        self._traces: list[Trace] = []
        self._view: HostView | None = None
        self._alternates: tuple[Place, ...] = ()
        self._pci_requests = pci.requests_of(spec.flavor.extra_specs, scheduler.options.pci_alias)

    # Servers, one after another -------------------------------------------------------------------------------------
    def place_all(self) -> None:
        """Choose and claim a host for each server in turn."""
        for index, uuid in enumerate(self._spec.instance_uuids):
            spec = self._spec_for(uuid)
            trace = Trace(uuid, spec, datetime.now(UTC))
            self._traces.append(trace)
            started = time.perf_counter()
            try:
                self._place(index, spec, trace)
            finally:
                trace.duration_ms = (time.perf_counter() - started) * 1000

    def _place(self, index: int, spec: RequestSpec, trace: Trace) -> None:
        view = self._candidates(index, spec, trace)
        if index == 0 and not len(view) and not spec.rebuild_check:
            raise NoValidHost(reason=_no_such_host(spec, view))
        remaining = self._rank(self._filter(index, view, spec, trace), spec, trace)
        place = self._try_claims(remaining, spec, trace)
        if place is None:
            self._log_failure(trace)
            raise NoValidHost(reason=_NOT_ENOUGH)
        trace.choice, trace.outcome = place, SELECTED
        self._placed.append((trace.instance_uuid, place))
        if len(self._spec.instance_uuids) == 1:
            self._alternates = self._next_places(remaining)

    def _spec_for(self, uuid: str) -> RequestSpec:
        """The request as this server has it: servers that were placed before it are members of its group."""
        group = self._spec.group
        if group is not None:
            members = group.members.union(placed for placed, _place in self._placed)
            group = replace(group, members=members, hosts=(*group.hosts, *(place[0] for _uuid, place in self._placed)))
        return replace(self._spec, instance_uuids=(uuid,), group=group)

    # Stages ---------------------------------------------------------------------------------------------------------
    def _candidates(self, index: int, spec: RequestSpec, trace: Trace) -> HostView:
        """The hosts that placement would answer with; for later servers, those left over that still have room."""
        scheduler = self._scheduler
        if index > 0:
            view = self._renewed()
            trace.considered = len(view)
            return self._pass(view, (scheduler.capacity_stage,), "placement", spec, trace)
        snapshot = scheduler.table.snapshot()
        rows = None if snapshot.all_alive else np.flatnonzero(snapshot.columns["alive"][: snapshot.n])
        view = HostView(snapshot, rows, scheduler.clock())
        trace.considered = len(view)
        if spec.rebuild_check:
            return view
        return self._pass(view, scheduler.candidate_stages, "placement", spec, trace)

    def _renewed(self) -> HostView:
        """The hosts left by the server before, as they are now."""
        old = self._view
        assert old is not None
        snapshot = self._scheduler.table.snapshot()
        if snapshot.epoch == old.snapshot.epoch:
            rows = np.arange(old.snapshot.n) if old.rows is None else old.rows
            rows = rows[snapshot.columns["alive"][rows]]
        else:  # rows were renumbered
            found = (self._scheduler.table.index_of(*old.name(i)) for i in range(len(old)))
            rows = np.array([row for row in found if row is not None and row < snapshot.n], dtype=np.intp)
        return HostView(snapshot, rows, old.now)

    def _filter(self, index: int, view: HostView, spec: RequestSpec, trace: Trace) -> HostView:
        """Narrow by hosts that are named, then by the filters that are due; a forced host is asked no filter."""
        scheduler = self._scheduler
        if index == 0:
            narrowing = [stage for stage in scheduler.narrowing_stages if not _seen(stage, trace)]
            view = self._pass(view, tuple(narrowing), "hosts", spec, trace)
        trace.filters_skipped = spec.forced
        if not spec.forced:
            due = tuple(
                one
                for one in scheduler.filters
                if (index == 0 or not one.once) and (one.run_on_rebuild or not spec.rebuild_check)
            )
            view = self._pass(view, due, "filter", spec, trace)
        self._view = view
        return view

    @staticmethod
    def _pass(
        view: HostView,
        judges: tuple[HostFilter, ...],
        kind: Literal["placement", "hosts", "filter"],
        spec: RequestSpec,
        trace: Trace,
    ) -> HostView:
        """Judge by one after another until no host is left."""
        for judge in judges:
            if not len(view):
                break
            if isinstance(judge, PlacementStage) and not judge.applies(spec):
                continue
            mask = judge.mask(view, spec)
            kept = view.keep(mask)
            trace.stages.append(Stage(kind, judge, spec, view, None if kept is view else mask, len(kept)))
            view = kept
        return view

    def _rank(self, view: HostView, spec: RequestSpec, trace: Trace) -> Iterator[Place]:
        """The hosts in the order to try them."""
        weights, parts = weigh(self._scheduler.weighers, view, spec)
        trace.view, trace.weights, trace.weighed = view, weights, parts
        head = 2 + alternates_wanted(self._scheduler.options) + len(self._spec.instance_uuids)
        order = order_to_try(weights, self._scheduler.options, self._scheduler.rng, head)
        return (view.name(i) for i in order)

    # Claims ---------------------------------------------------------------------------------------------------------
    def _try_claims(self, places: Iterator[Place], spec: RequestSpec, trace: Trace) -> Place | None:
        """The first host whose claim succeeds."""
        uuid = trace.instance_uuid
        for place in places:
            if spec.rebuild_check:
                return place
            started = time.perf_counter()
            claimed = self._claim(*place, uuid, spec.amounts)
            trace.claim_ms += (time.perf_counter() - started) * 1000
            trace.claims.append((*place, claimed))
            if claimed:
                self._claimed.append((uuid, place))
                self._scheduler.table.consume(
                    place,
                    spec.amounts,
                    uuid,
                    image_properties=spec.properties,
                    pci_requests=self._pci_requests,
                )
                return place
        return None

    def undo(self, message: str) -> None:
        """Give every claim back, and say in each trace what became of it."""
        for uuid, place in reversed(self._claimed):
            self._scheduler.table.release(place, uuid)
            if self._unclaim is not None:
                self._undo_claim(uuid, place, self._unclaim)
        for trace in self._traces:
            trace.outcome = UNDONE if trace.choice is not None else NO_VALID_HOST
            trace.message = message
        if self._traces:
            last = self._traces[-1]
            untried = self._spec.instance_uuids[len(self._traces) :]
            self._traces += [replace(last, instance_uuid=uuid) for uuid in untried]

    def _undo_claim(self, uuid: str, place: Place, unclaim: Unclaim) -> None:
        try:
            unclaim(*place, uuid, self._spec.amounts)
        except Exception:  # the other claims must be given back too, and the first error must be seen
            LOG.exception("The claim of %s on %s could not be given back", uuid, place[0])

    # Results --------------------------------------------------------------------------------------------------------
    def _next_places(self, remaining: Iterator[Place]) -> tuple[Place, ...]:
        """Alternates: the next hosts in order, none of which holds a server of this request."""
        selected = {place for _uuid, place in self._placed}
        wanted = alternates_wanted(self._scheduler.options)
        return tuple(islice((place for place in remaining if place not in selected), wanted))

    def find_alternates(self) -> None:
        """Alternates of a request for several servers: hosts are judged once more, now that all claims are made."""
        count = len(self._spec.instance_uuids)
        if count > 1:
            spec = self._spec_for(self._spec.instance_uuids[-1])
            scratch = Trace(spec.instance_uuids[0], spec, datetime.now(UTC))
            view = self._filter(count, self._candidates(count, spec, scratch), spec, scratch)
            self._alternates = self._next_places(self._rank(view, spec, scratch))
        for trace in self._traces:
            trace.alternates = self._alternates

    def selections(self) -> list[Selection]:
        """What the caller gets."""
        return [
            Selection(uuid, host, node, trace.alternates)
            for (uuid, (host, node)), trace in zip(self._placed, self._traces, strict=True)
        ]

    def report(self, sink: TraceSink | None) -> None:
        """Hand the traces over."""
        if sink is None:
            return
        for trace in self._traces:
            try:
                sink(trace)
            except Exception:  # a trace that can't be kept must not lose hosts that are claimed
                LOG.exception("The scheduler's trace of %s could not be kept", trace.instance_uuid)

    @staticmethod
    def _log_failure(trace: Trace) -> None:
        LOG.info("No host for instance %s: %s", trace.instance_uuid, "; ".join(trace.path()))


def _seen(stage: PlacementStage, trace: Trace) -> bool:
    """Whether placement already narrowed by this."""
    return any(type(done.judge) is type(stage) for done in trace.stages)


def _no_such_host(spec: RequestSpec, view: HostView) -> str:
    """Placement's silence has no reason, but for a named host that does not exist (nova/scheduler/utils.py)."""
    target = target_of(spec)
    if target is None:
        return ""
    host, node = target
    snapshot = view.snapshot
    exists = (host is None or host.lower() in snapshot.rows_of_host) and (node is None or node in snapshot.rows_of_node)
    return "" if exists else f"No such host - host: {host} node: {node} "
