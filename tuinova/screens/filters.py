"""The filter language of the tables: `web`, `status:active`, `!name:db`, `"two words"`; all terms must hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Getter = Callable[[Any], Any]
Predicate = Callable[[Any], bool]


class Term(NamedTuple):
    """One term: `field` is empty for a plain word; `value` is lower case; an empty value asks for "has none"."""

    field: str
    value: str
    negated: bool


class Parsed(NamedTuple):
    """A filter's terms, and the fields that no column has (shown to the operator, matched as plain words)."""

    terms: tuple[Term, ...]
    unknown: tuple[str, ...]


def split_words(text: str) -> list[str]:
    """Words by blanks, with double quotes keeping blanks together; an open quote runs to the end."""
    words: list[str] = []
    word = ""
    quoted = False
    for char in text:
        if char == '"':
            quoted = not quoted
        elif char.isspace() and not quoted:
            if word:
                words.append(word)
            word = ""
        else:
            word += char
    if word:
        words.append(word)
    return words


def parse(text: str, fields: Mapping[str, Getter]) -> Parsed:
    """The terms of a filter; `fields` are the names that may stand before a colon (a unique beginning is enough)."""
    terms: list[Term] = []
    unknown: list[str] = []
    for word in split_words(text):
        negated = word.startswith("!")
        body = word[1:] if negated else word
        head, colon, value = body.partition(":")
        name = field_of(head.lower(), fields) if colon else ""
        if colon and name:
            terms.append(Term(name, value.lower(), negated))
        elif body:
            if colon and head.isalpha():
                unknown.append(head)
            terms.append(Term("", body.lower(), negated))
    return Parsed(tuple(terms), tuple(unknown))


def field_of(head: str, fields: Mapping[str, Getter]) -> str:
    """The field named by `head` or by a unique beginning of it; empty for none."""
    if head in fields:
        return head
    close = [name for name in fields if head and name.startswith(head)]
    return close[0] if len(close) == 1 else ""


def predicate(text: str, fields: Mapping[str, Getter], plain: Callable[[Any], str]) -> Predicate | None:
    """A function row -> bool for the filter; None when it lets everything through.

    `plain(row)` is the lower-case text that plain words look at.
    """
    terms = parse(text, fields).terms
    if not terms:
        return None
    checks = [_check(term, fields, plain) for term in terms]
    if len(checks) == 1:
        return checks[0]
    return lambda row: all(check(row) for check in checks)


def _check(term: Term, fields: Mapping[str, Getter], plain: Callable[[Any], str]) -> Predicate:
    value, negated = term.value, term.negated
    if not term.field:
        return lambda row: (value in plain(row)) != negated
    getter = fields[term.field]
    if not value:
        return lambda row: (not getter(row)) != negated
    return lambda row: (value in str(getter(row) or "").lower()) != negated
