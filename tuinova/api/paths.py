"""Which operations a path has, found part by part: trying a hundred routes in turn is much of a short request."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class _Node(Generic[T]):
    """What may follow the parts of a path so far."""

    __slots__ = ("any_text", "names", "spelled", "value")

    def __init__(self) -> None:
        self.spelled: dict[str, _Node[T]] = {}
        self.any_text: _Node[T] | None = None
        self.value: T | None = None
        self.names: tuple[str, ...] = ()


class PathTable(Generic[T]):
    """Paths with `{names}` for parts of any text but none; a part that is spelled out goes before a named one."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()

    def add(self, path: str, value: T) -> None:
        """Let the path lead to the value; raises ValueError for a path that is there."""
        node, names = self._root, []
        for part in path.split("/"):
            if part.startswith("{"):
                names.append(part[1:-1])
                if node.any_text is None:
                    node.any_text = _Node()
                node = node.any_text
            else:
                node = node.spelled.setdefault(part, _Node())
        if node.value is not None:
            raise ValueError(f"{path} is there already")
        node.value, node.names = value, tuple(names)

    def find(self, path: str) -> tuple[T, dict[str, str]] | None:
        """The value that the path leads to and its named parts, or None."""
        texts: list[str] = []
        node = _walk(self._root, path.split("/"), 0, texts)
        if node is None or node.value is None:
            return None
        return node.value, dict(zip(node.names, texts, strict=True))


def _walk(node: _Node[T], parts: list[str], place: int, texts: list[str]) -> _Node[T] | None:
    if place == len(parts):
        return node if node.value is not None else None
    part = parts[place]
    further = node.spelled.get(part)
    if further is not None:
        found = _walk(further, parts, place + 1, texts)
        if found is not None:
            return found
    if node.any_text is None or not part:
        return None
    texts.append(part)
    found = _walk(node.any_text, parts, place + 1, texts)
    if found is None:
        texts.pop()
    return found
