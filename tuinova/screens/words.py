"""Marks of translatable words that stand in tables of data: `_` translates them where they are shown."""

from __future__ import annotations


def N_(message: str) -> str:
    """The message itself; extraction finds the literal, the screen calls `_` on it."""
    return message
