"""Requirements written as text: extra spec operators and version predicates."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

_NUMERIC: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.ge,  # Nova's "=" asks for at least that much
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
}
_TEXTUAL: dict[str, Callable[[Any, Any], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
}
_VERSION_OPS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
_VERSION_TERM = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(\d+(?:\.\d+)*)\s*")


def match(value: str | None, requirement: str) -> bool:
    """Whether a host's value meets a requirement (nova/scheduler/filters/extra_specs_ops.py).

    A value that should be a number and isn't does not match.
    """
    words = requirement.split()
    op = words[0] if words else ""
    operands = words[1:]
    if op == "<or>":
        return value is not None and value in operands[::2]
    if op not in _NUMERIC and op not in _TEXTUAL and op not in ("<in>", "<all-in>"):
        return value == requirement
    if value is None or not operands:
        return False
    if op == "<in>":
        return operands[0] in value
    if op == "<all-in>":
        return all(word in value for word in operands)
    if op in _TEXTUAL:
        return _TEXTUAL[op](value, operands[0])
    try:
        return _NUMERIC[op](float(value), float(operands[0]))
    except ValueError:
        return False


def version_text(number: int) -> str:
    """A hypervisor version as libvirt counts it (8002001) written as "8.2.1"."""
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


def version_satisfies(version: str, predicate: str) -> bool:
    """Whether a version is in a range such as ">=5.1,<6"; a range that can't be read holds for none."""
    have = _version_tuple(version)
    for term in predicate.strip().strip("()").split(","):
        parsed = _VERSION_TERM.fullmatch(term)
        if parsed is None or not _VERSION_OPS[parsed[1]](have, _version_tuple(parsed[2])):
            return False
    return True


def _version_tuple(text: str) -> tuple[int, ...]:
    parts = [int(part) for part in text.split(".")]
    while parts and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
