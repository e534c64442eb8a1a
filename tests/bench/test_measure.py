import csv

import pytest

from bench.lab.link import Direction, Link, constant
from bench.lab.pipe import DROPPED, LOST, PASSED, REPEATED, Passage
from bench.link import Case, cases, ideal_s, kept, median, span
from bench.links.measure import Cost, FailedError, Transfer, judge, read_log

LINK = Link(Direction(constant(80)), Direction(constant(80)))  # 10 kB/s


def test_a_transfer_ends_with_its_last_packet_of_payload():
    down = [
        Passage(0.5, 60, 0.0, 1.0, PASSED),
        Passage(1.0, 1000, 0.1, 1.5, PASSED),
        Passage(1.1, 1000, 0.3, 2.0, PASSED),
        Passage(5.0, 60, 9.0, 6.0, PASSED),  # a goodbye
    ]
    result = judge({"down": down, "up": [Passage(0.0, 40, 0.0, 0.1, PASSED)]}, LINK, 1000, Cost(0.5, 20.0))
    assert result.time_s == 2.0
    assert result.share == pytest.approx(1000 / 20_000)
    assert result.queue_mean_ms == pytest.approx(400 / 3)
    assert (result.queue_p95_ms, result.queue_max_ms) == (300, 300)
    assert result.wire_down == pytest.approx(2.12)
    assert result.wire_up == pytest.approx(0.04)
    assert result.cpu_s_per_mb == pytest.approx(500)


def test_lost_packets_used_the_link_dropped_and_repeated_ones_did_not():
    down = [
        Passage(0.0, 1000, 0.1, 1.0, PASSED),
        Passage(0.1, 1000, 0.2, 9.0, LOST),
        Passage(0.2, 1000, 0.0, 9.0, DROPPED),
        Passage(0.3, 1000, 7.0, 1.0, REPEATED),
    ]
    result = judge({"down": down, "up": []}, LINK, 1000, Cost(0, 0))
    assert result.time_s == 1.0
    assert result.wire_down == 2.0
    assert result.queue_max_ms == 200


def test_the_log_of_the_lab_is_read(tmp_path):
    with (tmp_path / "log").open("w", newline="") as file:
        csv.writer(file).writerows([["way"], ["up", "0.5", "60", "1.5", "0.7", "passed"]])
    assert read_log(tmp_path / "log") == {"down": [], "up": [Passage(0.5, 60, 0.0015, 0.7, PASSED)]}


def test_queues_are_multiples_of_what_is_under_way():
    links = cases(None)
    assert links["L1"].link.down.queue_bytes == 20_000
    assert links["L5"].link.down.queue_bytes == 100_000
    assert links["L4"].link.down.queue_bytes == 125_000


def test_a_trace_is_played_on_the_downlink_alone(tmp_path):
    for name in ("tram", "metro"):
        (tmp_path / f"{name}.csv").write_text("t_s,kbit_s\n0,800\n1,0\n")
    case = cases(tmp_path)["tram"]
    assert case.link.up.steps == constant(384)
    assert ideal_s(case, 144_800) == pytest.approx(2.5)  # 150 kB at 100 kB/s, every other second


def test_medians_are_of_each_figure():
    transfers = [Transfer(*(float(n + k) for k in range(10))) for n in (3, 1, 2)]
    assert median(transfers) == Transfer(*(float(2 + k) for k in range(10)))


def test_a_span_of_one_value_is_that_value():
    assert span([1.041, 1.044], 2) == "1.04"
    assert span([1.06, 1.04], 2) == "1.04 to 1.06"


def test_a_result_is_measured_once(tmp_path):
    result = Transfer(*(float(k) for k in range(10)))
    path = tmp_path / "result.json"
    assert kept(path, lambda: result) == result
    assert kept(path, pytest.fail) == result


def test_a_failure_is_not_kept(tmp_path):
    def fail():
        raise FailedError("gone")

    with pytest.raises(FailedError):
        kept(tmp_path / "result.json", fail)
    assert not list(tmp_path.iterdir())


def test_a_case_names_its_programs():
    case = cases(None)["sources"]
    assert isinstance(case, Case)
    assert case.link.source is not None
    assert "lightpeer" in case.peers
