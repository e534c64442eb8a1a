"""When nothing comes of what is wanted, and when it comes again; the times are literal."""

from __future__ import annotations

import math

from lightpeer.core.segments.events import Silence
from lightpeer.core.segments.silence import Silences
from lightpeer.core.sources.dead_zone import DeadZone
from tests.core.segments.scripted import new_shared, wish


def test_a_silence_is_told_of_with_its_beginning_and_its_end():
    shared, dead_zone = new_shared(), DeadZone()
    silences = Silences(shared, dead_zone)
    assert silences.due(are_all_late=True) == math.inf, "nothing is wanted"
    wish(shared, 1)
    dead_zone.on_heard(10.0)
    assert (silences.due(are_all_late=True), silences.due(are_all_late=False)) == (14.0, 18.0)
    silences.see(13.9, are_all_late=True)
    silences.see(17.9, are_all_late=False)
    silences.end()
    assert (silences.since, list(shared.events)) == (None, [])
    silences.see(14.0, are_all_late=True)
    silences.see(15.0, are_all_late=True)
    assert (silences.since, silences.due(are_all_late=True)) == (10.0, math.inf)
    silences.end()
    assert silences.since is None
    assert list(shared.events) == [Silence(10.0), Silence(None)]
