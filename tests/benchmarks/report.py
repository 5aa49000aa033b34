"""What a benchmark found, and how it is shown."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Goal(StrEnum):
    """Whether the ratio should reach its goal or stay below it."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison: `ours` against `other`, both in `unit`. No `goal`: shown for interest."""

    name: str
    ours: float
    other: float
    against: str
    unit: str = "/s"
    goal: float | None = None
    kind: Goal = Goal.AT_LEAST

    @property
    def ratio(self) -> float:
        """Return ours divided by the other."""
        return self.ours / self.other

    @property
    def verdict(self) -> str:
        """Return PASS, MISS, or nothing where there is no goal."""
        if self.goal is None:
            return ""
        is_met = self.ratio >= self.goal if self.kind is Goal.AT_LEAST else self.ratio <= self.goal
        return "PASS" if is_met else "MISS"


def at_most(name: str, ours: float, most: float, unit: str) -> Row:
    """Return the row of a figure that has a limit of its own."""
    return Row(
        name=name, ours=ours, other=most, against="limit", unit=unit, goal=1.0, kind=Goal.AT_MOST
    )


HEAD = ("what", "Kuvert", "other", "", "ratio", "goal", "")


def as_table(rows: Sequence[Row]) -> str:
    """Write the rows for people."""
    cells = [HEAD, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    return "\n".join(_line(line, widths) for line in cells)


def as_json(rows: Sequence[Row]) -> str:
    """Write the rows for programs, one object in all."""
    shown = [{**asdict(row), "ratio": row.ratio, "verdict": row.verdict} for row in rows]
    return json.dumps({"rows": shown}, ensure_ascii=False)


def figure(value: float) -> str:
    """Write a number with as many digits as mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cells(row: Row) -> tuple[str, ...]:
    goal = "" if row.goal is None else f"{row.kind} {row.goal:g}"
    ours, other = (f"{figure(value)} {row.unit}".strip() for value in (row.ours, row.other))
    return (row.name, ours, other, row.against, figure(row.ratio), goal, row.verdict)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()
