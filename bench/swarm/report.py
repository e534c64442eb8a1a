"""A result as people read it: rows of a table in Markdown, and the charts beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.chart import Chart


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: measured, what it compares with, and what it had to reach, if anything."""

    figure: str
    measured: str
    compared: str = ""
    goal: str = ""
    reached: bool | None = None


@dataclass(slots=True)
class Section:
    """One experiment."""

    title: str
    rows: list[Row] = field(default_factory=list)
    charts: dict[str, Chart] = field(default_factory=dict)  # by the file's name without its end

    def add(
        self, figure: str, measured: str, compared: str = "", goal: str = "", *, reached: bool | None = None
    ) -> None:
        self.rows.append(Row(figure, measured, compared, goal, reached))

    def markdown(self) -> Iterator[str]:
        yield f"### {self.title}"
        yield ""
        yield "| figure | measured | for comparison | to reach | reached |"
        yield "|---|---|---|---|---|"
        for row in self.rows:
            reached = {None: "", True: "yes", False: "NO"}[row.reached]
            yield f"| {row.figure} | {row.measured} | {row.compared} | {row.goal} | {reached} |"
        yield ""


def percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %"
