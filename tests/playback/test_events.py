"""A player's events as programs take them: all have a name there, and say what they tell of."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import get_args

import pytest

from lightpeer.core.queue.modes import Modes, Switch
from lightpeer.playback import events
from lightpeer.playback.events import ModesChanged, Paused, PlayerEvent, Seeked


def test_every_event_has_its_name_in_the_module():
    named = {getattr(events, name) for name in events.__all__} - {PlayerEvent}
    assert named == set(get_args(PlayerEvent))


@pytest.mark.parametrize(
    ("modes", "told"),
    [
        (Modes(), ModesChanged(random=False, repeat=False, single="0", consume="0")),
        (
            Modes(random=True, repeat=True, single=Switch.ONCE, consume=Switch.ON),
            ModesChanged(random=True, repeat=True, single="oneshot", consume="1"),
        ),
        (Modes(repeat=True), ModesChanged(random=False, repeat=True, single="0", consume="0")),
    ],
)
def test_modes_are_told_in_the_words_of_programs(modes, told):
    assert ModesChanged.to(modes) == told


def test_an_event_is_a_value_that_nobody_changes():
    assert Seeked(3.0) == Seeked(3.0) != Seeked(4.0)
    assert len({Paused(), Paused()}) == 1
    with pytest.raises(FrozenInstanceError):
        Seeked(3.0).position_s = 4.0
