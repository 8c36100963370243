"""One cell of the matrix: a copy of the scene, the request with a fault at one step, a new start, the examination.

Every phase is a process of its own, so that a kill is a kill.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sqlite3
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.afterwards import examine
from tests.faults.forking import Ended, in_child
from tests.faults.house import A_MINUTE, HOSTS, House
from tests.faults.invariants import STUCK, Violation
from tests.faults.rows import Row
from tests.faults.scenes import Facts, Scene
from tests.faults.steps import AFTER, BEFORE, Watch
from tuinova.core.errors import NovaError

KILL, TWICE, REFUSE, LOSE = "kill", "kill twice", "refuse", "lose"
_TRIES = 3


@dataclass
class Cell:
    """What became of one cell; `steps` are those of the recovery."""

    row: str
    fault: str
    step: str
    stands: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    log: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


class Field:
    """Scenes and cells under one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._facts: dict[str, Facts] = {}

    # scenes ----------------------------------------------------------------------------------------------------------
    def _scene(self, scene: Scene) -> Path:
        """The directory of a scene, made when it is first asked for."""
        path = self.directory / "scenes" / scene.name.replace(" ", "-")
        if scene.name not in self._facts:
            path.mkdir(parents=True)
            self._facts[scene.name] = _must(in_child(lambda: _make(scene, path), path / "log"), f"scene {scene.name}")
        return path

    def _house(self, row: Row, path: Path, seconds: float = 0.0) -> House:
        scene = row.scene
        return House(path, HOSTS[: scene.hosts], seconds, scene.options, dict(scene.fake))

    def _fresh(self, row: Row) -> tuple[Path, Facts]:
        """A copy of the row's scene for one cell."""
        scene = self._scene(row.scene)
        path = self.directory / "cell"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(scene, path)
        facts = dict(self._facts[row.scene.name])
        if "uuid" in facts:
            facts["stands"] = facts["stands"][row.shows.__name__]
        return path, facts

    # the ways of a cell ----------------------------------------------------------------------------------------------
    def walk(self, row: Row) -> tuple[Cell, list[str]]:
        """The row without a fault: what it walks through, and where it ends."""
        path, facts = self._fresh(row)
        steps = _must(in_child(lambda: _count(self._house(row, path), row, facts), path / "log"), row.name)
        cell = Cell(row.name, "none", "")
        self._look(cell, row, path, facts, accepted=None if accepted_from(steps) is None else True)
        return cell, steps

    def kill(self, row: Row, step: str, accepted: bool | None) -> Cell:
        """The service dies at this step and is started again."""
        return self._killed(Cell(row.name, KILL, step), row, step, None, accepted)

    def kill_twice(self, row: Row, step: str, again: str, accepted: bool | None) -> Cell:
        """It dies at this step, and once more at that step of its recovery."""
        return self._killed(Cell(row.name, TWICE, f"{step}; then at {again}"), row, step, again, accepted)

    def _killed(self, cell: Cell, row: Row, step: str, again: str | None, accepted: bool | None) -> Cell:
        """Where threads meet in another order a step may be another one: it is tried a few times.

        What was done before the first death may leave the recovery without the step of the second one, each time: then
        it is looked at as it is.
        """
        for tries_left in reversed(range(_TRIES)):
            path, facts = self._fresh(row)
            ended = self._died(row, path, facts, step)
            killed = ended.killed
            if killed and again is not None:
                ended = self._died_again(row, path, again)
                killed = ended.killed or (not tries_left and not ended.error)
            if killed:
                self._look(cell, row, path, facts, accepted=accepted)
                return cell
            if ended.error:
                break
        cell.violations.append((STUCK, f"this step was not reached: {ended}"))
        cell.log = _tail(path)
        return cell

    def _died(self, row: Row, path: Path, facts: Facts, step: str) -> Ended:
        return in_child(lambda: _act_and_die(self._house(row, path), row, facts, step), path / "log")

    def _died_again(self, row: Row, path: Path, step: str) -> Ended:
        return in_child(lambda: _recover_and_die(self._house(row, path, 1.0), step), path / "log")

    def stumble(self, row: Row, fault: str, step: str) -> Cell:
        """The service lives on while the database or the hypervisor fails it for a moment at this step."""
        path, facts = self._fresh(row)
        cell = Cell(row.name, fault, step)
        self._finish(
            cell, path, in_child(lambda: _stumble(self._house(row, path), row, facts, fault, step), path / "log")
        )
        return cell

    def _look(self, cell: Cell, row: Row, path: Path, facts: Facts, accepted: bool | None) -> None:
        self._finish(
            cell,
            path,
            in_child(lambda: _start_and_examine(self._house(row, path, 2.0), row, facts, accepted), path / "log"),
        )

    @staticmethod
    def _finish(cell: Cell, path: Path, ended: Ended) -> None:
        if ended.answer is None:
            cell.violations.append((STUCK, f"the service did not come back: {ended}"))
        else:
            cell.stands = ended.answer["stands"]
            cell.violations += [tuple(one) for one in ended.answer["violations"]]  # type: ignore[misc]
            cell.steps = ended.answer["steps"]
        if cell.violations:
            cell.log = _tail(path)


def _must(ended: Ended, what: str) -> Any:
    if ended.answer is None:
        raise AssertionError(f"{what} can't be made: {ended}")
    return ended.answer


def _tail(path: Path) -> str:
    try:
        return (path / "log").read_text(errors="replace")[-6000:]
    except FileNotFoundError:
        return ""


# in the children -----------------------------------------------------------------------------------------------------
def _make(scene: Scene, path: Path) -> Facts:
    house = House(path, HOSTS[: scene.hosts], 0.0, scene.options, dict(scene.fake)).open()
    house.add_image()
    facts = scene.make(house)
    house.settle()
    facts["actions"] = 0
    if "uuid" in facts:
        from tests.faults import rows

        server = house.server(facts["uuid"])
        facts["stands"] = {show.__name__: show(server) for show in {row.shows for row in rows.ALL_ROWS}}
        facts["actions"] = len(house.log(server.uuid))
    house.close()
    return facts


def _begun(house: House, row: Row, facts: Facts, watch: Watch) -> None:
    """The house in which the request is about to be made."""
    house.open(watch)
    house.settle()
    if row.before is not None:
        row.before(house, facts)
    watch.armed = True


def _count(house: House, row: Row, facts: Facts) -> list[str]:
    steps: list[str] = []
    watch = Watch(steps.append)
    _begun(house, row, facts, watch)
    row.ask(house, facts)
    house.settle()
    watch.armed = False
    house.close()
    return steps


def _die_now() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def _act_and_die(house: House, row: Row, facts: Facts, step: str) -> None:
    watch = Watch(lambda name: _die_now() if name == step else None)
    _begun(house, row, facts, watch)
    row.ask(house, facts)
    house.settle()
    house.close()


def _recover_and_die(house: House, step: str) -> None:
    watch = Watch(lambda name: _die_now() if name == step else None)
    watch.armed = True
    house.open(watch)
    house.settle()


def _start_and_examine(house: House, row: Row, facts: Facts, accepted: bool | None) -> dict[str, Any]:
    steps: list[str] = []
    watch = Watch(steps.append)
    watch.armed = True
    house.open(watch)
    house.settle()
    watch.armed = False
    return _examined(house, row, facts, accepted, steps)


def _examined(
    house: House, row: Row, facts: Facts, accepted: bool | None, steps: list[str], *, lenient: bool = False
) -> dict[str, Any]:
    stands, found = examine(house, row, facts, must_be_accepted=accepted, lenient=lenient)
    house.close()
    return {"stands": stands, "violations": found, "steps": steps}


def _stumble(house: House, row: Row, facts: Facts, fault: str, step: str) -> dict[str, Any]:
    trip = _Trip(house, fault, step)
    watch = Watch(trip)
    _begun(house, row, facts, watch)
    try:
        row.ask(house, facts)
    except NovaError as error:
        logging.getLogger(__name__).info("the request was refused: %s", error)
    house.settle()
    watch.armed = False
    if not trip.done:
        raise AssertionError("this step was not reached")
    trip.mend()
    # What was left lying is looked for every minute; what that begins, within the next one.
    for _ in range(3):
        house.pass_time(A_MINUTE)
    return _examined(house, row, facts, None, [], lenient=fault == LOSE)


class _Trip:
    """Makes something fail at a step."""

    def __init__(self, house: House, fault: str, step: str) -> None:
        self._house = house
        self._fault = fault
        self._step = step
        self.done = False

    def __call__(self, name: str) -> None:
        if name != self._step or self.done:
            return
        self.done = True
        if self._fault == REFUSE:
            raise sqlite3.OperationalError("database or disk is full")
        for host in self._house.host_names:
            self._house.drivers[host].faults.order("connection", {"error": "end of file"})
            self._house.engine.managers[host].connection_changed(False, "end of file")

    def mend(self) -> None:
        """The hypervisors are back."""
        if self._fault != LOSE:
            return
        self._house.engine.duties.run_due()
        for host in self._house.host_names:
            self._house.drivers[host].faults.order("connection", None)
            self._house.engine.managers[host].connection_changed(True, "")
        self._house.engine.duties.run_due()
        self._house.settle()


def is_commit(step: str) -> bool:
    """Whether a step is around a commit."""
    return step.startswith("commit ")


def may_be_refused(step: str) -> bool:
    """Whether the database can refuse at this step."""
    return is_commit(step) and step.endswith(BEFORE)


def may_be_lost(step: str) -> bool:
    """Whether the hypervisor can go away at this step."""
    return not is_commit(step) and step.endswith((BEFORE, AFTER))


def accepted_from(steps: list[str]) -> int | None:
    """The place of the first step at which the request is accepted; None for one that writes nothing."""
    # With a blank: what is accepted of volumes (accept_volume) shows on no server.
    accepting = ("commit accept ", "commit create_instances")
    return next((n for n, step in enumerate(steps) if step.startswith(accepting) and step.endswith(AFTER)), None)
