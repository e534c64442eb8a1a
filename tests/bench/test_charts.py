from bench.lab.pipe import DROPPED, LOST, PASSED, Passage
from bench.links.charts import losses, queue, rate, write_charts

DOWN = [
    Passage(0.0, 1000, 0.0, 0.5, PASSED),
    Passage(0.1, 1000, 0.1, 0.6, LOST),
    Passage(0.2, 1000, 0.0, 0.2, DROPPED),
    Passage(1.5, 500, 0.3, 2.5, PASSED),
]


def test_the_rate_is_of_what_arrived():
    assert rate(DOWN, 1.0) == [(0.5, 8.0), (1.5, 0.0), (2.5, 4.0)]


def test_the_queue_is_the_mean_wait_of_what_was_sent():
    assert queue(DOWN, 1.0) == [(0.5, 50.0), (1.5, 300.0)]


def test_losses_are_steps():
    assert losses(DOWN) == [(0, 0), (0.1, 0), (0.1, 1), (0.2, 1), (0.2, 2), (1.5, 2)]


def test_three_charts_are_written(tmp_path):
    log = tmp_path / "packets.csv"
    lines = [
        "way,came_s,bytes,queue_ms,arrived_s,fate",
        "down,0.1,1000,5,0.2,passed",
        "down,2,900,7,2.1,lost",
    ]
    log.write_text("\n".join(lines))
    write_charts(tmp_path / "charts", "L1", "a link", {"one": log})
    names = sorted(path.name for path in (tmp_path / "charts").iterdir())
    assert names == ["link-L1-loss.svg", "link-L1-queue.svg", "link-L1-rate.svg"]
