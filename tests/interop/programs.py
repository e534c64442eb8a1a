"""What the four programs share: their flags, running cases, and telling what came of them.

A server prints `listening PORT` once it is; a client prints `ok CASE` or `FAILED CASE: why` for each case
and ends with 1 if any failed.
"""

from __future__ import annotations

import argparse
import logging
from typing import Final

from tests.interop.cases import CASES, Kit

CASES_LIMIT_S: Final = 240.0
LONG_SOAK_CALLS: Final = 10_000


def server_arguments(description: str, *, ports: tuple[str, ...] = ("--port",)) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    for port in ports:
        parser.add_argument(port, type=int, default=0, help="0, the default, picks a free one")
    logging.basicConfig(level=logging.WARNING)
    return parser.parse_args()


def client_arguments(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--server_host", default="127.0.0.1")
    parser.add_argument("--server_port", type=int, required=True)
    parser.add_argument("--test_case", default="all", help=f"some of {', '.join(CASES)}; or all")
    parser.add_argument("--soak_iterations", type=int, default=LONG_SOAK_CALLS)
    logging.basicConfig(level=logging.WARNING)
    arguments = parser.parse_args()
    if unknown := set(arguments.test_case.split(",")) - {"all", *CASES}:
        parser.error(f"there is no case {unknown.pop()!r}")
    return arguments


async def run_cases(kit: Kit, wanted: str) -> int:
    """Run a case or all; give the exit status."""
    failed = 0
    for name in CASES if wanted == "all" else wanted.split(","):
        try:
            await CASES[name](kit)
        except Exception as error:  # noqa: BLE001 (whatever it is, the other cases still run)
            failed = 1
            print(f"FAILED {name}: {type(error).__name__}: {error}", flush=True)
        else:
            print(f"ok {name}", flush=True)
    return failed
