"""The rows behind a table: order, filter, marks and cursor, all by row id. No Textual here.

Ten thousand rows are usual: sort keys are kept per row, one batch of changes costs one sort of a nearly sorted list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from tuinova.screens.columns import Column
from tuinova.screens.filters import Getter, Predicate, predicate

R = TypeVar("R")


class Applied(NamedTuple):
    """What a batch did: `moved` when rows came, went or changed places, else only `dirty` rows look different."""

    moved: bool
    dirty: frozenset[str]


class TableModel(Generic[R]):
    """Rows by id in the order in which they are shown."""

    def __init__(
        self, columns: Sequence[Column], fields: Mapping[str, Getter], plain: Callable[[R], str], sort_by: str
    ) -> None:
        self.columns = {column.key: column for column in columns}
        self.fields = fields
        self.rows: dict[str, R] = {}
        self.order: list[str] = []
        self.marks: set[str] = set()
        self.cursor: str | None = None
        self.sort_by = sort_by
        self.descending = self.columns[sort_by].descending
        self.filter_text = ""
        self._plain = plain
        self._haystacks: dict[str, tuple[R, str]] = {}
        self._predicate: Predicate | None = None
        self._keys: dict[str, Any] = {}
        self._index: dict[str, int] | None = None
        self._current: str | None = None

    # reading ---------------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.order)

    def position(self, row_id: str | None) -> int | None:
        """The line of a row, None when it is not shown."""
        if row_id is None:
            return None
        if self._index is None:
            self._index = {one: place for place, one in enumerate(self.order)}
        return self._index.get(row_id)

    @property
    def cursor_row(self) -> R | None:
        """The row under the cursor."""
        return self.rows.get(self.cursor) if self.cursor is not None else None

    def marked_rows(self) -> list[R]:
        """The marked rows: the shown ones in the order of the table, then those that the filter hides."""
        shown = [self.rows[one] for one in self.order if one in self.marks]
        hidden = self.marks.difference(self.order) if len(shown) < len(self.marks) else ()
        return shown + [self.rows[one] for one in sorted(hidden) if one in self.rows]

    # changing --------------------------------------------------------------------------------------------------------
    def load(self, rows: Mapping[str, R]) -> None:
        """Replace everything; marks and cursor stay with the ids that are still there."""
        self.rows = dict(rows)
        self.marks &= self.rows.keys()
        self._haystacks.clear()
        self._rebuild()

    def apply(self, updates: Mapping[str, R], gone: Iterable[str] = ()) -> Applied:
        """Take a batch of changes."""
        moved = False
        keys = self._keys
        sort_key = self._sort_key()
        for row_id, row in updates.items():
            was_shown = row_id in keys
            self.rows[row_id] = row
            shown = self._shows(row_id, row)
            if shown:
                key = sort_key(row)
                if not was_shown or keys[row_id] != key:
                    moved = True
                    keys[row_id] = key
                if not was_shown:
                    self.order.append(row_id)
            elif was_shown:
                del keys[row_id]
                moved = True
        for row_id in gone:
            if self.rows.pop(row_id, None) is not None:
                self.marks.discard(row_id)
                self._haystacks.pop(row_id, None)
                moved |= keys.pop(row_id, None) is not None
        if moved:
            place = self._cursor_place()
            if len(keys) < len(self.order):
                self.order = [row_id for row_id in self.order if row_id in keys]
            self._arrange(place)
        return Applied(moved, frozenset(updates))

    def sort(self, column: str, descending: bool | None = None) -> None:
        """Sort by a column; the same one again turns the direction."""
        if descending is None:
            descending = not self.descending if column == self.sort_by else self.columns[column].descending
        self.sort_by, self.descending = column, descending
        self._rebuild()

    def filter(self, text: str) -> None:
        """Show only the rows that the text lets through."""
        self.filter_text = text
        self._predicate = predicate(text, self.fields, self._plain_kept)
        self._rebuild()

    def warm(self, count: int) -> bool:
        """Make ready what plain words look at for some more rows; whether there are more to do."""
        kept, rows = self._haystacks, self.rows
        for row_id in islice((one for one in rows if one not in kept), count):
            kept[row_id] = (rows[row_id], self._plain(rows[row_id]))
        return len(kept) < len(rows)

    # marks and cursor ------------------------------------------------------------------------------------------------
    def toggle_mark(self, row_id: str) -> None:
        """Mark or unmark one row."""
        self.marks ^= {row_id}

    def mark_shown(self) -> None:
        """Mark every shown row; unmark them when all are marked."""
        shown = set(self.order)
        if shown <= self.marks:
            self.marks -= shown
        else:
            self.marks |= shown

    def invert_marks(self) -> None:
        """Turn the marks of the shown rows."""
        self.marks ^= set(self.order)

    def move_to(self, place: int) -> None:
        """Put the cursor on a line (clamped)."""
        self.cursor = self.order[max(0, min(place, len(self.order) - 1))] if self.order else None

    # inside ----------------------------------------------------------------------------------------------------------
    def _plain_kept(self, row: R) -> str:
        row_id = self._current
        if row_id is None:
            return self._plain(row)
        kept = self._haystacks.get(row_id)
        if kept is None or kept[0] is not row:
            kept = self._haystacks[row_id] = (row, self._plain(row))
        return kept[1]

    def _shows(self, row_id: str, row: R) -> bool:
        if self._predicate is None:
            return True
        self._current = row_id
        return bool(self._predicate(row))

    def _sort_key(self) -> Callable[[R], Any]:
        getter, descending = self.columns[self.sort_by].sort, self.descending

        def key(row: R) -> Any:
            value = getter(row)
            # None last in both directions: the list is sorted backwards when descending.
            return ((value is None) != descending, 0 if value is None else value)

        return key

    def _cursor_place(self) -> int:
        return self.position(self.cursor) or 0

    def _rebuild(self) -> None:
        place = self._cursor_place()
        sort_key = self._sort_key()
        if self._predicate is None:
            self._keys = {row_id: sort_key(row) for row_id, row in self.rows.items()}
        else:
            self._keys = {row_id: sort_key(row) for row_id, row in self.rows.items() if self._shows(row_id, row)}
        self.order = list(self._keys)
        self._arrange(place)

    def _arrange(self, place: int) -> None:
        """Sort, forget the old places, and give a cursor whose row went the row that took its place."""
        self.order.sort(key=self._keys.__getitem__, reverse=self.descending)
        self._index = None
        if self.cursor not in self._keys:
            self.move_to(place)
