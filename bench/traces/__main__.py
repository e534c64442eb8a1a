"""Plays mobile links to policies, prints a table for each scale, and writes rows and charts.

    python -m bench.traces [--traces DIR] [--only NAME,...] [--scales 1,0.25] [--offsets 3]
                           [--policies ours,optimum] [--json FILE] [--chart FILE] [--all]

Without `--traces` the links are made of seeds. The same window always gives the same row. `--chart` draws the
window in which the first policy was silent longest, of those that it played to the end.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.traces.metrics import Row
from bench.traces.report import draw, tables
from bench.traces.runs import POLICIES, jobs, run_all
from bench.traces.trace import Trace, read_traces

SCALES = (1.0, 0.25)
ALL_SCALES = (1.0, 0.25, 0.1, 0.05)
OFFSETS, ALL_OFFSETS = 3, 18
QUICK = ("ours", "optimum")
ALL = [name for name in POLICIES if not name.endswith("-fluid") and not name.startswith("fixed-")]


def names_of(text: str) -> list[str]:
    return text.split(",")


def scales_of(text: str) -> list[float]:
    scales = [float(part) for part in text.split(",")]
    if min(scales) <= 0:
        raise ValueError(text)
    return scales


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.traces")
    add = parser.add_argument
    add("--traces", type=Path, metavar="DIR", help="with NAME.csv of t_s,kbit_s (made ones)")
    add("--only", type=names_of, metavar="NAME,...", default=[], help="of the traces (all)")
    add("--scales", type=scales_of, metavar="X,...", help="of every rate (1,0.25)")
    add("--offsets", type=int, metavar="N", help=f"windows of each trace ({OFFSETS})")
    add("--policies", type=names_of, metavar="NAME,...", help=f"of {', '.join(POLICIES)} (ours,optimum)")
    add("--json", type=Path, metavar="FILE", help="write a row for each window and policy")
    add("--chart", type=Path, metavar="FILE", help="draw a window, in FILE-bitrate and FILE-buffer")
    add("--processes", type=int, metavar="N", help="at a time (as many as cores)")
    add(
        "--all",
        action="store_true",
        help=f"all in the client, at all scales, {ALL_OFFSETS} windows a trace",
    )
    chosen = parser.parse_args(arguments)
    chosen.scales = chosen.scales or (ALL_SCALES if chosen.all else SCALES)
    chosen.offsets = chosen.offsets or (ALL_OFFSETS if chosen.all else OFFSETS)
    chosen.policies = chosen.policies or (ALL if chosen.all else QUICK)
    if unknown := [name for name in chosen.policies if name not in POLICIES]:
        parser.error(f"no policy is called {unknown[0]}: there are {', '.join(POLICIES)}")
    try:
        chosen.links = read_traces(chosen.traces, chosen.only)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    if not chosen.links:
        parser.error(f"{chosen.traces} has no traces")
    return chosen


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as a JSON list of objects, one a line."""
    lines = ",\n".join(json.dumps(dataclasses.asdict(row)) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def run(chosen: argparse.Namespace) -> list[Row]:
    """Play everything, and say how far it is."""
    todo = jobs(chosen.links, chosen.scales, chosen.offsets, chosen.policies)
    rows: list[Row] = []
    for row in run_all(todo, chosen.processes):
        rows.append(row)
        if sys.stderr.isatty():
            print(f"\r{len(rows)} of {len(todo)}", end="", file=sys.stderr)
    return rows


def draw_worst(path: Path, traces: Sequence[Trace], rows: Sequence[Row]) -> None:
    """Draw the window in which the first policy was silent longest, of those that it played to the end."""
    policies = dict.fromkeys(row.policy for row in rows)
    first = [row for row in rows if row.policy == rows[0].policy]
    worst = max(first, key=lambda row: (row.unheard_s == 0, row.silence_s))
    trace = next(trace for trace in traces if trace.name == worst.trace)
    window = trace.window(worst.scale, worst.offset_s)
    draw(path, window, {name: POLICIES[name](window) for name in policies})


def main() -> None:
    chosen = parse_arguments()
    began = time.monotonic()
    rows = run(chosen)
    if chosen.json:
        write_rows(chosen.json, rows)
    print("\n".join(tables(rows)))
    if chosen.chart:
        draw_worst(chosen.chart, chosen.links, rows)
    print(f"\n{len(rows)} windows in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
