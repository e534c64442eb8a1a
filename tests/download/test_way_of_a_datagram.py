"""The way of a datagram through the modules: few, and each entered for one thing."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

import lightpeer
from lightpeer.client.client import open_client
from lightpeer.download.connection import Connection
from lightpeer.net.network import Datagram
from lightpeer.testing.link import Link
from lightpeer.testing.network import SimInternet, simulate
from tests.download.test_session import PHONE, stream
from tests.pair import made_track, serving, settings

ROOT = str(Path(lightpeer.__file__).parent)
SIMULATED = str(Path(ROOT, "testing"))
MOST_SWITCHES = 60
MOST_FOR_EACH_MORE = 10  # of a wake-up that takes several datagrams together


def module_of(frame: FrameType) -> str | None:
    """Return the product's module that a frame runs in, None if it is another's."""
    name = frame.f_code.co_filename
    return name if name.startswith(ROOT) and not name.startswith(SIMULATED) else None


@contextmanager
def switches_counted() -> Iterator[list[int]]:
    """Count the calls from one of the product's modules into another."""
    count = [0]

    def on_call(frame: FrameType, event: str, _arg: object) -> None:
        module = module_of(frame) if event == "call" else None
        if module is None:
            return
        caller = frame.f_back
        while caller is not None and module_of(caller) is None:
            caller = caller.f_back
        count[0] += caller is not None and module_of(caller) != module

    sys.setprofile(on_call)
    try:
        yield count
    finally:
        sys.setprofile(None)


def wake_ups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: int) -> list[tuple[int, int]]:
    """Return of each wake-up how many datagrams it took, and how many switches."""
    counted: list[tuple[int, int]] = []
    receive = Connection._on_datagrams

    async def traced(self: Connection, came: Sequence[Datagram]) -> bool:
        with switches_counted() as count:
            is_ours = await receive(self, came)
        counted.append((len(came), count[0]))
        return is_ours

    monkeypatch.setattr(Connection, "_on_datagrams", traced)
    made = made_track(60)

    async def main(net: SimInternet) -> None:
        phone = net.host(PHONE, up=Link(rate, 0.1), down=Link(rate, 0.1))
        async with (
            serving(net.host("10.0.0.1"), [made]) as server,
            open_client(settings(tmp_path, server, bitrate_kbps=48), phone) as client,
        ):
            await stream(client, made)

    simulate(main)
    return counted


def test_a_wake_up_goes_through_few_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a link that gives hardly more than is played, where each datagram wakes us up."""
    counted = wake_ups(tmp_path, monkeypatch, 13_000)
    assert statistics.median(datagrams for datagrams, _ in counted) == 1
    assert statistics.median(switches for _, switches in counted) <= MOST_SWITCHES


def test_what_comes_together_is_taken_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = wake_ups(tmp_path, monkeypatch, 50_000)
    several = [(datagrams, switches) for datagrams, switches in counted if datagrams > 2]
    assert len(several) > 20
    extra = [(switches - MOST_SWITCHES) / (datagrams - 1) for datagrams, switches in several]
    assert statistics.median(extra) <= MOST_FOR_EACH_MORE
