"""Charts: the axes hold the data, and the document is well-formed."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from bench.chart import Axis, Chart, Series, ticks


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 10], (0, 2, 4, 6, 8, 10)),
        ([0.13, 0.87], (0, 0.2, 0.4, 0.6, 0.8, 1)),
        ([3, 3], (3, 3.5)),
        ([], (1, 1.2)),
        ([-5, 95], (-20, 0, 20, 40, 60, 80, 100)),
    ],
)
def test_ticks_are_round_and_span_the_values(values, expected):
    assert ticks(values) == pytest.approx(expected)


def test_logarithmic_ticks_are_powers_of_ten():
    assert ticks([30, 2000], log=True) == (10, 100, 1000, 10000)
    assert ticks([10, 10], log=True) == (10, 100)


def test_a_position_is_on_the_axis_even_if_the_value_is_not():
    axis = Axis((0, 10), 100, 200, log=False)
    assert [axis.position(v) for v in (-5, 0, 5, 10, 50)] == [100, 100, 150, 200, 200]
    assert Axis((1, 10, 100), 0, 100, log=True).position(10) == pytest.approx(50)


def test_a_chart_is_an_svg_document_with_all_its_series(tmp_path):
    path = tmp_path / "new" / "chart.svg"
    series = [Series("a < b", [(1, 2), (3, 4)], marked=True), Series("c", [(1, 1)], dashed=True)]
    chart = Chart("Title & more", "x", "y", series)
    chart.write(path)
    root = ET.fromstring(path.read_text())
    texts = ["".join(element.itertext()) for element in root if element.tag.endswith("text")]
    assert {"Title & more", "x", "y", "a < b", "c"} <= set(texts)
    assert sum(element.tag.endswith("polyline") for element in root) == 2
    assert sum(element.tag.endswith("circle") for element in root) == 2
    assert chart.to_svg() == path.read_text()
