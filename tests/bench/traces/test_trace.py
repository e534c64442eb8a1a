"""Traces and their windows: bytes are conserved, and what is made looks like what is recorded."""

from __future__ import annotations

import pytest

from bench.traces.trace import MADE, MADE_S, OUTAGE_KBIT_S, Trace, made_trace, read_traces

STEPS = ((1.0, 8.0), (2.0, 0.0), (1.0, 16.0))  # 1000 bytes, an outage, 2000 bytes


def test_a_window_carries_what_its_trace_does_from_there_on():
    window = Trace("t", STEPS).window(1.0, 0.0)
    assert [window.bytes_until(t) for t in (0.0, 0.5, 1.0, 3.0, 3.5, 4.0)] == [0, 500, 1000, 1000, 2000, 3000]
    assert window.time_of(1000) == pytest.approx(1.0)
    assert window.time_of(1001) == pytest.approx(3.0005)
    assert window.rate_kbit_s(0.5) == pytest.approx(4.0)


def test_a_window_begins_within_a_step_and_goes_on_from_the_trace_s_beginning():
    window = Trace("t", STEPS).window(1.0, 0.75)
    assert window.steps == [(0.25, 8.0), (2.0, 0.0), (1.0, 16.0), (0.75, 8.0)]
    assert window.time_of(250) == pytest.approx(0.25)
    assert window.bytes_until(4.0) == pytest.approx(3000)
    assert window.bytes_until(5.0) == pytest.approx(3250)


def test_a_scale_multiplies_every_rate():
    trace = Trace("t", STEPS)
    assert trace.window(0.25, 0.0).bytes_until(4.0) == pytest.approx(750)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, [0.0]), (2, [0.0, 360.0]), (4, [0.0, 120.0, 240.0, 360.0])]
)
def test_windows_are_spread_evenly_and_lie_in_the_trace(count, expected):
    assert Trace("t", [(600.0, 1.0)]).offsets(count) == expected


def test_a_trace_shorter_than_a_window_has_them_all_at_its_beginning():
    assert Trace("t", [(100.0, 1.0)]).offsets(2) == [0.0, 0.0]


def test_recorded_traces_are_read_by_name(tmp_path):
    for name, rate in (("b", 100), ("a", 200)):
        (tmp_path / f"{name}.csv").write_text(f"t_s,kbit_s\n0,{rate}\n1,0\n")
    assert [trace.name for trace in read_traces(tmp_path)] == ["a", "b"]
    (chosen,) = read_traces(tmp_path, ["b"])
    assert chosen.steps == ((1.0, 100.0), (1.0, 0.0))
    with pytest.raises(ValueError, match="no trace c: there are a, b"):
        read_traces(tmp_path, ["c"])


def test_made_traces_are_of_their_name_alone():
    assert [trace.name for trace in read_traces(None)] == list(MADE)
    assert made_trace(MADE[0]).steps == made_trace(MADE[0]).steps
    assert made_trace(MADE[0]).steps != made_trace(MADE[1]).steps


def test_made_traces_have_outages_and_the_rates_of_3g():
    for name in MADE:
        rates = [rate for _, rate in made_trace(name).steps]
        assert len(rates) == MADE_S
        assert 500 < sum(rates) / len(rates) < 2500
        assert max(rates) < 12_000
    outages = [sum(rate < OUTAGE_KBIT_S for _, rate in made_trace(name).steps) for name in MADE]
    assert max(outages) >= 30
    assert min(outages) > 0
