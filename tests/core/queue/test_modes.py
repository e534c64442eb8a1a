"""The modes: what they do to the entry that is played, and what is left of them."""

from __future__ import annotations

import pytest

from lightpeer.core.queue.modes import Modes, Switch


@pytest.mark.parametrize(
    ("modes", "stays", "stops"),
    [
        (Modes(), False, False),
        (Modes(repeat=True), False, False),
        (Modes(single=Switch.ON), False, True),
        (Modes(single=Switch.ONCE), False, True),
        (Modes(repeat=True, single=Switch.ON), True, False),
        (Modes(repeat=True, single=Switch.ON, consume=Switch.ON), False, False),
    ],
)
def test_single_stops_or_with_repeat_stays(modes, stays, stops):
    assert (modes.stays, modes.stops) == (stays, stops)


def test_what_is_on_for_one_entry_is_off_after_it():
    modes = Modes(random=True, repeat=True, single=Switch.ONCE, consume=Switch.ONCE)
    assert modes.after_entry() == Modes(random=True, repeat=True)
    modes = Modes(single=Switch.ON, consume=Switch.ON)
    assert modes.after_entry() == modes


def test_the_values_are_those_of_mpd():
    assert [Switch(value) for value in ("0", "1", "oneshot")] == [Switch.OFF, Switch.ON, Switch.ONCE]
