"""Rows: what was heard, in figures."""

from __future__ import annotations

import pytest

from bench.traces.heard import Heard, Packet
from bench.traces.metrics import qoe, row
from bench.traces.trace import Trace

WINDOW = Trace("bus", [(100.0, 96.0)]).window(0.25, 10.0)
STEADY = Heard(4.0, first_sound_s=0.0, kbps=[96, 96, 96, 96], end_s=4.0)


def test_the_top_without_a_break_is_worth_its_bitrate():
    assert qoe(STEADY) == 96


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"first_sound_s": 1.0}, 96 - 96 / 4),
        ({"gaps": [(1.0, 0.5), (3.0, 0.5)]}, 96 - 96 / 4),
        ({"kbps": [24, 96, 96, 48]}, (24 + 96 + 96 + 48 - 72 - 48) / 4),
        ({"kbps": [96, 96]}, (2 * 96 - 2 * 96) / 4),
        ({"kbps": [], "first_sound_s": None}, -96),
    ],
)
def test_silence_waiting_and_switches_cost(change, expected):
    heard = Heard(**({"length_s": 4.0, "first_sound_s": 0.0, "kbps": [96] * 4} | change))
    assert qoe(heard) == pytest.approx(expected)


def test_a_row_says_it_all():
    packets = [Packet(0.5, 300, is_down=False), Packet(1.0, 1000, is_down=True)]
    heard = Heard(4.0, 1.0, [(3.0, 2.0)], [24, 48, 48], end_s=6.0, wasted_bytes=7, packets=packets)
    found = row(WINDOW, "ours", heard)
    assert (found.trace, found.scale, found.offset_s, found.policy) == ("bus", 0.25, 10.0, "ours")
    assert (found.first_sound_s, found.silence_s, found.breaks, found.unheard_s) == (1.0, 3.0, 1, 1.0)
    assert found.first_sound_ideal_s == 0.4 + 1.0, "a second at 24 kbit/s over 24 kbit/s"
    assert (found.bitrate_kbps, found.switches) == (40.0, 1)
    assert (found.wasted_bytes, found.wire_bytes) == (7, 1000)
    assert found.radio_on_share == 1.0
    assert found.joules_per_h == pytest.approx((2 * 0.3 + 4.5 * 0.6 + 1.0 * 0.38) / 6 * 3600)
    assert 0 < found.radio_on_share_lte < 1


def test_what_has_no_packets_has_no_radio():
    found = row(WINDOW, "optimum", STEADY)
    assert found.radio_on_share is found.joules_per_h is found.wire_bytes is found.switches is None
