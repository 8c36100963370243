"""Bodies against their schemas, with Nova's words (nova/api/validation/validators.py).

Schemas are data; each is compiled when the first request needs it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tuinova.core.errors import Invalid, SchemaError

Schema = Mapping[str, Any]
_VALUE_LENGTH = 255
_DIGITS = 30
_INTEGER_FORMAT = re.compile(r"integer:(-?\d+):(-?\d+)")
_UUID = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")
_BLANKS = frozenset("\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u2028\u2029")


class _Strict(ValueError):
    """JSON that the standard does not know (NaN, Infinity)."""


def parse_json(raw: bytes) -> Any:
    """The body's data; raises Invalid for anything that is not clean JSON."""
    try:
        data = json.loads(raw, parse_constant=_refuse)
        if b"\\u" in raw:
            json.dumps(data, ensure_ascii=False).encode()  # a lone surrogate can't be stored
    except (ValueError, RecursionError) as error:
        raise Invalid("Malformed request body") from error
    return data


def _refuse(constant: str) -> float:
    raise _Strict(constant)


def validate(schema: Schema, data: Any, *, where: str = "field/attribute") -> None:
    """Raise SchemaError with Nova's text when the data breaks the schema; `where` is "query parameters" for a query."""
    import fastjsonschema

    try:
        _compiled(id(schema), _Keep(schema))(data)
    except fastjsonschema.JsonSchemaValueException as error:
        raise _nova_error(error, where) from None


class _Keep:
    """Carries a schema past the cache's key: schemas are module constants, known by their identity."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keep) and other.schema is self.schema


@cache
def _compiled(_key: int, kept: _Keep) -> Callable[[Any], Any]:
    import fastjsonschema

    formats: dict[str, Any] = {**_FORMATS, **_integer_formats(kept.schema)}
    compiled: Callable[[Any], Any] = fastjsonschema.compile(dict(kept.schema), formats=formats, use_default=False)
    return compiled


def _integer_formats(schema: Any) -> dict[str, Callable[[str], bool]]:
    """The range checks of integers that may come as text."""
    found: dict[str, Callable[[str], bool]] = {}
    if isinstance(schema, Mapping):
        name = schema.get("format")
        if isinstance(name, str) and (match := _INTEGER_FORMAT.fullmatch(name)):
            found[name] = _between(int(match[1]), int(match[2]))
        for value in schema.values():
            found.update(_integer_formats(value))
    elif isinstance(schema, list | tuple):
        for value in schema:
            found.update(_integer_formats(value))
    return found


def _between(low: int, high: int) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        # What is no number is the pattern's business.
        return not re.fullmatch(r"-?[0-9]+", text) or low <= _number(text) <= high

    return check


def _number(text: str) -> float:
    """The number of a text of digits; too many digits (int() would raise) are simply very large."""
    if len(text) <= _DIGITS:
        return int(text)
    return float("-inf") if text.startswith("-") else float("inf")


def is_printable(text: str) -> bool:
    """Nova's rule of names: printable characters only (letters, marks, numbers, punctuation, symbols, blanks)."""
    return all(unicodedata.category(character) not in {"Cc", "Cs", "Cn", "Zl", "Zp"} for character in text)


def _name(text: str) -> bool:
    return bool(text.strip()) and is_printable(text) and text[0] not in _BLANKS and text[-1] not in _BLANKS


_FORMATS: Mapping[str, Callable[[str], bool]] = {
    "name": _name,
    "uuid": lambda text: _UUID.fullmatch(text) is not None,
    "base64": lambda text: (
        re.fullmatch(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?", text) is not None
    ),
    "ipv4-or-empty": lambda text: text == "" or _is_address(text, 4),
    "ipv6-or-empty": lambda text: text == "" or _is_address(text, 6),
}


def _is_address(text: str, version: int) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


_NAME_RULE = (
    "An invalid 'name' value was provided. The name must be: printable characters. "
    "Can not start or end with whitespace."
)


def _nova_error(error: Any, where: str) -> SchemaError:
    reason = _reason(error)
    path = [str(part) for part in error.path[1:]]
    if not path:
        return SchemaError(reason)
    if error.rule == "format" and error.rule_definition == "name":
        reason = _NAME_RULE
    text = f"Invalid input for {where} {path[-1]}. Value: {_cut(str(error.value))}. {reason}"
    return SchemaError(text, path=path[-1], value=error.value, reason=reason)


def _reason(error: Any) -> str:
    """What the reference validator says of the broken rule."""
    value, rule, wanted = error.value, error.rule, error.rule_definition
    shown = _cut(repr(value))
    if rule == "type":
        kinds = wanted if isinstance(wanted, list | tuple) else [wanted]
        return f"{shown} is not of type {', '.join(repr(kind) for kind in kinds)}"
    if rule == "required":
        return f"{next(key for key in wanted if key not in value)!r} is a required property"
    if rule == "additionalProperties":
        return _unexpected(error)
    if rule == "format":
        return _format_reason(value, str(wanted))
    if rule == "enum":
        return f"{shown} is not one of {list(wanted)!r}"
    if rule in ("minLength", "minItems") and wanted == 1:
        return f"{shown} should be non-empty"
    words = {
        "minimum": f"is less than the minimum of {wanted}",
        "exclusiveMinimum": f"is less than or equal to the minimum of {wanted}",
        "maximum": f"is greater than the maximum of {wanted}",
        "minLength": "is too short",
        "maxLength": "is too long",
        "pattern": f"does not match {wanted!r}",
        "minItems": "is too short",
        "maxItems": "is too long",
        "uniqueItems": "has non-unique elements",
        "minProperties": "does not have enough properties",
        "maxProperties": "has too many properties",
        "anyOf": "is not valid under any of the given schemas",
        "oneOf": "is not valid under any of the given schemas",
        "propertyNames": "has a property name that is not valid",
    }
    return f"{shown} {words.get(rule, 'is not valid')}"


def _unexpected(error: Any) -> str:
    """Which properties the schema does not know; the validator has them only in its message."""
    names = sorted(re.findall(r"'((?:[^'\\]|\\.)*)'", error.message.split("must not contain", 1)[-1]))
    listed = ", ".join(repr(_cut(name)) for name in names[:5])
    verb = "was" if len(names) == 1 else "were"
    return f"Additional properties are not allowed ({listed} {verb} unexpected)"


def _format_reason(value: str, name: str) -> str:
    if match := _INTEGER_FORMAT.fullmatch(name):
        low, high = int(match[1]), int(match[2])
        if _number(value) < low:
            return f"{_cut(value)} is less than the minimum of {low}"
        return f"{_cut(value)} is greater than the maximum of {high}"
    words = {"ipv4-or-empty": "ipv4", "ipv6-or-empty": "ipv6"}
    return f"{_cut(repr(value))} is not a {words.get(name, name)!r}"


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE_LENGTH else text[:_VALUE_LENGTH] + "..."
