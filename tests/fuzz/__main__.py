"""Fuzz one target for a while: `python -m tests.fuzz NAME SECONDS`, by atheris (`pip install -e .[fuzz]`).

What it finds goes to `tests/fuzz/corpus/NAME`, for CI to run ever after; what else it learns, to
`build/fuzz/NAME`, to begin with the next time.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Run libFuzzer, which ends the process."""
    try:
        import atheris
    except ImportError:
        sys.exit("atheris is not installed: pip install -e '.[fuzz]'")
    with atheris.instrument_imports(include=["lightpeer"], enable_loader_override=False):
        from tests.fuzz.targets import TARGETS
    if len(arguments) != 2 or arguments[0] not in TARGETS or not arguments[1].isdigit():
        sys.exit("usage: python -m tests.fuzz NAME SECONDS, where NAME is one of\n  " + "\n  ".join(TARGETS))
    name, seconds = arguments
    target = TARGETS[name]
    learnt, found = Path("build/fuzz") / name, Path(__file__).parent / "corpus" / name
    for folder in (learnt, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (learnt / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", "-max_len=4096", f"-artifact_prefix={found}/"]
    atheris.Setup([sys.argv[0], *options, str(learnt), str(found)], target.run)
    atheris.Fuzz()


main(sys.argv[1:])
