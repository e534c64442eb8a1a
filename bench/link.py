"""Bulk transfers over emulated poor links: lightpeer beside what people would use instead, in one run.

    sudo python -m bench.link [--runs 3] [--links L1,L2] [--peers lightpeer,bbr] [--traces DIR] [--work DIR]

Each program fetches the same bytes through a link of `bench.lab` of its own, in turns, and
every figure is the median of the runs, which differ in what is lost. What is measured is
what the link and the kernel saw, from the link's first packet on; see `links.measure`.
Loss is random, both ways, after the bottleneck. A `--work` folder keeps the tracks, and
the packets and result of every transfer: a run that was cut short goes on there.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench.lab.link import Capacity, Direction, Link, constant, read_trace
from bench.lab.namespaces import LabError
from bench.links.charts import write_charts
from bench.links.measure import FailedError, Transfer, transfer
from bench.links.peers import ALL_PEERS, FOUR_BESIDE_ONE, FOUR_SOURCES, PEERS, Peer
from bench.links.track import prepare

TCP_OVERHEAD = 1500 / 1448  # of the ideal transfer over a trace: full segments, no round trips, no queue
SOURCES = 4
NOT_DRAWN = {"quic-reno", "fallback"}  # six lines can be told apart
Results = dict[str, list[Transfer]]  # by peer


@dataclass(frozen=True, slots=True)
class Case:
    """A link, what is carried over it, and by whom."""

    link: Link
    megabytes: float
    peers: dict[str, Peer]
    text: str


def even(kbit_s: float, rtt_s: float, queue_bdp: float, loss: float = 0.0, megabytes: float = 1.0) -> Case:
    """Return a link that is the same both ways."""
    bdp_bytes = kbit_s * 125 * rtt_s
    way = Direction(constant(kbit_s), delay_s=rtt_s / 2, queue_bytes=round(bdp_bytes * queue_bdp), loss=loss)
    losses = f"{loss:.1%}" if loss else "no"
    text = f"{kbit_s / 1000:g} Mbit/s, {rtt_s * 1000:g} ms, {losses} loss, queue {queue_bdp:g} BDP"
    return Case(Link(way, way), megabytes, PEERS, text)


def beside(case: Case, source: Direction) -> Case:
    """Return a case in which several sources, each faster than the link, are set beside one."""
    text = f"one source, and {SOURCES}, each as fast as 800 kbit/s, behind {case.text}"
    return replace(case, link=replace(case.link, source=source), peers=FOUR_BESIDE_ONE, text=text)


def traced(path: Path, megabytes: float) -> Case:
    down = Direction(read_trace(path), delay_s=0.075, queue_bytes=256_000)
    up = replace(down, steps=constant(384))
    return Case(Link(down, up), megabytes, PEERS, f"{path.name}, 384 kbit/s up, 150 ms, queue 256 kB")


def cases(traces: Path | None) -> dict[str, Case]:
    l1 = even(400, 0.2, 2)
    slow, fast = Direction(constant(100)), Direction(constant(800))
    thin, thinner = even(80, 0.2, 40), even(52, 0.2, 40, megabytes=0.3)
    found = {
        "L1": l1,
        "L2": even(400, 0.2, 2, 0.02),
        "L3": even(1600, 0.3, 2, 0.01),
        "L4": even(5000, 0.1, 2, 0.005, megabytes=4),
        "L5": even(400, 0.2, 10, 0.02),
        "sources": replace(
            l1,
            link=replace(l1.link, source=slow),
            peers=FOUR_SOURCES,
            text=f"{SOURCES} sources of 100 kbit/s each behind L1",
        ),
        "thin": thin,
        "thinner": thinner,
        "fast-sources": beside(l1, fast),
        "fast-thin": beside(thinner, fast),
    }
    if traces:
        found["tram"] = traced(traces / "tram.csv", 4)
        found["metro"] = traced(traces / "metro.csv", 10)
    return found


def ideal_s(case: Case, size: int) -> float:
    """Return when a link has carried a payload in full TCP segments, without a round trip."""
    return Capacity(case.link.down.steps).time_of(size * 8 * TCP_OVERHEAD)


def compare(
    chosen: dict[str, Case], names: Iterable[str], runs: int, work: Path, lab: str
) -> dict[str, Results]:
    """Return the transfers by case and peer; those that failed are told and left out."""
    results: dict[str, Results] = {name: {} for name in chosen}
    for run, link_name, peer_name in turns(chosen, names, runs):
        case = chosen[link_name]
        peer = case.peers[peer_name]
        folder = work / f"run-{run}" / link_name / peer_name
        case = replace(case, link=replace(case.link, seed=run))
        try:
            result = kept(folder / "result.json", partial(measure, case, peer, work, folder, lab))
        except FailedError as error:
            print(f"{link_name}, {peer.name}: {error}", file=sys.stderr, flush=True)
            continue
        results[link_name].setdefault(peer_name, []).append(result)
        print(f"{link_name} {peer.name} {cell(result)} {result.time_s:.1f} s", file=sys.stderr, flush=True)
    return results


def turns(chosen: dict[str, Case], names: Iterable[str], runs: int) -> Iterator[tuple[int, str, str]]:
    for run in range(1, runs + 1):
        for link_name, case in chosen.items():
            for peer_name in names:
                if peer_name in case.peers:
                    yield run, link_name, peer_name


def measure(case: Case, peer: Peer, work: Path, folder: Path, lab: str) -> Transfer:
    track = prepare(work / f"track-{case.megabytes:g}", case.megabytes, SOURCES)
    return transfer(peer, case.link, lab, track, folder, limit_s=30 + 10 * ideal_s(case, track.size))


def kept(path: Path, measure: Callable[[], Transfer]) -> Transfer:
    """Return the result that a file holds, or measure it and write the file."""
    if not path.exists():
        result = measure()
        path.write_text(json.dumps(result._asdict()))
    return Transfer(**json.loads(path.read_text()))


def median(transfers: list[Transfer]) -> Transfer:
    """Return the median of each figure."""
    return Transfer(*(statistics.median(column) for column in zip(*transfers, strict=True)))


def cell(result: Transfer) -> str:
    return f"{result.share:.2f}; {result.queue_mean_ms:.0f}/{result.queue_p95_ms:.0f}"


def print_links(chosen: dict[str, Case], results: dict[str, Results]) -> None:
    """Print shares and queues by peer and link, and what they cost."""
    links = [name for name in results if name.startswith("L")]
    if not links:
        return
    titles = [f"{name} {chosen[name].megabytes:g} MB" for name in links]
    print("| | " + " | ".join([*titles, "CPU s per MB", "wire down / up per byte", "peak MB"]) + " |")
    print("|---" * (len(links) + 4) + "|")
    for peer_name, peer in PEERS.items():
        medians = {link: median(results[link][peer_name]) for link in links if peer_name in results[link]}
        if medians:
            cells = [cell(medians[link]) if link in medians else "" for link in links]
            print(f"| {peer.name} | " + " | ".join([*cells, *costs(list(medians.values()))]) + " |")


def costs(medians: list[Transfer]) -> list[str]:
    """Return CPU, wire and memory cells: from the least of the links to the greatest."""
    down, up = span([one.wire_down for one in medians], 2), span([one.wire_up for one in medians], 3)
    cpu, peak = span([one.cpu_s_per_mb for one in medians], 2), span([one.peak_mb for one in medians], 0)
    return [cpu, f"{down} / {up}", peak]


def span(values: list[float], digits: int) -> str:
    least, greatest = (f"{value:.{digits}f}" for value in (min(values), max(values)))
    return least if least == greatest else f"{least} to {greatest}"


def print_others(chosen: dict[str, Case], results: dict[str, Results]) -> None:
    """Print times and queues over traces and from several sources."""
    for name in (name for name in results if not name.startswith("L")):
        case = chosen[name]
        ideal = f"{ideal_s(case, round(case.megabytes * 1e6)):.1f} s in full TCP segments"
        print(f"\n{name}: {case.text}; {case.megabytes:g} MB, at best {ideal}.\n")
        print("| | time s | share | queue mean / p95 / max ms | CPU s per MB | wire down / up | peak MB |")
        print("|---|---|---|---|---|---|---|")
        for peer_name, transfers in results[name].items():
            one = median(transfers)
            queue = f"{one.queue_mean_ms:.0f} / {one.queue_p95_ms:.0f} / {one.queue_max_ms:.0f}"
            cells = [f"{one.time_s:.1f}", f"{one.share:.2f}", queue, *costs([one])]
            print(f"| {case.peers[peer_name].name} | " + " | ".join(cells) + " |")


def draw(chosen: dict[str, Case], names: Iterable[str], work: Path, folder: Path) -> None:
    """Draw the first run of each link."""
    for link_name, case in chosen.items():
        logs = {}
        for peer_name in names:
            log = work / "run-1" / link_name / peer_name / "packets.csv"
            if peer_name not in NOT_DRAWN and log.exists():
                logs[case.peers[peer_name].name] = log
        if logs:
            write_charts(folder, link_name, case.text, logs)


def lateness_ms(results: dict[str, Results]) -> float:
    """Return the lab's own error in the transfer that had the greatest."""
    transfers = [one for found in results.values() for some in found.values() for one in some]
    return max((one.late_p95_ms for one in transfers), default=0.0)


def names_of(text: str) -> list[str]:
    return text.split(",")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--links", type=names_of, help="some of L1 to L5, sources, thin … (all)")
    parser.add_argument(
        "--peers", type=names_of, default=list(ALL_PEERS), help=f"of {', '.join(ALL_PEERS)} (all)"
    )
    parser.add_argument("--traces", type=Path, metavar="DIR", help="with tram.csv and metro.csv")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep tracks, packets and results there")
    parser.add_argument("--name", default="lablink", help="of the lab's link, if several stand side by side")
    parser.add_argument("--charts", type=Path, metavar="DIR", help="draw the first run there, as SVG")
    return parser.parse_args()


def able(names: Iterable[str]) -> Iterator[str]:
    """Yield who can run here, and say why the others cannot."""
    for name in names:
        if why := ALL_PEERS[name].missing():
            print(f"{ALL_PEERS[name].name} is left out: {why}", file=sys.stderr)
        else:
            yield name


def main() -> None:
    options = parse_arguments()
    known = cases(options.traces)
    chosen = {name: known[name] for name in options.links or known}
    names = list(able(options.peers))
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        try:
            results = compare(chosen, names, options.runs, work, options.name)
        except LabError as error:
            sys.exit(str(error))
        if options.charts:
            draw(chosen, names, work, options.charts)
    print(f"Medians of {options.runs} runs in turns. Share of the link; queue mean/95th percentile in ms.")
    print(f"The lab was {lateness_ms(results):.1f} ms late (95th percentile, worst transfer).\n")
    print_links(chosen, results)
    print_others(chosen, results)


if __name__ == "__main__":
    main()
