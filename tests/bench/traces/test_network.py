"""The real client and server on a traced link in virtual time."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio

from bench.lab.link import Capacity
from bench.traces import network
from bench.traces.network import DELAY_S, TraceLink, play
from bench.traces.trace import Trace, Window
from lightpeer.testing import SimInternet, simulate


def window(*steps: tuple[float, float], seconds: int = 20, scale: float = 1.0) -> Window:
    return replace(Trace("t", steps).window(scale, 0.0), length_s=seconds)


def test_packets_leave_when_the_trace_has_carried_them():
    noted, times = [], []

    async def main(net: SimInternet) -> None:
        link = TraceLink(Capacity([(1.0, 8.0), (5.0, 0.0), (1.0, 8.0)]), noted.append)  # 1000 bytes/s
        for _ in range(2):
            link.send(net, 800, lambda _: times.append(net.now), is_udp=True)
        await trio.sleep(10.0)

    simulate(main)
    assert times == pytest.approx([0.8 + DELAY_S, 6.6 + DELAY_S])
    assert noted == [800, 800]


def test_on_a_steady_link_all_is_heard_and_little_is_paid_beside_it():
    heard = play(window((100.0, 400.0)))
    assert len(heard.kbps) == 20
    assert (heard.gaps, heard.silence_s) == ([], 0.0)
    assert 0.4 < heard.first_sound_s < 1.5
    assert heard.end_s == pytest.approx(heard.first_sound_s + 20, abs=0.01)
    assert heard.wasted_bytes >= 0
    audio_bytes = sum(heard.kbps) * 125
    assert audio_bytes * 0.9 < heard.wire_bytes < audio_bytes * 1.3
    assert heard.packets == sorted(heard.packets, key=lambda packet: packet.at_s)
    assert {packet.is_down for packet in heard.packets} == {True, False}
    assert max(ahead for _, ahead in heard.buffer_s) > 5


def test_a_tunnel_that_outlasts_the_buffer_is_a_gap():
    link = window((6.0, 100.0), (40.0, 0.0), (100.0, 400.0), seconds=40)
    heard = play(link)
    assert len(heard.gaps) == 1
    ((began_s, length_s),) = heard.gaps
    assert 6.0 < began_s < 46.0 < began_s + length_s < 52.0
    assert len(heard.kbps) == 40
    assert heard.end_s == pytest.approx(heard.first_sound_s + 40 + length_s, abs=0.01)
    in_tunnel = [packet for packet in heard.packets if 6.3 < packet.at_s < 45.9]
    assert in_tunnel == [], "both ways are closed"


def test_the_same_window_gives_the_same_figures():
    link = window((3.0, 50.0), (3.0, 300.0), seconds=15, scale=0.5)
    once, again = play(link), play(link)
    assert once.packets == again.packets
    assert (once.kbps, once.gaps, once.first_sound_s) == (again.kbps, again.gaps, again.first_sound_s)


def test_settings_other_than_the_defaults_are_the_client_s():
    assert set(play(window((100.0, 400.0)), bitrate_kbps=24).kbps) == {24}


def test_who_never_heard_anything_heard_silence(monkeypatch):
    monkeypatch.setattr(network, "LIMIT_S", 5.0)
    heard = play(window((400.0, 0.0), (1.0, 100.0), seconds=10))
    assert heard.first_sound_s is None
    assert (len(heard.kbps), heard.unheard_s, heard.silence_s) == (0, 10.0, 10.0)
    assert heard.end_s == pytest.approx(5.0)
