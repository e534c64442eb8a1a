"""The target of remote controls: whatever one says, each command has one answer, and lines stay lines."""

from __future__ import annotations

from lightpeer.core.mpd.commands import carry_out, query_for
from lightpeer.core.mpd.connection import MAX_OUTPUT_BYTES, Connection
from lightpeer.errors import CommandError
from tests.core.mpd.remote import START_S, Remote
from tests.fuzz.target import target

CONNECTS = (
    b'command_list_ok_begin\nstatus\ncurrentsong\nplchanges "0"\ncommand_list_end\nidle player\nnoidle\n'
)
SEARCHES = (
    b'search any "copper rain" sort -title window 0:5\n'
    b"find \"((Artist == 'Ada') AND (!(Title contains 'x')) AND (added-since '2026-12-01'))\"\n"
    b"list album group albumartist\nlsinfo Albums/Ada\nadd Search/x +0\ncount group date\n"
)
EDITS = b"save a\nload a 0:2 1\nplaylistmove a 0 1\nmove 0:2 1\nswap 0 1\nshuffle 1:\ndelete 2\nseek 0 1.5\n"


@target(
    "core.mpd.wire.parse_line_untrusted",
    "core.mpd.filter_parser.parse_filter_untrusted",
    seeds=[CONNECTS, SEARCHES, EDITS],
)
def remote_control(data: bytes) -> None:
    remote, connection = Remote().queued(), Connection(0.0)
    connection.receive(data, 0.0)
    answered = 0
    while (command := connection.next_command()) is not None:
        answered += 1
        assert len(query_for(remote.speaker, remote.session, command, START_S)) <= len(data)
        try:
            connection.answer(carry_out(remote.speaker, remote.session, command, START_S))
        except CommandError as error:
            connection.refuse(error)
    sent = connection.data_to_send()
    assert len(sent) <= MAX_OUTPUT_BYTES
    ends = [line for line in sent.split(b"\n")[1:] if line == b"OK" or line.startswith(b"ACK [")]
    assert len(ends) <= data.count(b"\n")
    assert answered <= data.count(b"\n")
