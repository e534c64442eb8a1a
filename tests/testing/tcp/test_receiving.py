"""The receiving half, by literal segments."""

from __future__ import annotations

from lightpeer.testing.tcp.receiving import RECEIVE_BUFFER_BYTES, ReceivingHalf
from lightpeer.testing.tcp.segments import SEGMENT_BYTES, Ack, TcpSegment


def filled(segments: int = RECEIVE_BUFFER_BYTES // SEGMENT_BYTES) -> ReceivingHalf:
    receiver = ReceivingHalf()
    for number in range(segments):
        assert receiver.take_in(TcpSegment(number, bytes(SEGMENT_BYTES)))
    return receiver


def test_segments_are_read_in_order_however_they_come() -> None:
    receiver = ReceivingHalf()
    for number in (2, 0, 1):
        assert receiver.take_in(TcpSegment(number, bytes([number])))
    assert receiver.read(100) == bytes([0, 1, 2])
    assert receiver.read(100) == b""


def test_an_acknowledgement_names_what_is_expected_and_what_came_beyond_it() -> None:
    receiver = ReceivingHalf()
    for number in (0, 2, 4):
        receiver.take_in(TcpSegment(number, b"xy"))
    assert receiver.acknowledge() == Ack(1, frozenset({2, 4}), RECEIVE_BUFFER_BYTES - 6)


def test_a_segment_that_came_before_is_not_new() -> None:
    receiver = ReceivingHalf()
    receiver.take_in(TcpSegment(0, b"a"))
    receiver.take_in(TcpSegment(2, b"c"))
    assert not receiver.take_in(TcpSegment(0, b"a"))
    assert not receiver.take_in(TcpSegment(2, b"c"))
    assert receiver.take_in(TcpSegment(1, b"b"))
    assert receiver.read(9) == b"abc"


def test_the_end_comes_in_its_place() -> None:
    receiver = ReceivingHalf()
    receiver.take_in(TcpSegment(1, b"", is_end=True))
    assert not receiver.has_ended
    receiver.take_in(TcpSegment(0, b"last"))
    assert receiver.has_ended
    assert receiver.read(9) == b"last"


def test_without_room_a_segment_is_dropped() -> None:
    receiver = filled()
    assert 0 < receiver.room_bytes < SEGMENT_BYTES
    assert not receiver.take_in(TcpSegment(RECEIVE_BUFFER_BYTES // SEGMENT_BYTES, bytes(SEGMENT_BYTES)))
    assert receiver.readable_bytes + receiver.room_bytes == RECEIVE_BUFFER_BYTES


def test_new_room_is_told_of_once_it_holds_two_segments() -> None:
    receiver = filled()
    assert not receiver.has_new_room
    receiver.acknowledge()
    receiver.read(SEGMENT_BYTES)
    assert not receiver.has_new_room
    receiver.read(SEGMENT_BYTES)
    assert receiver.has_new_room
    assert receiver.acknowledge().room_bytes == receiver.room_bytes
    assert not receiver.has_new_room
