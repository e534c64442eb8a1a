"""What a peer's frames are, and what they cost."""

from __future__ import annotations

import h2.events
import h2.settings
import pytest

from lightpeer.core.rpc.frame_gate import (
    FLOOD_BUDGET,
    LAST_STREAM_ID,
    ErrorCode,
    FloodBudget,
    GoAway,
    encode_goaway,
    encode_ping,
)
from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.server import CALL_WORK, FIELDS_PER_UNIT
from lightpeer.core.rpc.wire import HEADER_TABLE_BYTES, SENT_BYTES_PER_UPDATE, Wire
from lightpeer.errors import FramingError
from tests.core.rpc.h2peer import REQUEST, accept, call_of, connect
from tests.fuzz import wire as raw

PING = encode_ping(bytes(8))


def test_settings_that_nobody_knows_are_not_kept():
    client, _ = connect()
    client.receive(b"\0\0\6\4\0\0\0\0\0" + b"\0\x63" + b"\0\0\0\5", 0.0)
    assert client.is_open
    assert 99 not in client._h2.remote_settings


def test_frames_are_counted_as_they_begin():
    client, _ = connect()
    before = client.work_received
    client.receive(PING + PING[:12], 0.0)
    assert client.work_received == before + 2


def test_windows_are_work_unless_they_let_as_much_out():
    server, peer = accept(connection_send_bytes=10**6)
    call = call_of(peer, end=True)
    assert server.work_received >= CALL_WORK + len(REQUEST) / FIELDS_PER_UNIT
    call.send(bytes(200_000))
    peer.exchange()
    before = server.work_received
    for _ in range(4):
        peer.h2.increment_flow_control_window(20_000)
        peer.h2.increment_flow_control_window(20_000, 1)
        peer.exchange()
    assert server.work_received == before
    for _ in range(400):
        peer.h2.increment_flow_control_window(1)
        peer.h2.increment_flow_control_window(1, 1)
        peer.exchange()
    assert server.work_received > before + 500


def fresh(budget: FloodBudget | None = None) -> Wire:
    """A client's wire whose preface is out."""
    wire = Wire(client_side=True, limits=Limits(), budget=budget)
    while wire.data_to_send():
        pass
    return wire


def test_events_and_goaways_come_in_order():
    wire = fresh()
    goaway = encode_goaway(LAST_STREAM_ID, ErrorCode.NO_ERROR)
    events = list(wire.receive_untrusted(raw.frame(4) + goaway + PING, 0.0))
    kinds = [h2.events.RemoteSettingsChanged, GoAway, h2.events.PingReceived]
    assert [type(event) for event in events] == kinds


def test_what_bypasses_h2_goes_behind_its_own():
    wire = fresh()
    assert not wire.has_output
    wire.h2.ping(b"ours son")
    wire.send_after_h2(b"behind")
    assert wire.has_output
    assert wire.output_bytes == len(PING) + len(b"behind")
    assert wire.data_to_send() == encode_ping(b"ours son") + b"behind"
    assert wire.data_to_send() == b""


def test_a_goaway_is_sent_once_where_the_peer_breaks_the_protocol():
    wire = fresh()
    with pytest.raises(FramingError, match="broke HTTP/2") as caught:
        list(wire.receive_untrusted(raw.frame(0, b"x"), 0.0))  # DATA on stream 0
    assert caught.value.code == ErrorCode.PROTOCOL_ERROR
    wire.send_goaway(0, caught.value.code)
    assert wire.data_to_send() == encode_goaway(0, ErrorCode.PROTOCOL_ERROR)
    other = fresh()
    other.send_goaway(0, ErrorCode.CANCEL)
    assert other.data_to_send() == encode_goaway(0, ErrorCode.CANCEL)


def test_a_debt_is_drawn_with_the_next_bytes_and_once():
    budget = FloodBudget()
    wire = fresh(budget)
    wire.owe(FLOOD_BUDGET)
    list(wire.receive_untrusted(raw.frame(0, b"x", stream_id=1)[:9], 0.0))
    assert budget.is_used_up(0.0)
    list(wire.receive_untrusted(b"", 1.0))
    assert not budget.is_used_up(1.0)
    wire.owe(FLOOD_BUDGET + 1)
    with pytest.raises(FramingError, match="floods"):
        list(wire.receive_untrusted(PING, 2.0))


def test_a_reset_of_a_stream_that_has_ended_is_nothing():
    wire = fresh()
    wire.reset(1, ErrorCode.CANCEL)
    assert not wire.has_output


def test_the_table_of_header_fields_grows_no_larger_than_ours():
    wire = fresh()
    size = h2.settings.SettingCodes.HEADER_TABLE_SIZE
    wire.h2.encoder.header_table_size = 2**20
    wire.bound_settings([h2.settings.SettingCodes.INITIAL_WINDOW_SIZE])
    assert wire.h2.encoder.header_table_size == 2**20
    wire.bound_settings([size])
    assert wire.h2.encoder.header_table_size == HEADER_TABLE_BYTES


def test_a_server_counts_what_it_sends_once():
    server, peer = accept()
    call = call_of(peer, end=True)
    call.send(bytes(10 * SENT_BYTES_PER_UPDATE - 5))
    peer.exchange()
    before = server.work_received
    for _ in range(15):
        peer.h2.increment_flow_control_window(1)
        peer.exchange()
    assert server.work_received == before + 5
