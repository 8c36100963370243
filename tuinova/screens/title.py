"""The pieces of the title bar."""

from __future__ import annotations

from collections.abc import Mapping

from tuinova.i18n import _
from tuinova.screens.identity import Identity
from tuinova.screens.rows import STATUS_RANK, status_look
from tuinova.screens.widgets.bars import Piece

STATE_LOOK = {"connecting": ("◌", "busy"), "ready": ("●", "ok"), "gone": ("✖", "error")}


def title_pieces(state: str, identity: Identity | None, read_only: bool) -> list[Piece]:
    """The product, the connection and its state."""
    glyph, tone = STATE_LOOK[state]
    pieces = [Piece(" tuinova ", "brand", "help"), Piece(f" {glyph} ", tone)]
    if state == "connecting":
        pieces.append(Piece(_("connecting..."), "busy"))
    elif state == "gone":
        pieces.append(Piece(_("service gone"), "error"))
    if identity is not None and state == "ready":
        pieces.append(Piece(identity.connection + " ", "strong"))
    if read_only:
        pieces.append(Piece(f" {_('read-only')} ", "warn"))
    return pieces


def count_pieces(counts: Mapping[str, int], room: int) -> list[Piece]:
    """Servers by status, what needs a person first; words where there is room, else glyph and number."""
    present = sorted((status for status, count in counts.items() if count), key=lambda one: STATUS_RANK.get(one, 99))
    pairs: list[list[Piece]] = []
    for worded in (True, False):
        pairs = []
        for status in present:
            glyph, tone = status_look(status)
            word = f" {_(status)}" if worded else ""
            pairs.append([Piece(f"{glyph} {counts[status]}{word}", tone, f"filter:status:{status}"), Piece("  ")])
        if sum(piece.width for pair in pairs for piece in pair) <= room:
            break
    shown: list[Piece] = []
    for pair in pairs:
        room -= sum(piece.width for piece in pair)
        if room < 0:
            break
        shown += pair
    return shown


def acting_pieces(identity: Identity | None, all_projects: bool) -> list[Piece]:
    """Who acts, where."""
    if identity is None:
        return []
    project = _("all projects") if all_projects else identity.project
    return [Piece(f" {identity.user}@{project} ", "key", "project")]
