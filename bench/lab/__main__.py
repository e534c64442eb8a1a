"""The lab's command line: see the package's docstring."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from . import __doc__ as package_doc
from .link import BurstLoss, Direction, Link, constant, read_trace
from .namespaces import Lab, LabError, down


def burst_loss(text: str) -> BurstLoss:
    mean, _, packets = text.partition(":")
    return BurstLoss(float(mean), float(packets))


def add_link_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--rate", type=float, default=400.0, metavar="KBIT_S", help="of the downlink (400)")
    add("--trace", type=Path, metavar="CSV", help="play t_s,kbit_s on the downlink instead")
    add("--up-rate", type=float, metavar="KBIT_S", help="of the uplink (as the downlink; 384 with a trace)")
    add("--up-trace", type=Path, metavar="CSV")
    add("--rtt", type=float, default=200.0, metavar="MS", help="there and back, half of it each way (200)")
    add("--queue", type=int, default=20_000, metavar="BYTES", help="drop-tail, of the downlink (20000)")
    add("--up-queue", type=int, metavar="BYTES", help="of the uplink (as the downlink's)")
    add("--loss", type=float, default=0.0, metavar="SHARE", help="at random, both ways")
    add("--up-loss", type=float, metavar="SHARE", help="if the uplink's is another")
    add("--burst-loss", type=burst_loss, metavar="SHARE:PACKETS", help="mean loss in bursts of a mean length")
    add("--reorder", type=float, default=0.0, metavar="SHARE", help="of packets, which come later")
    add("--reorder-by", type=float, default=30.0, metavar="MS", help="(30)")
    add("--duplicate", type=float, default=0.0, metavar="SHARE")
    add("--source-rate", type=float, metavar="KBIT_S", help="of each server address, before the downlink")
    add("--no-udp", action="store_true", help="block it")
    add("--seed", type=int, default=1)


def link_of(options: argparse.Namespace) -> Link:
    def steps(rate: float, trace: Path | None) -> list[tuple[float, float]]:
        return read_trace(trace) if trace else constant(rate)

    def direction(rate: list[tuple[float, float]], queue_bytes: int, loss: float) -> Direction:
        return Direction(
            rate,
            delay_s=options.rtt / 2000,
            queue_bytes=queue_bytes,
            loss=loss,
            burst=options.burst_loss,
            reorder=options.reorder,
            reorder_s=options.reorder_by / 1000,
            duplicate=options.duplicate,
        )

    up_rate = options.up_rate or (384.0 if options.trace else options.rate)
    up_loss = options.loss if options.up_loss is None else options.up_loss
    return Link(
        down=direction(steps(options.rate, options.trace), options.queue, options.loss),
        up=direction(steps(up_rate, options.up_trace), options.up_queue or options.queue, up_loss),
        source=Direction(constant(options.source_rate)) if options.source_rate else None,
        blocks_udp=options.no_udp,
        seed=options.seed,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.lab", description=package_doc, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--name", default="lab", help="several links can stand side by side (lab)")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="make the link")
    add_link_options(up)
    up.add_argument("--log", type=Path, metavar="CSV", help="every packet, written by `down`")
    up.add_argument("--congestion", metavar="NAME", help="the server side's TCP: cubic, bbr")
    run = commands.add_parser("run", help="run a program on one side")
    run.add_argument("--in", dest="side", choices=("client", "server"), default="client")
    run.add_argument("program", nargs=argparse.REMAINDER)
    commands.add_parser("down", help="remove the link and print what it saw, as JSON")
    commands.add_parser("selftest", help="check the link against theory")
    options = parser.parse_args()
    try:
        act(options)
    except LabError as error:
        sys.exit(str(error))


def act(options: argparse.Namespace) -> None:
    report = Path(tempfile.gettempdir()) / f"lightpeer-lab-{options.name}.json"
    if options.command == "up":
        lab = Lab(
            link_of(options),
            name=options.name,
            report=report,
            log=options.log,
            congestion=options.congestion,
        )
        lab.up()
    elif options.command == "run":
        program = options.program[1:] if options.program[:1] == ["--"] else options.program
        os.execvp("ip", ["ip", "netns", "exec", f"{options.name}-{options.side}", *program])
    elif options.command == "down":
        down(options.name)
        if report.exists():
            print(report.read_text())
            report.unlink()
    else:
        from .selftest import selftest

        sys.exit(selftest())


if __name__ == "__main__":
    main()
