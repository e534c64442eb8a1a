"""What the listener is told of a network that is away."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

from lightpeer.playback.events import SourceLost, Waiting
from lightpeer.playback.weather import Weather
from tests.rpc.service import run

NOTHING = "nothing comes from the network"


@pytest.mark.parametrize(
    ("lost", "source_count", "reason"),
    [
        (SourceLost("La", "nobody listens"), 0, f"{NOTHING}, as the last source is gone (nobody listens)"),
        (SourceLost("La", "nobody listens"), 1, NOTHING),
        (None, 0, NOTHING),
    ],
)
def test_the_cause_is_named_where_the_last_source_is_gone(lost, source_count, reason):
    async def main():
        told = []
        weather = Weather(math.inf, told.append)
        if lost is not None:
            weather.tell(lost)
        playout = SimpleNamespace(realtime=True)
        weather.see_network(SimpleNamespace(silent_since=0.0, source_count=source_count, playout=playout))
        assert told[-1] == Waiting(reason, 0.0)
        assert weather.reason == reason
        weather.see_network(None)
        assert weather.reason == ""

    run(main)
