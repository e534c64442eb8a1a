"""How soon a search prints what has come: from the start of the command to the reply, and to its first line.

    python -m bench.showing [--runs 15]

A real server with a dozen short tracks and the real command on this machine, each run a process with a state
directory of its own. A line may be printed late by what is imported or done once the hits are here; the goal
is that it comes within a tenth of the time that they took.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from tests.process.harness import Server, run
from tests.serve.media import write_wav

TRACKS = 12
GOAL = 1.1
COMMAND = """
import sys, time
began_s = time.monotonic()
from lightpeer.__main__ import main
from lightpeer.client.query import Asker
from lightpeer.console.output import Output
replies, printed, told = Asker.replies, Output._print, {}

async def timed(*given):
    async for reply in replies(*given):
        told.setdefault("reply", time.monotonic() - began_s)
        yield reply

def print_timed(output, line):
    told.setdefault("line", time.monotonic() - began_s)
    printed(output, line)

Asker.replies, Output._print = timed, print_timed
status = main()
print(told["reply"], told["line"], file=sys.stderr)
sys.exit(status)
"""


def measured(folder: Path, server: Server) -> tuple[float, float]:
    """Return when the reply came and when the first line was printed, in seconds from the start."""
    arguments = ("search", "song", "--bootstrap", server.rpc, "--state", folder / "state")
    done = run(*arguments, cwd=folder, code=COMMAND)
    assert len(done.out.splitlines()) == 10, done
    reply_s, line_s = map(float, done.err.splitlines()[-1].split())
    return reply_s, line_s


def main() -> None:
    """Measure, and print a line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "music").mkdir()
        for number in range(TRACKS):
            write_wav(folder / "music" / f"Song {number}.wav", 1.5 + number / 10)
        with Server(folder / "server", folder / "music", ladder="24") as server:
            measured(folder, server)
            both = [measured(folder, server) for _ in range(runs)]
    reply_s, line_s = (statistics.median(times) for times in zip(*both, strict=True))
    worst = max(line / reply for reply, line in both)
    verdict = "yes" if worst <= GOAL else "NO"
    print(
        f"reply after {1000 * reply_s:.0f} ms, first line after {1000 * line_s:.0f} ms (medians of {runs}); "
        f"at worst {worst:.3f} times, at most {GOAL}: {verdict}"
    )


if __name__ == "__main__":
    main()
