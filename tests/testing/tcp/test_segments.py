"""What a sender notes of a segment."""

from __future__ import annotations

from lightpeer.testing.tcp.segments import Ack, TcpSegment


def test_a_new_segment_was_never_sent_and_is_known_by_itself() -> None:
    segment = TcpSegment(3, b"x")
    assert (segment.times, segment.order, segment.is_lost, segment.is_end) == (0, -1, False, False)
    assert segment != TcpSegment(3, b"x"), "two transmissions' segments are never mistaken for each other"


def test_acknowledgements_are_values() -> None:
    assert Ack(3, frozenset({5}), 100) == Ack(3, frozenset({5}), 100)
