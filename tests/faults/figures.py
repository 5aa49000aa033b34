"""Figures as tests print them: what was measured, what was asked for, under which load."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Figures:
    """A table of figures; each that misses its demand is a failure, all of them are shown."""

    title: str
    rows: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def note(self, what: str, value: object) -> None:
        """Show a figure of which nothing is demanded."""
        self.rows.append((what, _shown(value), "", True))

    def most(self, what: str, value: float, limit: float) -> None:
        """Show a figure that may be at most `limit`."""
        self.rows.append((what, _shown(value), f"≤ {limit:g}", value <= limit))

    def exactly(self, what: str, value: object, wanted: object) -> None:
        """Show a figure that must be `wanted`."""
        self.rows.append((what, _shown(value), f"= {_shown(wanted)}", value == wanted))

    def check(self) -> None:
        """Print the table and fail when a demand is missed."""
        load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
        self.note("load of the machine, 1, 5 and 15 minutes", load)
        table = self.table()
        print(table)
        assert all(row[-1] for row in self.rows), table

    def table(self) -> str:
        """Return all of it as text."""
        cells: Sequence[tuple[str, str, str]] = [
            (what, value, f"{wanted}{'' if is_met else '   MISSED'}")
            for what, value, wanted, is_met in self.rows
        ]
        widths = [max(len(row[at]) for row in cells) for at in (0, 1)]
        lines = [f"  {a:<{widths[0]}}  {b:>{widths[1]}}  {c}".rstrip() for a, b, c in cells]
        return "\n".join(("", self.title, *lines))


def _shown(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
