"""The swarm bench: prints a table for each experiment, and writes the charts.

    python -m bench.swarm --peers 10000 [--seed 1] [--rounds 200] [--charts bench/charts] [--only shape,...]

The cores are those of the product, at every size: the view, the walks, the peer cache, the fair shares. The
same seed gives the same figures. Cyclon's figures come from a plain one in the same run; above 20,000
servers it is left out.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from bench.swarm import eclipse, faults, search, shape
from bench.swarm.population import Swarm
from bench.swarm.report import Section

EXPERIMENTS = ("shape", "faults", "search", "eclipse")
MOST_TO_COMPARE = 20_000  # servers: Cyclon costs five times what the product does


def sections(
    peers: int, seed: int, rounds: int = shape.SETTLED_ROUNDS, only: tuple[str, ...] = EXPERIMENTS
) -> Iterator[Section]:
    """Run one experiment after another on the same settled swarm."""
    compare = peers <= MOST_TO_COMPARE
    swarm = Swarm.grown(peers, seed)
    if "shape" in only:
        yield shape.run(swarm, seed, rounds=rounds, compare=compare)
    else:
        shape.settle(swarm, rounds)
    if "faults" in only:
        yield faults.crashes(swarm)
        yield faults.newcomers(swarm)
        yield faults.churn(swarm)
    if "search" in only:
        yield search.run(swarm, seed)
    if "eclipse" in only:
        yield eclipse.run(swarm, seed, compare=compare)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.swarm")
    parser.add_argument("--peers", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=shape.SETTLED_ROUNDS, help="until the rest begins")
    parser.add_argument("--charts", type=Path, help="folder to write the charts to")
    parser.add_argument("--only", default=",".join(EXPERIMENTS), help="experiments, with commas between")
    args = parser.parse_args()
    started = time.process_time()
    for section in sections(args.peers, args.seed, args.rounds, tuple(args.only.split(","))):
        print("\n".join(section.markdown()), flush=True)
        if args.charts is not None:
            for name, chart in section.charts.items():
                chart.write(args.charts / f"{name}.svg")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{time.process_time() - started:.0f} s of CPU, {peak_mb:.0f} MB at the peak")


if __name__ == "__main__":
    main()
