"""Warnings that strangers can cause."""

from __future__ import annotations

import logging

import trio

from lightpeer.rpc.rare_log import MESSAGES_AT_ONCE, MESSAGES_PER_S, RareLog
from tests.rpc.service import run


def test_warnings_above_the_rate_are_left_out_and_counted(caplog):
    logger = logging.getLogger("tests.rare_log")

    async def main():
        rare = RareLog(logger)
        for number in range(MESSAGES_AT_ONCE + 3):
            rare.write(f"number {number}")
        await trio.sleep(1 / MESSAGES_PER_S)
        rare.write("later")
        await trio.sleep(1 / MESSAGES_PER_S)
        rare.write("last")

    with caplog.at_level(logging.DEBUG, "tests.rare_log"):
        run(main)
    warnings = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert warnings == [
        *(f"number {number}" for number in range(MESSAGES_AT_ONCE)),
        "later (3 more since such a line)",
        "last",
    ]
    assert len(caplog.records) == MESSAGES_AT_ONCE + 5
