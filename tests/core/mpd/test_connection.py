"""Connections: greeting, lists, idle, and what ends them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.mpd.connection import MAX_LIST, MAX_LIST_BYTES, MAX_OUTPUT_BYTES, SILENCE_S, Connection
from lightpeer.core.mpd.wire import MAX_LINE_BYTES, Ack
from lightpeer.errors import CommandError

GREETING = b"OK MPD 0.24.0\n"


def greeted() -> Connection:
    connection = Connection(0.0)
    assert connection.data_to_send() == GREETING
    return connection


def heard(connection: Connection, data: bytes, now: float = 0.0) -> bytes:
    """What the client hears of what it says; a command's answer is its words, and `bad` is refused."""
    connection.receive(data, now)
    while (command := connection.next_command()) is not None:
        if command.name == "bad":
            connection.refuse(CommandError(Ack.ARG, "no"))
        else:
            connection.answer([" ".join(command)])
    return connection.data_to_send()


def test_a_command_is_answered():
    connection = greeted()
    assert heard(connection, b'status\nplay "1"\r\n') == b"status\nOK\nplay 1\nOK\n"
    assert heard(connection, b"bad 1\nstatus\n") == b"ACK [2@0] {bad} no\nstatus\nOK\n"
    assert heard(connection, b'play "1\n') == b"ACK [5@0] {} Missing closing '\"'\n"


def test_a_command_that_is_not_known_has_no_name():
    connection = greeted()
    connection.receive(b"foo\n", 0.0)
    assert connection.next_command() == ("foo",)
    connection.refuse(CommandError(Ack.UNKNOWN, 'unknown command "foo"'))
    assert connection.data_to_send() == b'ACK [5@0] {} unknown command "foo"\n'


def test_commands_are_given_one_at_a_time_and_each_may_take_its_time():
    connection = greeted()
    connection.receive(b"search any x\nstat", 0.0)
    assert connection.wants_data
    assert connection.next_command() == connection.next_command() == ("search", "any", "x")
    assert not connection.wants_data
    connection.receive(b"us\n", 0.0)
    assert (connection.data_to_send(), connection.deadline_s) == (b"", math.inf)
    connection.answer(["file: x"])
    assert connection.next_command() == ("status",)
    assert connection.data_to_send() == b"file: x\nOK\n"


def test_a_list_is_answered_in_one_piece():
    connection = greeted()
    assert heard(connection, b"command_list_ok_begin\nstatus\ncurrentsong\n") == b""
    assert heard(connection, b"command_list_end\n") == b"status\nlist_OK\ncurrentsong\nlist_OK\nOK\n"
    assert (
        heard(connection, b"command_list_begin\nstatus\nstats\ncommand_list_end\n") == b"status\nstats\nOK\n"
    )
    assert heard(connection, b"command_list_begin\ncommand_list_end\n") == b"OK\n"
    connection.receive(b"command_list_ok_begin\nstatus\nsearch any x\ncommand_list_end\nstats\n", 0.0)
    assert connection.next_command() == ("status",)
    connection.answer(["It's OK"])
    assert connection.next_command() == ("search", "any", "x")
    assert connection.data_to_send() == b""
    connection.answer([])
    assert connection.next_command() == ("stats",)
    assert connection.data_to_send() == b"It's OK\nlist_OK\nlist_OK\nOK\n"


def test_a_refusal_ends_a_list():
    said = b"command_list_%sbegin\nstatus\nbad\nstats\ncommand_list_end\nping\n"
    connection = greeted()
    assert heard(connection, said % b"ok_") == b"status\nlist_OK\nACK [2@1] {bad} no\nping\nOK\n"
    assert heard(connection, said % b"") == b"status\nACK [2@1] {bad} no\nping\nOK\n"
    wrong = b'command_list_ok_begin\nstatus\nplay "\nstats\ncommand_list_end\n'
    assert heard(connection, wrong) == b"status\nlist_OK\nACK [5@1] {} Missing closing '\"'\n"


def test_lists_are_not_nested_and_their_end_alone_is_a_command_like_any():
    connection = greeted()
    connection.receive(b"command_list_begin\ncommand_list_begin\ncommand_list_end\ncommand_list_end\n", 0.0)
    assert connection.next_command() == ("command_list_begin",)
    connection.answer([])
    assert connection.next_command() == ("command_list_end",)


def test_idle_ends_with_a_change():
    connection = greeted()
    assert heard(connection, b"idle\n") == b""
    assert connection.deadline_s == math.inf
    connection.notify("mixer", 0.0)
    assert connection.data_to_send() == b"changed: mixer\nOK\n"
    connection.notify("player", 0.0)
    connection.notify("database", 0.0)
    connection.notify("player", 0.0)
    assert connection.data_to_send() == b""
    assert heard(connection, b"idle\n") == b"changed: database\nchanged: player\nOK\n"
    assert heard(connection, b"idle\nnoidle\nstatus\n") == b"OK\nstatus\nOK\n"


def test_idle_tells_what_was_asked_for_and_keeps_the_rest():
    connection = greeted()
    assert heard(connection, b'idle player "Playlist"\n') == b""
    connection.notify("mixer", 0.0)
    assert connection.data_to_send() == b""
    connection.notify("playlist", 0.0)
    assert connection.data_to_send() == b"changed: playlist\nOK\n"
    assert heard(connection, b"idle player mixer\n") == b"changed: mixer\nOK\n"


def test_noidle_outside_idle_has_no_answer():
    connection = greeted()
    assert heard(connection, b"noidle\nstatus\n") == b"status\nOK\n"
    assert heard(connection, b"command_list_begin\nnoidle\nstatus\ncommand_list_end\n") == b"status\nOK\n"


def test_idle_is_refused_where_it_makes_no_sense():
    connection = greeted()
    assert heard(connection, b"idle nothing\n") == b"ACK [2@0] {idle} Unrecognized idle event: nothing\n"
    said = b"command_list_begin\nstatus\nidle\ncommand_list_end\n"
    assert heard(connection, said) == (
        b"status\nACK [2@1] {idle} a list of commands cannot wait for changes\n"
    )
    assert heard(connection, b"status\n") == b"status\nOK\n"


@pytest.mark.parametrize(
    "said",
    [
        b"\n",
        b"\r\n",
        b" status\n",
        b"GET / HTTP/1.1\r\n",
        b"STATUS\n",
        b"\x16\x03\x01" + b"x" * MAX_LINE_BYTES,
        b"idle\nstatus\n",
        b"idle\nnoidle x\n",
        b"close\n",
        b"command_list_begin\nclose\ncommand_list_end\n",
        b"command_list_begin\n\ncommand_list_end\n",
        b"s" * MAX_LINE_BYTES,
        b"",
    ],
)
def test_what_ends_a_connection(said):
    connection = greeted()
    assert heard(connection, said) == b""
    assert connection.is_closed
    assert not connection.wants_data
    assert connection.deadline_s == math.inf
    connection.receive(b"status\n", 1.0)
    assert connection.next_command() is None


def test_a_browsers_form_carries_no_commands():
    connection = greeted()
    assert heard(connection, b"POST / HTTP/1.1\r\nHost: pi\r\n\r\nsetvol 100\n") == b""


def test_what_was_answered_before_the_end_is_still_sent():
    connection = greeted()
    assert heard(connection, b"status\nclose\nstatus\n") == b"status\nOK\n"


def test_an_answer_may_come_after_the_end():
    connection = greeted()
    connection.receive(b"search any x\n", 0.0)
    assert connection.next_command() is not None
    connection.receive(b"", 0.0)
    connection.answer(["file: x"])
    connection.refuse(CommandError(Ack.ARG, "no"))
    connection.notify("player", 0.0)
    assert connection.data_to_send() == b""


def test_a_line_is_bounded():
    connection = greeted()
    line = b"x" * (MAX_LINE_BYTES - 1)
    assert heard(connection, line) == b""
    assert heard(connection, b"\n") == line + b"\nOK\n"
    heard(connection, line + b"x\n")
    assert connection.is_closed


def test_a_list_is_bounded_in_commands():
    connection = greeted()
    heard(connection, b"command_list_begin\n" + b"ping\n" * MAX_LIST)
    assert not connection.is_closed
    heard(connection, b"ping\n")
    assert connection.is_closed


def test_a_list_is_bounded_in_bytes():
    connection, line = greeted(), b"x" * 8000 + b"\n"
    heard(connection, b"command_list_begin\n" + line * (MAX_LIST_BYTES // 8000))
    assert not connection.is_closed
    heard(connection, line)
    assert connection.is_closed


def test_who_does_not_read_is_dropped():
    connection = greeted()
    connection.receive(b"listall\n" * 3, 0.0)
    for _ in range(2):
        connection.next_command()
        connection.answer(["x" * (MAX_OUTPUT_BYTES // 2 - 100)])
    assert not connection.is_closed
    connection.next_command()
    connection.answer(["x" * 300])
    assert connection.is_closed
    assert connection.data_to_send() == b""


def test_the_answers_of_a_list_are_bounded_before_its_end():
    connection = greeted()
    connection.receive(b"command_list_begin\nlistall\nlistall\ncommand_list_end\n", 0.0)
    connection.next_command()
    connection.answer(["x" * MAX_OUTPUT_BYTES])
    assert connection.is_closed
    assert connection.next_command() is None


def test_the_silent_are_closed_but_not_who_is_idle():
    connection = greeted()
    heard(connection, b"status\n", 5.0)
    assert connection.deadline_s == 5.0 + SILENCE_S
    connection.handle_timeout(5.0 + SILENCE_S - 0.1)
    assert not connection.is_closed
    connection.handle_timeout(5.0 + SILENCE_S)
    assert connection.is_closed
    idle = greeted()
    heard(idle, b"idle\n")
    idle.handle_timeout(1e9)
    assert not idle.is_closed
    idle.notify("player", 1e9)
    assert idle.deadline_s == 1e9 + SILENCE_S


def test_text_that_utf_8_does_not_have_is_replaced():
    connection = greeted()
    connection.receive(b"status\nbad\n", 0.0)
    connection.next_command()
    connection.answer(["error: \udcff"])
    connection.next_command()
    connection.refuse(CommandError(Ack.ARG, "\udcff"))
    assert connection.data_to_send() == b"error: ?\nOK\nACK [2@0] {bad}  \n"


SAID = st.lists(
    st.sampled_from(
        [b"status\n", b"bad\n", b'play "\n', b"idle\n", b"noidle\n", b"command_list_begin\n",
         b"command_list_ok_begin\n", b"command_list_end\n", b"close\n", b"\n"]
    ), max_size=12,
)  # fmt: skip


@given(SAID, st.lists(st.integers(1, 9), max_size=9))
def test_it_does_not_matter_how_bytes_are_cut(lines, cuts):
    said = b"".join(lines)
    whole, cut = greeted(), greeted()
    pieces, rest = [], said
    for size in cuts:
        pieces.append(rest[:size])
        rest = rest[size:]
    answers = b"".join(heard(cut, piece) for piece in [*pieces, rest] if piece)
    assert answers == (heard(whole, said) if said else b"")
    assert (cut.is_closed, cut.deadline_s) == (whole.is_closed, whole.deadline_s)
