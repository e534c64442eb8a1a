"""A process that makes tracks beside a server (`jobs.py`): one job a line, until its input ends.

It has a low priority, so that other work on the machine goes first. Signals that end a server may reach all
of its processes (Ctrl-C, systemd); they are the server's, which ends us when it has taken its leave.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Final

NICE: Final = 10  # a tenth of what others get of a busy core


def main() -> None:
    """Do the jobs on standard input, and tell their results on standard output.

    The command line has the music folders.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a decoder prints is no answer

    from lightpeer.serve.importing.jobs import answer_to

    roots = [Path(root) for root in sys.argv[1:]]
    for line in sys.stdin.buffer:
        answers.write(json.dumps(answer_to(line, roots)).encode() + b"\n")


if __name__ == "__main__":
    main()
