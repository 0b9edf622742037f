"""Resources of a project that show themselves as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from cryolattice.client import html

_SHOWN = 20
_ALL = 1000


class Listing[Item](ABC):
    """What is there, newest first."""

    _headings: tuple[str, ...]

    @abstractmethod
    def newest(self, limit: int = _SHOWN) -> list[Item]:
        """Return the newest, at most `limit` (up to 1000)."""

    @abstractmethod
    def _row(self, item: Item) -> tuple[str, ...]:
        """Return the cells of an item."""

    def __iter__(self) -> Iterator[Item]:
        return iter(self.newest(_ALL))

    def __repr__(self) -> str:
        rows = [self._headings, *(self._row(item) for item in self.newest())]
        if len(rows) == 1:
            return f"<{type(self).__name__}: none>"
        widths = [max(len(row[column]) for row in rows) for column in range(len(self._headings))]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [self._row(item) for item in self.newest()]
        remark = f"the newest {_SHOWN}" if len(rows) == _SHOWN else "" if rows else "none"
        return html.title(type(self).__name__, remark) + (
            html.table(self._headings, rows) if rows else ""
        )
