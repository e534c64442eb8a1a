"""Run seeds of random faults on the whole system.

    python -m tests.sim.faults --seeds 0:1000 [--jobs 2] [--record FILE] [--keep-going]

Exit status 1 when one fails: it is shrunk to the fewest faults that still fail, and printed as a test to
paste. `--record` appends what was run, with its commit, to a file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.sim.faults.plan import Plan, draw
from tests.sim.faults.shrink import as_test, kind_of, shrunk
from tests.sim.faults.world import run

CHUNK = 4


def outcome(seed: int) -> tuple[int, str | None]:
    """Run a seed; return it, and how it failed."""
    return seed, failure_of(draw(seed))


def failure_of(plan: Plan) -> str | None:
    """Return the kind of a plan's failure, None if it holds."""
    try:
        run(plan)
    except Exception as failure:  # noqa: BLE001 - whatever comes out is what is looked for
        return kind_of(failure)
    return None


def outcomes(seeds: range, jobs: int) -> Iterator[tuple[int, str | None]]:
    """Yield what became of each seed, in order."""
    if jobs == 1:
        yield from map(outcome, seeds)
        return
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=50) as pool:
        yield from pool.imap(outcome, seeds, CHUNK)


def parse_seeds(text: str) -> range:
    """Return the seeds from A to before B of "A:B", or the one of "A"."""
    first, _, last = text.partition(":")
    return range(int(first), int(last) if last else int(first) + 1)


def report(seed: int, failure: str) -> None:
    """Print a failure, and its shortest plan."""
    print(f"seed {seed}: {failure}", flush=True)
    plan = shrunk(draw(seed), lambda plan: failure_of(plan) == failure)
    print(as_test(plan, failure), flush=True)


def record(path: Path, seeds: range, failed: int, seconds: float) -> None:
    """Append a line on what was run."""
    git = ["git", "describe", "--always", "--dirty", "--abbrev=7"]
    commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    line = f"| {seeds.start}:{seeds.stop} | {commit} | {failed} | {seconds / 60:.0f} min |\n"
    with path.open("a") as file:
        file.write(line)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=parse_seeds, required=True, metavar="A:B")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--record", type=Path, metavar="FILE", help="append what was run to a table")
    parser.add_argument("--keep-going", action="store_true", help="go on after a failure, and shrink none")
    options = parser.parse_args()
    failed, began = 0, time.monotonic()
    for seed, failure in outcomes(options.seeds, options.jobs):
        if failure is None:
            continue
        failed += 1
        if not options.keep_going:
            report(seed, failure)
            break
        print(f"seed {seed}: {failure}", flush=True)
    seconds = time.monotonic() - began
    print(f"{len(options.seeds)} seeds, {failed} failed, {seconds:.0f} s", flush=True)
    if options.record and (options.keep_going or not failed):
        record(options.record, options.seeds, failed, seconds)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
