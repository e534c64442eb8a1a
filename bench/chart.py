"""Charts as SVG: lines and points over two axes, linear or logarithmic, without a plotting library.

    Chart("Title", "x (unit)", "y (unit)", [Series("name", [(0, 1), (1, 3)])]).write(path)

Axes begin and end at round numbers around the data. Output depends on the data alone, so that a chart
in the repository changes only when its figures do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 55
# Okabe and Ito's palette, which colour-blind people can tell apart, without its yellow.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
FONT = 'font-family="sans-serif" font-size="12"'
STEPS = (1, 2, 2.5, 5, 10)
DASH = "5 4"


@dataclass(frozen=True, slots=True)
class Series:
    """One line; `dashed` for what is only there to compare with, `marked` to show the points themselves."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from data to pixels; the ticks' ends are the axis's."""

    ticks: tuple[float, ...]
    start: float  # pixels
    end: float
    log: bool

    def position(self, value: float) -> float:
        """Return the pixel of a value; outside the axis it is held to the nearer end."""
        low, high = self._scaled(self.ticks[0]), self._scaled(self.ticks[-1])
        share = (self._scaled(value) - low) / (high - low)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def _scaled(self, value: float) -> float:
        return math.log10(max(value, self.ticks[0])) if self.log else value


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of some series. Logarithmic axes take positive values."""

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    log_x: bool = False
    log_y: bool = False
    y_from_zero: bool = True

    def write(self, path: Path) -> None:
        """Write the chart to a file, and make its folder if need be."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_svg(), encoding="utf-8")

    def to_svg(self) -> str:
        """Return the chart as an SVG document."""
        xs = [x for series in self.series for x, _ in series.points]
        ys = [y for series in self.series for _, y in series.points]
        zero = [] if self.log_y or not self.y_from_zero else [0.0]
        x = Axis(ticks(xs, log=self.log_x), LEFT, WIDTH - RIGHT, self.log_x)
        y = Axis(ticks(ys + zero, log=self.log_y), HEIGHT - BOTTOM, TOP, self.log_y)
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            _text(WIDTH / 2, 22, self.title, anchor="middle", size=15),
            *self._frame(x, y),
            *(part for i, series in enumerate(self.series) for part in _series(series, i, x, y)),
            *(part for i, series in enumerate(self.series) for part in _legend(series, i)),
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def _frame(self, x: Axis, y: Axis) -> Iterable[str]:
        for tick in x.ticks:
            yield _line(x.position(tick), y.start, x.position(tick), y.end, "#dddddd")
            yield _text(x.position(tick), y.start + 18, f"{tick:g}", anchor="middle")
        for tick in y.ticks:
            yield _line(x.start, y.position(tick), x.end, y.position(tick), "#dddddd")
            yield _text(x.start - 6, y.position(tick) + 4, f"{tick:g}", anchor="end")
        yield _text((x.start + x.end) / 2, HEIGHT - 14, self.x_label, anchor="middle")
        middle = (y.start + y.end) / 2
        yield (
            f'<text x="16" y="{middle:.1f}" text-anchor="middle" transform="rotate(-90 16 {middle:.1f})">'
            f"{escape(self.y_label)}</text>"
        )


def ticks(values: Iterable[float], *, log: bool = False, about: int = 6) -> tuple[float, ...]:
    """Return round numbers that span the values, about so many; powers of ten on a logarithmic axis."""
    values = list(values) or [1.0]
    low, high = min(values), max(values)
    if log:
        first = math.floor(math.log10(low))
        last = max(first + 1, math.ceil(math.log10(high)))
        return tuple(10.0**n for n in range(first, last + 1))
    raw = (high - low or abs(high) or 1.0) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in STEPS if s * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(n * step, 12) for n in range(first, max(last, first + 1) + 1))


def _series(series: Series, number: int, x: Axis, y: Axis) -> Iterable[str]:
    colour = COLOURS[number % len(COLOURS)]
    places = [(x.position(a), y.position(b)) for a, b in series.points]
    dash = f' stroke-dasharray="{DASH}"' if series.dashed else ""
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
    if series.marked:
        yield from (f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places)


def _legend(series: Series, number: int) -> Iterable[str]:
    colour, top = COLOURS[number % len(COLOURS)], TOP + 16 + 16 * number
    yield _line(
        WIDTH - RIGHT - 22, top - 4, WIDTH - RIGHT - 4, top - 4, colour, DASH if series.dashed else "", 2
    )
    yield _text(WIDTH - RIGHT - 28, top, series.name, anchor="end")


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "", width: int = 1) -> str:
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{colour}" stroke-width="{width}"{dashed}/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str, size: int = 0) -> str:
    sized = f' font-size="{size}"' if size else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{sized}>{escape(text)}</text>'
