import argparse

import pytest

from bench.lab.__main__ import add_link_options, link_of
from bench.lab.link import BurstLoss, constant


def link(*words):
    parser = argparse.ArgumentParser()
    add_link_options(parser)
    return link_of(parser.parse_args(words))


def test_a_link_is_the_same_both_ways_unless_told_otherwise():
    made = link("--rate", "400", "--rtt", "200", "--queue", "20000", "--loss", "0.02")
    assert made.up == made.down
    assert (made.down.delay_s, made.down.queue_bytes, made.down.loss) == (0.1, 20_000, 0.02)


def test_the_uplink_may_be_another():
    made = link("--up-rate", "64", "--up-queue", "9000", "--up-loss", "0", "--loss", "0.5")
    assert (made.up.steps, made.up.queue_bytes, made.up.loss) == (constant(64), 9000, 0.0)
    assert made.down.loss == 0.5


def test_a_trace_is_played_down_and_has_an_uplink_of_its_own(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("t_s,kbit_s\n0,100\n1,200\n")
    made = link("--trace", str(trace), "--burst-loss", "0.1:4", "--source-rate", "50", "--no-udp")
    assert made.down.steps == [(1.0, 100.0), (1.0, 200.0)]
    assert made.up.steps == constant(384)
    assert made.down.burst == BurstLoss(mean=0.1, packets=4)
    assert made.source is not None
    assert made.blocks_udp


def test_burst_loss_needs_a_length():
    with pytest.raises(SystemExit):
        link("--burst-loss", "0.1")
