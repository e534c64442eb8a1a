"""Whose data goes next, within the windows."""

from __future__ import annotations

import h2.events
import h2.settings

from lightpeer.core.rpc.outlet import OUTPUT_BYTES
from tests.core.rpc.h2peer import PATH, bytes_sent, connect

WINDOW = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE


def test_data_waits_for_the_streams_window():
    client, peer = connect(settings={WINDOW: 1000}, send_buffer_bytes=500)
    call = client.start(PATH, 0.0)
    assert call.can_send
    call.send(bytes(1995))
    assert not call.can_send
    assert bytes_sent(peer, 1) == 1000
    assert not call.can_send
    client.next_event()
    peer.h2.increment_flow_control_window(600, 1)
    assert bytes_sent(peer, 1) == 1600
    assert call.can_send
    assert peer.events_of_ours() == [call]
    call.end()
    assert not peer.of(h2.events.StreamEnded)
    peer.h2.increment_flow_control_window(600, 1)
    assert bytes_sent(peer, 1) == 2000
    assert peer.of(h2.events.StreamEnded)


def test_data_waits_for_the_connections_window_and_streams_take_turns():
    client, peer = connect(settings={WINDOW: 1_000_000})
    for _ in range(2):
        client.start(PATH, 0.0).send(bytes(200_000), end=True)
    assert bytes_sent(peer, 1) + bytes_sent(peer, 3) == 65_535
    assert abs(bytes_sent(peer, 1) - bytes_sent(peer, 3)) <= 16_384
    peer.h2.increment_flow_control_window(1_000_000)
    assert bytes_sent(peer, 1) == bytes_sent(peer, 3) == 200_005


def test_a_window_made_smaller_and_larger_by_settings_is_followed():
    client, peer = connect(settings={WINDOW: 1000})
    client.start(PATH, 0.0).send(bytes(5000))
    assert bytes_sent(peer, 1) == 1000
    peer.h2.update_settings({WINDOW: 500})
    peer.exchange()
    peer.h2.increment_flow_control_window(400, 1)
    assert bytes_sent(peer, 1) == 1000
    peer.h2.update_settings({WINDOW: 50_000})
    assert bytes_sent(peer, 1) == 5005
    peer.h2.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 7})
    peer.exchange()


def test_one_output_is_bounded_though_the_windows_are_wide():
    client, peer = connect(settings={WINDOW: 10_000_000})
    peer.h2.increment_flow_control_window(10_000_000)
    call = client.start(PATH, 0.0)
    peer.exchange()
    call.send(bytes(1_000_000))
    assert OUTPUT_BYTES <= len(client.data_to_send()) <= OUTPUT_BYTES + 20_000


def test_small_messages_share_frames():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    for _ in range(100):
        call.send(bytes(95))
    call.end()
    assert [len(event.data) for event in peer.of(h2.events.DataReceived)] == [10_000]


def test_an_end_after_everything_has_gone_is_sent_alone():
    client, peer = connect()
    call = client.start(PATH, 0.0)
    call.send(b"last")
    assert not peer.of(h2.events.StreamEnded)
    call.end()
    assert len(peer.of(h2.events.StreamEnded)) == 1
    assert bytes_sent(peer, 1) == 9


def test_it_says_whether_a_full_window_holds_data_back():
    client, peer = connect(settings={WINDOW: 1000})
    call = client.start(PATH, 0.0)
    call.send(bytes(995))
    assert not client.table.fill()
    call.send(bytes(995))
    assert client.table.fill()
    assert not client.table.has_output
    assert not client.table.fill(), "it is not looked at again before its window grows"
    peer.exchange()
    peer.h2.increment_flow_control_window(1000, 1)
    assert bytes_sent(peer, 1) == 2000
