import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lab.link import BurstLoss, Capacity, Direction, Link, constant, read_trace


def test_a_constant_rate_sends_a_packet_in_its_bits_over_its_rate():
    assert Capacity(constant(400)).sent_at(10.0, 1500) == pytest.approx(10.03)


def test_a_packet_that_spans_a_step_is_sent_by_both_rates():
    capacity = Capacity([(1.0, 8.0), (1.0, 16.0)])  # 1000 and 2000 bytes
    assert capacity.sent_at(0.5, 1500) == pytest.approx(1.5)


def test_a_packet_waits_for_the_end_of_an_outage():
    capacity = Capacity([(1.0, 8.0), (5.0, 0.0), (1.0, 8.0)])
    assert capacity.sent_at(0.0, 1000) == pytest.approx(1.0)
    assert capacity.sent_at(0.0, 1001) == pytest.approx(6.001)
    assert capacity.sent_at(3.0, 500) == pytest.approx(6.5)


def test_a_trace_begins_again():
    capacity = Capacity([(1.0, 8.0), (1.0, 0.0)])
    assert capacity.sent_at(0.0, 3500) == pytest.approx(6.5)


steps = st.lists(
    st.tuples(st.floats(0.1, 5), st.one_of(st.just(0.0), st.floats(1, 5000))), min_size=1
).filter(lambda some: any(rate for _, rate in some))


@given(steps, st.floats(0, 1000), st.integers(1, 9000))
def test_what_is_sent_is_what_the_rate_carries(some, start_s, size):
    capacity = Capacity(some)
    end_s = capacity.sent_at(start_s, size)
    assert end_s >= start_s
    assert capacity.bits_until(end_s) - capacity.bits_until(start_s) == pytest.approx(size * 8, abs=1e-3)


def test_a_link_that_never_carries_anything_is_refused():
    with pytest.raises(ValueError, match="above zero"):
        Capacity([(1.0, 0.0)])


def test_a_trace_is_read(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("t_s,kbit_s\n0,100\n0.5,200\n1.5,0\n")
    assert read_trace(path) == [(0.5, 100), (1.0, 200), (1.0, 0)]


@pytest.mark.parametrize("rows", ["", "0,100\n", "0,100\n0,200\n"])
def test_what_is_no_trace_is_refused(tmp_path, rows):
    path = tmp_path / "trace.csv"
    path.write_text("t_s,kbit_s\n" + rows)
    with pytest.raises(ValueError, match="no trace"):
        read_trace(path)


def test_a_link_passes_through_json():
    link = Link(
        down=Direction([(1.0, 400.0)], burst=BurstLoss(0.1, 4)),
        up=Direction([(1.0, 400.0)]),
        source=Direction([(1.0, 100.0)]),
    )
    again = Link.of_json(json.loads(json.dumps(dataclasses.asdict(link))))
    assert again.down.burst == link.down.burst
    assert again.source is not None
    assert Capacity(again.down.steps).sent_at(0, 1500) == Capacity(link.down.steps).sent_at(0, 1500)
