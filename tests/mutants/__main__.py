"""Run the tests against mutants of the modules that keep the music going, made by mutmut.

    pip install -e '.[test,mutants]'
    python -m tests.mutants [MODULE ...] [--jobs 2] [--sample N] [--seed 1] [--budget SECONDS] [--again]

A mutant is the code with one thing wrong: a `<` for a `<=`, a number that is one more, an argument left out.
It is killed when a test fails or does not end. Cores are judged by their own
tests and by the types; the shells around them by the tests of the shell and of the simulated network, but
for the fault run.
Prints a line for each module and each survivor with its difference; exit status 1 if fewer than 90 % of a
module's are killed. `--sample` takes so many of each module at random; `--budget` judges each by so many
seconds of tests at most, those first that have killed most; `--again` goes on with what was done before, and
tries what was not tried and what survived. All work is done in `build/mutants`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

TO_KILL = 0.9
CORES = (
    "budget/standing",
    "lan/mdns",
    "queue/play_queue",
    "rate/bandwidth",
    "segments/buffer",
    "rate/crowd",
    "rate/flow",
    "rate/history",
    "plan/bursts",
    "plan/insurance",
    "plan/rules",
    "plan/view",
    "segments/assembly",
    "rate/meters",
    "udp/outstanding",
    "udp/pacer",
    "segments/playout",
    "sources/probe",
    "udp/receiver",
    "rpc/reply_burst",
    "search/fields",
    "search/spelling",
    "segments/asking",
    "segments/download",
    "segments/hold_ups",
    "segments/object_queue",
    "segments/playback_buffer",
    "segments/pull_call",
    "segments/source",
    "segments/source_set",
    "segments/udp_stream",
    "segments/retries",
    "segments/scheduler",
    "sources/selection",
    "segments/skips",
    "segments/tables",
    "segments/transports",
    "segments/wishes",
    "sources/call_watch",
    "sources/path_state",
    "sources/roster",
    "sources/source_search",
    "sources/throughput",
    "sources/transport",
    "sources/udp_watch",
)
SHELLS = (
    "playback/deck",
    "playback/player",
    "download/session",
    "download/connection",
)
TYPES = (sys.executable, "-m", "mypy", "--output", "json", "--no-warn-unused-ignores")
ELSEWHERE = ("tests/sim/test_faults.py", "tests/cli/demo/test_run.py")  # too long; in other processes
FOLDER = Path("build/mutants")
COPIED = ("lightpeer", "tests", "proto", "bench", "pyproject.toml", "README.md")
SURVIVED, UNTESTED = 0, 33  # as mutmut keeps how the tests ended


class Group(NamedTuple):
    """Modules that the same tests judge."""

    name: str
    modules: tuple[str, ...]
    folder: str
    tests: tuple[str, ...]
    types: tuple[str, ...]  # the type checker; mutmut cannot tell whose fault an error is in the shells


GROUPS = (
    Group("cores", CORES, "lightpeer/core", ("tests/core",), TYPES),
    Group(
        "shells",
        SHELLS,
        "lightpeer",
        (
            "tests/client",
            "tests/download",
            "tests/playback",
            "tests/sim",
            *(f"--ignore={name}" for name in ELSEWHERE),
        ),
        (),
    ),
)


class Mutants(NamedTuple):
    """What became of a module's mutants: the exit status of the tests by the mutant's name."""

    module: str
    ended: dict[str, int | None]

    @property
    def tried(self) -> list[str]:
        return [name for name, status in self.ended.items() if status is not None]

    @property
    def survivors(self) -> list[str]:
        return [name for name in self.tried if self.ended[name] in {SURVIVED, UNTESTED}]

    @property
    def killed(self) -> float:
        return 1 - len(self.survivors) / len(self.tried) if self.tried else 1.0


def prepare(group: Group, *, again: bool) -> Path:
    """Copy what is tested to a folder of its own, with mutmut's configuration; return it."""
    folder = FOLDER / group.name
    if not again:
        shutil.rmtree(folder, ignore_errors=True)
    settings = {
        "source_paths": ["lightpeer"],
        "only_mutate": [f"{group.folder}/{module}.py" for module in group.modules],
        "also_copy": ["proto", "bench", "README.md"],
        "pytest_add_cli_args_test_selection": list(group.tests),
        "pytest_add_cli_args": ["-p", "no:xdist", "-p", "no:cacheprovider", "-p", "tests.mutants.fastest"],
        "type_check_command": list(group.types),
        "do_not_mutate_patterns": [r"^\s*(assert|logger\.)"],  # words for developers
        "timeout_multiplier": 4.0,
        "timeout_constant": 4.0,
    }
    configured = "\n[tool.mutmut]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in settings.items())
    listed = subprocess.run(["git", "ls-files", *COPIED], capture_output=True, text=True, check=True)
    for name in listed.stdout.splitlines():
        data, copy = Path(name).read_bytes(), folder / name
        if name == "pyproject.toml":
            data += configured.encode()
        if not copy.exists() or copy.read_bytes() != data:  # mutmut goes by when a file was written
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
            if name.startswith(group.folder):  # which tests come to what is new, only a run of all tells
                (folder / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    for module in group.modules:
        if not (folder / "mutants" / group.folder / f"{module}.py.meta").exists():
            (folder / group.folder / f"{module}.py").touch()  # it was only copied before
    return folder


def mutmut(folder: Path, *arguments: str) -> str:
    """Run mutmut in a folder; return what it says."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    said = subprocess.run(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    ).stdout
    if "failed to collect stats" in said or "Failed to run clean test" in said:
        sys.exit(f"a test fails without any mutant: {said[-4000:]}")
    return said


def results(folder: Path, group: Group, modules: Sequence[str]) -> Iterator[Mutants]:
    """Yield what became of the mutants of some of a group's modules."""
    for module in modules:
        path = folder / "mutants" / group.folder / f"{module}.py.meta"
        yield Mutants(module, json.loads(path.read_text())["exit_code_by_key"])


def try_all(group: Group, modules: Sequence[str], options: argparse.Namespace) -> list[Mutants]:
    """Make a group's mutants and try those of some modules, or some of each; return what became of them."""
    folder = prepare(group, again=options.again)
    mutmut(folder, "run", "none")  # told to run one that there is not, it makes them all
    draw = random.Random(options.seed)
    names: list[str] = []
    for made in results(folder, group, modules):
        chosen = sorted(made.ended)
        if options.sample is not None:
            chosen = draw.sample(chosen, min(options.sample, len(chosen)))
        if options.again:
            chosen = [name for name in chosen if made.ended[name] is None or name in made.survivors]
        names += chosen
    said = mutmut(folder, "run", "--max-children", str(options.jobs), *names) if names else "none is left"
    tried = list(results(folder, group, modules))
    if not any(mutants.tried for mutants in tried):
        sys.exit(f"mutmut tried none: {said[-2000:]}")
    return tried


def report(folder: Path, mutants: Mutants) -> None:
    """Print how many were killed, and each that was not."""
    tried, survivors = len(mutants.tried), mutants.survivors
    print(f"\n{mutants.module}: {tried - len(survivors)} of {tried} killed, {mutants.killed:.1%}", flush=True)
    for name in survivors:
        shown = mutmut(folder, "show", name)
        changed = (line for line in shown.splitlines() if line.startswith(("+", "-")))
        lines = [line for line in changed if not line.startswith(("+++", "---"))]
        print(f"  {name.split('.')[-1]}", *lines, sep="\n    ")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", choices=[[], *CORES, *SHELLS])
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--sample", type=int, metavar="N", help="try so many of each module")
    parser.add_argument("--seed", type=int, default=1, help="which, if not all (1)")
    parser.add_argument("--budget", metavar="SECONDS", help="of tests for each (all)")
    parser.add_argument("--again", action="store_true", help="go on with what was done before")
    options = parser.parse_args()
    if options.budget is not None:
        os.environ["MUTANT_BUDGET_S"] = options.budget
    too_few = []
    for group in GROUPS:
        modules = [name for name in group.modules if not options.modules or name in options.modules]
        if not modules:
            continue
        for mutants in try_all(group, modules, options):
            report(FOLDER / group.name, mutants)
            if mutants.killed < TO_KILL:
                too_few.append(mutants.module)
    if too_few:
        print(f"\nless than {TO_KILL:.0%} killed: {', '.join(too_few)}")
    return 1 if too_few else 0


if __name__ == "__main__":
    sys.exit(main())
