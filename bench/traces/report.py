"""Tables of rows, and charts of one window."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import fmean, median

from bench.chart import Chart, Series
from bench.traces.heard import Heard
from bench.traces.metrics import Row
from bench.traces.trace import WINDOW_S, Window

NEAR = 0.01  # of the music: a silence that is no longer than that beyond the optimum's is as good
COLUMNS = (
    "policy",
    "silence s",
    "> 1 % over",
    "worst excess s",
    "given up",
    "kbit/s",
    "of the optimum's",
    "QoE",
    "first sound s, median / worst",
    "to its ideal",
    "switches",
    "wasted kB",
    "wire / heard",
    "radio on",
    "J/h",
)


def tables(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table for each scale: means over all windows, where not said otherwise."""
    for scale in dict.fromkeys(row.scale for row in rows):
        here = [row for row in rows if row.scale == scale]
        best = {(row.trace, row.offset_s): row for row in here if row.policy == "optimum"}
        windows = len({(row.trace, row.offset_s) for row in here})
        yield f"\nScale {scale:g}, {windows} windows of {WINDOW_S:.0f} s\n"
        yield "| " + " | ".join(COLUMNS) + " |"
        yield "|---" * len(COLUMNS) + "|"
        for policy in dict.fromkeys(row.policy for row in here):
            yield "| " + " | ".join(cells([row for row in here if row.policy == policy], best)) + " |"


def cells(rows: Sequence[Row], best: dict[tuple[str, float], Row]) -> list[str]:
    """Return a policy's line.

    Args:
        rows: of the policy.
        best: the optimum's, by trace and offset; empty if it was left out.
    """
    pairs = [(row, best[row.trace, row.offset_s]) for row in rows] if best else []
    excess_s = [row.silence_s - other.silence_s for row, other in pairs]
    first_s = sorted(row.first_sound_s for row in rows if row.first_sound_s is not None)
    ratios = sorted(row.first_sound_s / row.first_sound_ideal_s for row in rows if row.first_sound_s)
    kbps = fmean([row.bitrate_kbps for row in rows if row.bitrate_kbps] or [0.0])
    return [
        rows[0].policy,
        f"{fmean(row.silence_s for row in rows):.2f}",
        f"{sum(excess > NEAR * WINDOW_S for excess in excess_s)}" if pairs else "",
        f"{max(excess_s):.1f}" if pairs else "",
        f"{sum(row.unheard_s > 0 for row in rows)}",
        f"{kbps:.1f}",
        f"{kbps / fmean(other.bitrate_kbps for _, other in pairs):.3f}" if pairs else "",
        f"{fmean(row.qoe for row in rows):.1f}",
        f"{median(first_s):.2f} / {first_s[-1]:.2f}" if first_s else "",
        f"{median(ratios):.2f} / {ratios[-1]:.2f}" if ratios else "",
        _mean((row.switches for row in rows), "{:.1f}"),
        _mean((row.wasted_bytes and row.wasted_bytes / 1000 for row in rows), "{:.0f}"),
        _mean((row.wire_bytes and row.wire_bytes / row.heard_bytes for row in rows), "{:.3f}"),
        _mean((row.radio_on_share for row in rows), "{:.3f}"),
        _mean((row.joules_per_h for row in rows), "{:.0f}"),
    ]


def _mean(values: Iterable[float | None], form: str) -> str:
    known = [value for value in values if value is not None]
    return form.format(fmean(known)) if known else ""


def draw(path: Path, window: Window, heard: dict[str, Heard]) -> None:
    """Draw a window over time: for NAME.svg `NAME-bitrate.svg`, with the link, and `NAME-buffer.svg`.

    Args:
        path: where to.
        window: what was played.
        heard: what was heard of it, by policy.
    """
    title = f"{window.trace.name} at {window.scale:g} of its rate, from {window.offset_s:.0f} s"
    end_s = int(max(one.end_s for one in heard.values())) + 1
    top_kbps = max((max(one.kbps, default=0.0) for one in heard.values()), default=0.0)
    link = [(float(at), min(window.rate_kbit_s(at), 4 * top_kbps)) for at in range(end_s)]
    bitrates = [Series(name, list(_sounding(one))) for name, one in heard.items()]
    label = f"kbit/s (the link up to {4 * top_kbps:.0f})"
    series = [Series("link", link, dashed=True), *bitrates]
    Chart(title, "s", label, series).write(path.with_stem(f"{path.stem}-bitrate"))
    buffers = [Series(name, one.buffer_s) for name, one in heard.items() if one.buffer_s]
    if buffers:
        Chart(title, "s", "s of sound ahead", buffers).write(path.with_stem(f"{path.stem}-buffer"))


def _sounding(heard: Heard) -> Iterator[tuple[float, float]]:
    """Yield (s, kbit/s) of what sounds; 0 in silence."""
    at_s, gaps = heard.first_sound_s or 0.0, list(heard.gaps)
    for kbps in heard.kbps:
        yield at_s, kbps
        at_s += 1.0
        while gaps and gaps[0][0] <= at_s + 1e-6:
            began_s, length_s = gaps.pop(0)
            yield from ((began_s, 0.0), (began_s + length_s, 0.0))
            at_s += length_s
