"""Columns that grow by doubling; a snapshot never changes, since the first write after it makes a copy."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_FIRST_CAPACITY = 16


class Pool:
    """Values that many hosts share, each kept once; a column holds their numbers.

    What must be computed in Python is then computed once a distinct value and not once a host.
    """

    __slots__ = ("_codes", "values")

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._codes: dict[Hashable, int] = {}

    def code(self, key: Hashable, make: Callable[[], Any]) -> int:
        """The number of the value that `key` stands for; `make` builds it when it is new."""
        found = self._codes.get(key)
        if found is None:
            found = len(self.values)
            self.values.append(make())
            self._codes[key] = found
        return found

    def only(self, codes: Array) -> tuple[Pool, Array]:
        """A pool of the values in use, and the codes translated to it."""
        fresh, keys = Pool(), list(self._codes)
        translation = np.zeros(len(self.values), dtype=codes.dtype)
        for code in np.unique(codes):
            translation[code] = fresh.code(keys[code], lambda code=code: self.values[code])  # type: ignore[misc]
        return fresh, translation[codes]


class Columns:
    """Named arrays of equal length; the owner must hold its lock for every call."""

    def __init__(self) -> None:
        self.n = 0
        self._capacity = _FIRST_CAPACITY
        self._arrays: dict[str, Array] = {}
        self._fill: dict[str, Any] = {}
        self._shared: set[str] = set()

    def add(self, name: str, dtype: Any, fill: Any) -> None:
        """Add a column whose rows start as `fill`."""
        self._arrays[name] = np.full(self._capacity, fill, dtype=dtype)
        self._fill[name] = fill

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def __getitem__(self, name: str) -> Array:
        """The column for reading."""
        return self._arrays[name]

    def reserve(self, rows: int) -> None:
        """Make room for that many rows in all."""
        if rows <= self._capacity:
            return
        while self._capacity < rows:
            self._capacity *= 2
        for name, old in self._arrays.items():
            new = np.full(self._capacity, self._fill[name], dtype=old.dtype)
            new[: self.n] = old[: self.n]
            self._arrays[name] = new
        self._shared.clear()

    def append(self) -> int:
        """Add a row of fill values and return its number.

        Rows beyond a snapshot's length are not part of it, so this needs no copy.
        """
        self.reserve(self.n + 1)
        self.n += 1
        return self.n - 1

    def own(self, name: str) -> Array:
        """The column for writing, copied first when a snapshot has it."""
        if name in self._shared:
            self._arrays[name] = self._arrays[name].copy()
            self._shared.discard(name)
        return self._arrays[name]

    def put(self, name: str, row: int, value: Any) -> None:
        """Write one cell; a value that is already there costs no copy."""
        array = self._arrays[name]
        if name in self._shared:
            present = array[row]
            if present is value or (array.dtype != object and present == value):
                return
            array = self.own(name)
        array[row] = value

    def take(self, rows: Array) -> Columns:
        """New columns with only these rows, in this order."""
        taken = Columns()
        taken.n = len(rows)
        while taken._capacity < taken.n:
            taken._capacity *= 2
        for name, old in self._arrays.items():
            taken.add(name, old.dtype, self._fill[name])
            taken._arrays[name][: taken.n] = old[rows]
        return taken

    def names(self, prefix: str) -> list[str]:
        """The columns whose name begins so."""
        return [name for name in self._arrays if name.startswith(prefix)]

    def share(self) -> dict[str, Array]:
        """The arrays as they are now, never to be written again (they may be longer than `n`)."""
        self._shared.update(self._arrays)
        return dict(self._arrays)
