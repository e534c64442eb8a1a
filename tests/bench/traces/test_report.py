"""Tables, charts and the command."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from bench.traces import __main__ as command
from bench.traces.heard import Heard
from bench.traces.metrics import Row, row
from bench.traces.report import draw, tables
from bench.traces.runs import POLICIES, jobs, run_all
from bench.traces.trace import Trace, made_trace

KEYS = {
    *("trace", "scale", "offset_s", "policy", "first_sound_s", "silence_s", "breaks", "bitrate_kbps"),
    *("switches", "wasted_bytes", "radio_on_share", "joules_per_h", "qoe"),
}


def a_row(policy: str, offset_s: float, silence_s: float, kbps: float, **more: object) -> Row:
    gaps = [(5.0, silence_s)] if silence_s else []
    window = Trace("bus", [(300.0, kbps * 2)]).window(1.0, offset_s)  # half a second for the first
    return replace(row(window, policy, Heard(240.0, 0.9, gaps, [kbps] * 240)), **more)


def test_a_table_compares_each_window_with_its_optimum():
    rows = [
        a_row("optimum", 0.0, 1.0, 96),
        a_row("ours", 0.0, 3.3, 48, wasted_bytes=3000, switches=4),
        a_row("optimum", 90.0, 0.0, 96),
        a_row("ours", 90.0, 2.5, 96, first_sound_s=1.8, wasted_bytes=1000, switches=1),
    ]
    lines = list(tables(rows))
    assert "Scale 1, 2 windows" in lines[0]
    assert lines[-1].startswith("| ours | 2.90 | 1 | 2.5 | 0 | 72.0 | 0.750 |")
    assert "| 1.35 / 1.80 | 1.50 / 2.00 | 2.5 | 2 |" in lines[-1]
    assert lines[-2].startswith("| optimum | 0.50 | 0 | 0.0 | 0 | 96.0 | 1.000 |")


def test_a_table_stands_without_the_optimum_and_without_a_sound():
    (line,) = list(tables([a_row("ours", 0.0, 3.0, 48, first_sound_s=None)]))[3:]
    assert line.startswith("| ours | 3.00 |  |  | 0 | 48.0 |  |")


def test_a_window_is_drawn_over_time(tmp_path):
    heard = Heard(3.0, 0.5, [(1.5, 2.0)], [24, 48, 96], end_s=5.5, buffer_s=[(0.0, 0.0), (1.0, 2.0)])
    window = Trace("t", [(10.0, 100.0)]).window(1.0, 0.0)
    draw(tmp_path / "new" / "chart.svg", window, {"ours": heard, "optimum": Heard(3.0, 0.4, [], [96] * 3)})
    for name, lines in (("bitrate", 3), ("buffer", 1)):
        root = ET.fromstring((tmp_path / "new" / f"chart-{name}.svg").read_text())
        assert sum(element.tag.endswith("polyline") for element in root) == lines


def test_jobs_are_all_combinations_and_rows_keep_their_order():
    trace = made_trace("generated-1")
    todo = jobs([trace], [1.0, 0.1], 2, ["optimum", "tcp-24"])
    assert [(job.scale, job.offset_s, job.policy) for job in todo][:3] == [
        (1.0, 0.0, "optimum"),
        (1.0, 0.0, "tcp-24"),
        (1.0, 360.0, "optimum"),
    ]
    rows = list(run_all(todo, 1))
    assert [(one.scale, one.offset_s, one.policy) for one in rows] == [job[1:] for job in todo]
    assert rows == list(run_all(todo, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policies", "luck"], "no policy is called luck"),
        (["--only", "nowhere"], "there is no trace nowhere"),
        (["--scales", "0"], "invalid"),
    ],
)
def test_what_cannot_be_played_is_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        command.parse_arguments(arguments)
    assert message in capsys.readouterr().err


def test_an_empty_folder_has_no_traces(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.parse_arguments(["--traces", str(tmp_path)])
    assert "has no traces" in capsys.readouterr().err


def test_defaults_are_quick_and_all_is_all():
    quick, everything = command.parse_arguments([]), command.parse_arguments(["--all"])
    assert tuple(quick.policies) == ("ours", "optimum")
    assert everything.policies == command.ALL
    assert (
        {"ours", "optimum", "tcp-96", "throughput", "buffer-map", "bola-e", "mpc"}
        <= set(command.ALL)
        <= set(POLICIES)
    )
    assert (len(everything.scales), everything.offsets) == (4, 18)


def test_the_command_writes_rows_tables_and_charts(tmp_path, monkeypatch, capsys):
    (tmp_path / "hill.csv").write_text("t_s,kbit_s\n0,300\n150,60\n300,500\n")
    arguments = ["--traces", str(tmp_path), "--scales", "0.5", "--offsets", "1", "--processes", "1"]
    arguments += ["--policies", "ours,optimum,tcp-48"]
    arguments += ["--json", str(tmp_path / "rows.json"), "--chart", str(tmp_path / "chart.svg")]
    monkeypatch.setattr("sys.argv", ["bench.traces", *arguments])
    command.main()
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [one["policy"] for one in rows] == ["ours", "optimum", "tcp-48"]
    assert all(set(one) >= KEYS for one in rows)
    assert rows[0]["first_sound_s"] > rows[1]["first_sound_s"]
    assert "| tcp-48 |" in capsys.readouterr().out
    assert (tmp_path / "chart-bitrate.svg").exists()
    assert (tmp_path / "chart-buffer.svg").exists()
