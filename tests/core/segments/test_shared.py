"""What the sources of one track share, and those of two tracks do not."""

from __future__ import annotations

from lightpeer.core.segments.events import WantSources
from lightpeer.core.segments.shared import Beside, Fault
from tests.core.segments.scripted import asked, new_shared, scripted


def test_two_tracks_share_nothing():
    one, other = new_shared(), new_shared()
    one.stats.transports.add("udp")
    one.events.append(WantSources(()))
    one.out.append((scripted(one, "a"), b"datagram"))
    assert (other.stats.transports, list(other.events), list(other.out)) == (set(), [], [])
    assert asked(one) == ["a"]


def test_a_source_of_no_use_has_not_lied_unless_that_is_said():
    assert Fault("it sends too little") == ("it sends too little", False)
    assert Fault("its segment is false", is_lie=True).is_lie


def test_what_is_not_known_of_others_excuses_a_source():
    assert Beside() == (False, False), "nobody else delivers, so the network may be to blame"
