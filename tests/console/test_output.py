"""What is printed: nothing from strangers steers the terminal, JSON is whole."""

from __future__ import annotations

import io
import json

from lightpeer.console.output import Output


def test_results_for_people_and_for_programs():
    people, programs = io.StringIO(), io.StringIO()
    Output(stream=people).result("hit", "a\x1bb", title="a\x1bb")
    Output(json=True, stream=programs).result("hit", "a\x1bb", title="a\x1bbé")
    assert people.getvalue() == "a b\n"
    assert programs.getvalue().isascii()
    assert json.loads(programs.getvalue()) == {"event": "hit", "title": "a\x1bbé"}


def test_quiet_leaves_out_remarks_but_not_results():
    stream = io.StringIO()
    output = Output(quiet=True, stream=stream)
    output.remark("playing", "playing a")
    output.result("hit", "b")
    assert stream.getvalue() == "b\n"
    Output(json=True, quiet=True, stream=stream).remark("playing", "c")
    assert stream.getvalue() == 'b\n{"event": "playing"}\n'


def test_errors_go_to_stderr_and_in_json_to_both(capsys):
    Output().error("no\x1bpeer", 3)
    assert capsys.readouterr() == ("", "lightpeer: no peer\n")
    Output(json=True).error("no peer", 3)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"event": "error", "message": "no peer", "exit_status": 3}
    assert err == "lightpeer: no peer\n"


class Narrow(Output):
    """Output on a terminal of some columns."""

    columns = 12


def test_prose_is_folded_on_a_terminal_alone():
    for output, text in ((Narrow, "one two\n  three four\n"), (Output, "one two three four\n")):
        stream = io.StringIO()
        output(stream=stream).prose("x", "one two three four", indent=2)
        assert stream.getvalue() == text
