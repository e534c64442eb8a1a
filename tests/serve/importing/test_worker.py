"""The process that makes tracks: what it reads and answers, alone at its end of two pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from lightpeer.serve.importing.worker import NICE

SILENT = "print('what a decoder prints', flush=True)"


def start(before: str = "") -> subprocess.Popen[bytes]:
    """Start a worker whose answers come from the test; it prints beside them."""
    program = f"""
from lightpeer.serve.importing import jobs, worker
def answer_to(line, *_):
    {SILENT}
    return {{"told": line.decode().strip()}}
jobs.answer_to = answer_to
{before}
worker.main()
"""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", program], stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[bytes]]:
    with start() as process:
        yield process
        process.kill()


def ask(process: subprocess.Popen[bytes], line: str) -> object:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n".encode())
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def test_each_line_has_one_answer_and_what_is_printed_is_none(worker):
    assert [ask(worker, line) for line in ("one", "two")] == [{"told": "one"}, {"told": "two"}]
    out, err = worker.communicate()
    assert (worker.returncode, out) == (0, b""), "it ends with its input"
    assert err.count(b"what a decoder prints") == 2


def test_it_yields_to_others_and_leaves_signals_to_its_server(worker):
    ask(worker, "one")
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) == min(own + NICE, 19)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        worker.send_signal(number)
    assert ask(worker, "two") == {"told": "two"}


def test_a_fault_outside_of_a_job_ends_it_for_its_server_to_see():
    with start("jobs.answer_to = lambda *_: 1 / 0") as process:
        out, err = process.communicate(b"one\n")
    assert (process.returncode, out) == (1, b"")
    assert b"ZeroDivisionError" in err
