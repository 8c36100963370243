"""The hint `query`: a JSON expression over a host's attributes."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from tuinova.scheduler import attributes
from tuinova.scheduler.columns import Array
from tuinova.scheduler.filters.base import HostFilter
from tuinova.scheduler.request import RequestSpec
from tuinova.scheduler.view import HostView

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
Lookup = Callable[[str], Any]


class BadQuery(ValueError):
    """The hint is no expression of the grammar."""


class JsonFilter(HostFilter):
    """Every host for which the expression is true; one that is no expression holds for none."""

    def mask(self, view: HostView, spec: RequestSpec) -> Array:
        try:
            query = _parse(spec.scheduler_hints.get("query"))
        except BadQuery:
            return view.nobody()
        if not query:
            return view.everyone()
        names = sorted(_variables(query))
        if not names:
            return view.everyone() if _holds(query, lambda _name: None) else view.nobody()
        return self._by_distinct_values(view, query, names)

    def _by_distinct_values(self, view: HostView, query: Any, names: list[str]) -> Array:
        """Evaluate once for each combination of values that occurs."""
        columns = [_column(view, name) for name in names]
        keys = np.stack([codes for codes, _values in columns], axis=1)
        combinations, of_host = np.unique(keys, axis=0, return_inverse=True)
        verdicts = np.zeros(len(combinations), dtype=bool)
        for number, codes in enumerate(combinations):
            known = {name: columns[k][1][code] for k, (name, code) in enumerate(zip(names, codes, strict=True))}
            verdicts[number] = _holds(query, known.__getitem__)
        return verdicts[of_host.reshape(-1)]

    def reason(self, view: HostView, spec: RequestSpec, i: int) -> str:
        try:
            query = _parse(spec.scheduler_hints.get("query"))
        except BadQuery as error:
            return f"hint query: {error}"
        seen = []
        for name in sorted(_variables(query)):
            codes, found = _column(view, name)
            seen.append(f"${name} is {found[int(codes[i])]}")
        return f"hint query is false here ({', '.join(seen) or 'it names no attribute'})"


def _parse(hint: Any) -> Any:
    """The hint as an expression: text is JSON, a list of one text holds the text."""
    if isinstance(hint, list | tuple) and len(hint) == 1 and isinstance(hint[0], str) and hint[0][:1] in "[{":
        hint = hint[0]
    if isinstance(hint, str):
        try:
            hint = json.loads(hint)
        except ValueError as error:
            raise BadQuery(f"no JSON: {error}") from error
    if hint:
        _check(hint)
    return hint


def _check(query: Any) -> None:
    if not isinstance(query, list | tuple):
        raise BadQuery("an expression is a list")
    if not query:
        return
    if query[0] not in _COMPARE and query[0] not in ("in", "and", "or", "not"):
        raise BadQuery(f"unknown operator {query[0]!r}")
    for argument in query[1:]:
        if isinstance(argument, list | tuple):
            _check(argument)


def _variables(query: Any) -> set[str]:
    if isinstance(query, str):
        return {query[1:]} if query.startswith("$") else set()
    if isinstance(query, list | tuple):
        return set().union(*(_variables(argument) for argument in query[1:]))
    return set()


def _column(view: HostView, name: str) -> tuple[Array, list[Any]]:
    first, *rest = name.split(".")
    if first not in attributes.NAMES:
        return np.zeros(len(view), dtype=np.intp), [None]
    codes, found = attributes.values(view, first)
    return codes, [attributes.descend(value, rest) if rest else value for value in found]


def _holds(query: Any, lookup: Lookup) -> bool:
    """The value of an expression; arguments that are unknown are dropped (nova/scheduler/filters/json_filter.py)."""
    if not query:
        return True
    arguments = [value for value in (_value(argument, lookup) for argument in query[1:]) if value is not None]
    return _apply(query[0], arguments)


def _value(argument: Any, lookup: Lookup) -> Any:
    if isinstance(argument, list | tuple):
        return _holds(argument, lookup)
    if isinstance(argument, str) and argument.startswith("$"):
        return lookup(argument[1:])
    return argument


def _apply(op: str, arguments: list[Any]) -> bool:
    if op == "and":
        return all(arguments)
    if op == "or":
        return any(arguments)
    if op == "not":
        return any(not argument for argument in arguments)
    if len(arguments) < 2:
        return False
    if op == "in":
        return arguments[0] in arguments[1:]
    try:
        return all(_COMPARE[op](arguments[0], other) for other in arguments[1:])
    except TypeError:  # text against a number: neither less nor greater
        return False
