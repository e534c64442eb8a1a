"""How h2 is set up."""

from __future__ import annotations

import h2.config
import h2.connection
import h2.events
import pytest
from h2.settings import SettingCodes

from lightpeer.core.rpc.h2_setup import (
    LARGEST_WINDOW_BYTES,
    REMEMBERED_STREAMS,
    connection_window_bytes,
    make_h2,
)
from lightpeer.core.rpc.limits import Limits

REQUEST = [(b":method", b"POST"), (b":scheme", b"http"), (b":authority", b"a"), (b":path", b"/s/M")]
LIMITS = Limits(stream_window_bytes=100_000, concurrent_calls=7, header_list_bytes=5000)


def other_side(*, client_side: bool) -> h2.connection.H2Connection:
    other = h2.connection.H2Connection(h2.config.H2Configuration(client_side=client_side))
    other.initiate_connection()
    return other


def test_a_clients_preface_says_what_it_takes():
    server = other_side(client_side=False)
    server.receive_data(make_h2(client_side=True, limits=LIMITS).data_to_send())
    assert server.remote_settings[SettingCodes.ENABLE_PUSH] == 0
    assert server.remote_settings[SettingCodes.INITIAL_WINDOW_SIZE] == 100_000
    assert server.remote_settings[SettingCodes.MAX_HEADER_LIST_SIZE] == 5000
    assert server.outbound_flow_control_window == 700_000


def test_a_servers_limit_on_streams_counts_once_the_client_knows_it():
    client = other_side(client_side=True)
    server = make_h2(client_side=False, limits=LIMITS)
    client.receive_data(server.data_to_send())
    assert client.remote_settings.max_concurrent_streams == 7
    assert server.local_settings.max_concurrent_streams > 7, "not yet acknowledged"
    server.receive_data(client.data_to_send())
    assert server.local_settings.max_concurrent_streams == 7


@pytest.mark.parametrize(
    ("limits", "window_bytes"),
    [
        (Limits(stream_window_bytes=100_000, concurrent_calls=10), 1_000_000),
        (Limits(stream_window_bytes=100_000, connection_window_bytes=300_000), 300_000),
        (Limits(stream_window_bytes=100_000, connection_window_bytes=1), 100_000),
        (Limits(stream_window_bytes=2**30, concurrent_calls=100), LARGEST_WINDOW_BYTES),
    ],
)
def test_the_connections_window_holds_those_of_all_streams_as_far_as_there_is_a_number_for_it(
    limits, window_bytes
):
    assert connection_window_bytes(limits) == window_bytes
    assert make_h2(client_side=True, limits=limits).inbound_flow_control_window == window_bytes


def test_a_window_below_what_http2_begins_with_stays_at_that():
    small = Limits(stream_window_bytes=1000, connection_window_bytes=1000)
    assert make_h2(client_side=True, limits=small).inbound_flow_control_window == 65_535


def test_it_tells_whether_there_is_something_to_send():
    connection = make_h2(client_side=True, limits=LIMITS)
    assert connection.has_output
    connection.data_to_send()
    assert not connection.has_output


def test_frames_are_not_written_out_for_a_log():
    client = other_side(client_side=True)
    client.send_headers(1, REQUEST)
    client.send_data(1, bytes(1000))
    server = make_h2(client_side=False, limits=LIMITS)
    server.incoming_buffer.max_frame_size = server.max_inbound_frame_size  # as receive_data sees to
    server.incoming_buffer.add_data(client.data_to_send())
    assert {frame._body_repr() for frame in server.incoming_buffer} == {""}


def test_few_ended_streams_are_remembered():
    client, server = other_side(client_side=True), make_h2(client_side=False, limits=LIMITS)
    for _ in range(REMEMBERED_STREAMS + 10):
        stream_id = client.get_next_available_stream_id()
        client.send_headers(stream_id, REQUEST, end_stream=True)
        server.receive_data(client.data_to_send())
        server.reset_stream(stream_id)
        client.receive_data(server.data_to_send())
    assert server.open_inbound_streams == 0  # this is when it counts them
    assert len(server._closed_streams) == REMEMBERED_STREAMS
