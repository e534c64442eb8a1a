"""Segments over a link without a network, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.traces.fluid import Fetch, Marks, View, play, tcp
from bench.traces.optimum import optimum
from bench.traces.trace import Trace, Window, made_trace


def window(*steps: tuple[float, float], seconds: int) -> Window:
    return replace(Trace("t", steps).window(1.0, 0.0), length_s=seconds)


def test_a_download_sounds_after_two_round_trips_and_a_segment():
    heard = tcp(48)(window((1000.0, 96.0), seconds=4))
    assert heard.first_sound_s == pytest.approx(0.4 + 0.5)
    assert (heard.gaps, heard.kbps, heard.wasted_bytes) == ([], [48] * 4, 0)
    assert heard.end_s == pytest.approx(4.9)
    assert heard.wire_bytes == 4 * 48 * 125


def test_an_outage_is_silence_once_the_buffer_is_empty():
    heard = tcp(48)(window((2.41, 96.0), (10.0, 0.0), (50.0, 96.0), seconds=8))  # four come before it
    assert heard.first_sound_s == pytest.approx(0.9)
    assert heard.gaps == [(pytest.approx(4.9), pytest.approx(12.4 + 0.5 - 4.9))]
    assert len(heard.kbps) == 8


def test_sound_waits_for_its_marks():
    link = window((2.41, 96.0), (10.0, 0.0), (50.0, 96.0), seconds=8)

    def decide(view: View) -> Fetch | None:
        missing = view.next_missing()
        return None if missing is None else Fetch(missing, 0)

    heard = play(link, decide, ladder_kbps=(48,), marks=Marks(2.0, 3.0))
    assert heard.first_sound_s == pytest.approx(1.4)
    assert heard.gaps == [(pytest.approx(5.4), pytest.approx(12.4 + 1.5 - 5.4))]
    whole = play(link, decide, ladder_kbps=(48,), marks=Marks(2.0, 100.0))
    assert len(whole.kbps) == 8, "the rest of a track is enough"


def test_after_a_rest_a_round_trip_passes():
    def decide(view: View) -> Fetch | None:
        missing = view.next_missing()
        return None if missing is None or view.ahead_s > 2.0 else Fetch(missing, 0)

    heard = play(window((1000.0, 96.0), seconds=6), decide, ladder_kbps=(48,))
    requests = [packet.at_s for packet in heard.packets if not packet.is_down]
    assert requests[0] == pytest.approx(0.2)
    assert len(requests) > 1
    began = next(p.at_s for p in heard.packets if p.is_down and p.at_s > requests[1])
    assert began == pytest.approx(requests[1] + 0.2 + 1448 * 8 / 96_000)
    assert max(ahead for _, ahead in heard.buffer_s) <= 3.0


def test_what_is_replaced_or_late_is_wasted():
    wishes = iter([Fetch(0, 0), Fetch(1, 0), Fetch(1, 1), Fetch(0, 1), Fetch(2, 0)])
    heard = play(window((1000.0, 960.0), seconds=3), lambda _: next(wishes, None), ladder_kbps=(24, 48))
    assert heard.kbps == [24, 48, 24]
    assert heard.wasted_bytes == (24 + 48) * 125


def test_a_rule_that_rests_in_silence_is_refused():
    with pytest.raises(ValueError, match="rests in silence"):
        play(window((10.0, 96.0), seconds=2), lambda _: None)


def test_a_rule_sees_what_came():
    views = []

    def decide(view: View) -> Fetch | None:
        views.append((view.now_s, view.position, view.is_playing, len(view.arrivals)))
        missing = view.next_missing()
        return None if missing is None else Fetch(missing, 0)

    play(window((1000.0, 96.0), seconds=3), decide, ladder_kbps=(48,))
    assert views[0] == (0.0, 0, False, 0)
    assert views[1] == (pytest.approx(0.9), 1, True, 1)


@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_a_download_in_the_lowest_rendition_is_as_quiet_as_the_optimum(scale):
    link = made_trace("generated-2").window(scale, 100.0)
    best, plain = optimum(link), tcp(24)(link)
    assert plain.first_sound_s == pytest.approx(best.first_sound_s)
    assert plain.silence_s == pytest.approx(best.silence_s, abs=0.01)
