"""A player's events as programs read them: no name or field may change."""

from __future__ import annotations

from typing import get_args

import pytest

from lightpeer.cli.events import fields_of, name_of
from lightpeer.playback import events
from lightpeer.playback.events import PlayerEvent

PRINTED = {
    events.Opening("x"): ("opening", {"item": "x"}),
    events.Waiting("no network", 4.0004, 2.0): (
        "waiting",
        {"since_s": 4.0, "reason": "no network", "next_try_s": 2.0},
    ),
    events.Waiting("no network", 4.0): ("waiting", {"since_s": 4.0, "reason": "no network"}),
    events.Playing("T", "A", "B", "loud:x", 2.0, 48, "udp"): (
        "playing",
        {
            "title": "T",
            "artist": "A",
            "album": "B",
            "uri": "loud:x",
            "duration_s": 2.0,
            "bitrate_kbps": 48,
            "transport": "udp",
        },
    ),
    events.Paused(): ("paused", {}),
    events.Unpaused(): ("unpaused", {}),
    events.Seeked(3.0): ("seeked", {"position_s": 3.0}),
    events.Ended("loud:x", 2.0): ("ended", {"uri": "loud:x", "position_s": 2.0}),
    events.QueueChanged(3, 12): ("queue", {"version": 3, "length": 12}),
    events.ModesChanged(random=True, repeat=False, single="0", consume="oneshot"): (
        "modes",
        {"random": True, "repeat": False, "single": "0", "consume": "oneshot"},
    ),
    events.NotPlayed("x", "nobody has it"): ("warning", {"message": "nobody has it"}),
    events.Slowed("a cap is near"): ("slowed", {"message": "a cap is near"}),
    events.TransportChanged("grpc", "Lx"): ("transport", {"transport": "grpc", "peer_id": "Lx"}),
    events.SourceLost("Lx", "it is gone"): ("source_lost", {"peer_id": "Lx", "reason": "it is gone"}),
    events.Rebuffering(): ("rebuffering", {}),
    events.Resumed(2.0004): ("resumed", {"after_s": 2.0}),
}


@pytest.mark.parametrize("event", PRINTED, ids=lambda event: type(event).__name__)
def test_an_event_is_printed_as_ever(event):
    assert (name_of(event), fields_of(event)) == PRINTED[event]
    assert list(fields_of(event)) == list(PRINTED[event][1]), "in this order"


def test_these_are_all():
    assert {type(event) for event in PRINTED} == set(get_args(PlayerEvent))
