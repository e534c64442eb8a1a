"""Which client gives no room."""

from __future__ import annotations

import math

from lightpeer.core.rpc.frame_gate import ErrorCode
from lightpeer.core.rpc.stuck_watch import STUCK_S, StuckWatch
from tests.core.rpc.h2peer import accept, call_of


def stuck(**limits):
    """A connection on which a reply waits that its client gives no room for."""
    server, peer = accept(**limits)
    call = call_of(peer, end=True)
    call.send(bytes(100_000))  # more than the window of 65535
    peer.exchange()
    return server, peer


def test_a_client_that_gives_no_room_is_let_go_at_the_second_look():
    server, _ = stuck()
    server.handle_timeout(STUCK_S - 0.1)
    server.handle_timeout(STUCK_S)
    server.handle_timeout(2 * STUCK_S - 0.1)
    assert server.is_open
    server.handle_timeout(2 * STUCK_S)
    assert not server.is_open
    assert server.error_code == ErrorCode.ENHANCE_YOUR_CALM
    assert "no room" in server.why_closed


def test_a_client_that_gives_a_little_room_is_waited_for():
    server, peer = stuck(keepalive_s=1e6)
    for look in range(1, 5):
        server.handle_timeout(look * STUCK_S)
        peer.h2.increment_flow_control_window(1000)
        peer.h2.increment_flow_control_window(1000, 1)
        peer.exchange()
    assert server.is_open
    for _ in range(4):
        peer.h2.increment_flow_control_window(30_000)
        peer.h2.increment_flow_control_window(30_000, 1)
        peer.exchange()
    server.handle_timeout(5 * STUCK_S)  # nothing waits any more: there is nothing to look at again
    assert server.next_deadline() != 6 * STUCK_S
    server.handle_timeout(6 * STUCK_S)
    server.handle_timeout(7 * STUCK_S)
    assert server.is_open


def test_two_looks_without_a_byte_make_a_client_stuck():
    watch = StuckWatch()
    assert watch.due_s == math.inf
    assert watch.begin(5.0)
    assert not watch.begin(6.0), "it has begun"
    assert watch.due_s == 5.0 + STUCK_S
    assert not watch.look(65.0, 1000, is_blocked=True)
    assert watch.due_s == 65.0 + STUCK_S
    assert not watch.look(125.0, 1001, is_blocked=True), "it has taken a byte"
    assert watch.look(185.0, 1001, is_blocked=True)


def test_what_is_not_blocked_is_not_looked_at_again():
    watch = StuckWatch()
    watch.begin(0.0)
    watch.look(60.0, 1000, is_blocked=True)
    assert not watch.look(120.0, 1000, is_blocked=False)
    assert watch.due_s == math.inf
    watch.begin(200.0)
    assert not watch.look(260.0, 1000, is_blocked=True), "the first look of a new watch"
