"""One remote control's connection: lines in, one command at a time out, answers back.

The five verbs: `receive` takes bytes, `data_to_send` gives some, `deadline_s` and `handle_timeout` close who
says nothing, and `next_command` gives what is to be carried out. Each command is answered once, by `answer`
or `refuse`, before the next is given; that may take as long as it likes. `notify` tells of changes.

What one line or one list asks for is answered in one piece: several clients take a chunk that happens to end
in `OK` for the end. Who does not read is dropped once `MAX_OUTPUT_BYTES` wait, and who speaks another
protocol at the first byte: a page in a browser could otherwise put commands into a form.

Source: MPD's doc/protocol.rst, and client/Process.cxx for what that does not say.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Final

from lightpeer.core.mpd.wire import MAX_LINE_BYTES, Ack, ack, parse_line_untrusted
from lightpeer.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightpeer.core.mpd.wire import Command

VERSION: Final = "0.24.0"  # three numbers, as some clients expect, and others refuse less than 0.23.5
SUBSYSTEMS: Final = (
    "database", "update", "stored_playlist", "playlist", "player", "mixer", "output", "options", "partition",
    "sticker", "subscription", "message", "neighbor", "mount",
)  # fmt: skip
MAX_LIST: Final = 16_384  # commands: one for each entry that a queue may have
MAX_LIST_BYTES: Final = 2 << 20
MAX_OUTPUT_BYTES: Final = 8 << 20
SILENCE_S: Final = 60.0  # after which who neither says nor waits for anything is dropped
_BEGINS: Final = {b"command_list_begin": False, b"command_list_ok_begin": True}
_END: Final = b"command_list_end"


class _Batch:
    """Commands that are answered together: those of a list, or a single one.

    Attributes:
        lines: what is not carried out yet.
        number: which command is carried out, from 0.
        answers: to those before it.
    """

    def __init__(
        self, lines: Iterable[bytes] = (), *, is_list: bool = True, tells_each: bool = False
    ) -> None:
        self.lines = deque(lines)
        self.number = -1
        self.answers = bytearray()
        self.is_list = is_list
        self._tells_each = tells_each
        self._size_bytes = 0

    def add(self, line: bytes) -> bool:
        """Add a command; return whether there is room for it."""
        self.lines.append(line)
        self._size_bytes += len(line)
        return len(self.lines) <= MAX_LIST and self._size_bytes <= MAX_LIST_BYTES

    def answer(self, lines: Iterable[str]) -> None:
        self.answers += "".join(f"{line}\n" for line in lines).encode(errors="replace")
        if self._tells_each:
            self.answers += b"list_OK\n"


class Connection:
    """A connection. What the answers are belongs to `commands.py`.

    Attributes:
        is_closed: whether nothing is taken any more; what waits to be sent still is.
    """

    def __init__(self, now: float) -> None:
        """Greet; `now` is the time in seconds, of any clock."""
        self.is_closed = False
        self._heard_at_s = now
        self._input = bytearray()
        self._output = bytearray(f"OK MPD {VERSION}\n".encode())
        self._said: _Batch | None = None  # a list that has not ended yet
        self._batch: _Batch | None = None  # that is carried out
        self._command: Command | None = None  # of it, likewise
        self._changed: set[str] = set()
        self._awaited: frozenset[str] = frozenset()  # by `idle`; empty: the client is not idle

    # What comes.

    def receive(self, data: bytes | bytearray, now: float) -> None:
        """Take bytes; none means that no more come."""
        self._heard_at_s = now
        if not data:
            self.close()
        elif not self.is_closed:
            self._input += data

    @property
    def wants_data(self) -> bool:
        """Whether to read on: not while a command is carried out, so that little waits here."""
        return not self.is_closed and self._command is None

    def next_command(self) -> Command | None:
        """Return what is to be carried out; None: nothing, until more comes."""
        while self._command is None and not self.is_closed:
            self._batch = self._batch or self._next_batch()
            if self._batch is None:
                break
            if not self._batch.lines:
                self._end_batch(b"OK\n")
                continue
            self._batch.number += 1
            try:
                self._begin(parse_line_untrusted(self._batch.lines.popleft()))
            except CommandError as error:
                self.refuse(error)
        return self._command

    def _begin(self, command: Command) -> None:
        """Do what is the connection's own; have the rest carried out."""
        assert self._batch is not None, "the command is of it"
        if command.name == "close":
            self.close()
        elif command.name == "noidle":  # too late: what it was to end is over, and this has no answer
            self._batch = self._batch if self._batch.is_list else None
        elif command.name == "idle":
            self._command = command  # which a refusal names
            self._idle(command.arguments)
        else:
            self._command = command

    def _next_batch(self) -> _Batch | None:
        """Return what is to be carried out next; None: that has not been said to its end."""
        while (line := self._next_line()) is not None:
            if self._awaited:
                self._end_idle(line)
            elif self._said is None and line in _BEGINS:
                self._said = _Batch(tells_each=_BEGINS[line])
            elif self._said is None:
                return _Batch([line], is_list=False)
            elif line == _END:
                batch, self._said = self._said, None
                return batch
            elif not self._said.add(line):
                self.close()
        return None

    def _next_line(self) -> bytes | None:
        end = self._input.find(b"\n", 0, MAX_LINE_BYTES)
        line = bytes(self._input[: max(end, 0)]).rstrip()
        if end < 0 and len(self._input) < MAX_LINE_BYTES:
            return None
        if not b"a" <= line[:1] <= b"z":
            self.close()
            return None
        del self._input[: end + 1]
        return line

    # What is answered.

    def answer(self, lines: Iterable[str]) -> None:
        """Answer the command that was given last."""
        self._command = None
        if self._batch is not None:
            self._batch.answer(lines)
            if len(self._batch.answers) > MAX_OUTPUT_BYTES:
                self._drop()
            elif not self._batch.lines:
                self._end_batch(b"OK\n")

    def refuse(self, error: CommandError) -> None:
        """Refuse it, and with it the rest of its list."""
        name = self._command.name if self._command is not None and error.code != Ack.UNKNOWN else ""
        self._command = None
        if self._batch is not None:
            self._end_batch(f"{ack(error, self._batch.number, name)}\n".encode(errors="replace"))

    def _end_batch(self, end: bytes) -> None:
        assert self._batch is not None, "there is one"
        answers, self._batch = self._batch.answers, None
        self._put(answers + end)

    def _put(self, data: bytes | bytearray) -> None:
        self._output += data
        if len(self._output) > MAX_OUTPUT_BYTES:
            self._drop()

    def data_to_send(self) -> bytes:
        """Return what is to be sent, once."""
        data = bytes(self._output)
        self._output.clear()
        return data

    # What has changed.

    def notify(self, subsystem: str, now: float) -> None:
        """Note a change, which the client learns while it is idle; its silence counts from then."""
        self._changed.add(subsystem)
        if self._awaited:
            self._heard_at_s = now
            self._tell_changes()

    def _idle(self, arguments: tuple[str, ...]) -> None:
        """Wait for changes of some subsystems, or of all; raise CommandError if one is not known."""
        assert self._batch is not None, "the command is of it"
        if self._batch.is_list:
            raise CommandError(Ack.ARG, "a list of commands cannot wait for changes")
        awaited = frozenset(argument.lower() for argument in arguments or SUBSYSTEMS)
        for name in awaited.difference(SUBSYSTEMS):
            raise CommandError(Ack.ARG, f"Unrecognized idle event: {name}")
        self._command = self._batch = None
        self._awaited = awaited
        self._tell_changes()

    def _tell_changes(self) -> None:
        changed = [name for name in SUBSYSTEMS if name in self._changed & self._awaited]
        if changed:
            self._changed -= self._awaited
            self._awaited = frozenset()
            self._put("".join(f"changed: {name}\n" for name in changed).encode() + b"OK\n")

    def _end_idle(self, line: bytes) -> None:
        """Take a line while the client is idle: only `noidle` may come."""
        if line != b"noidle":
            self.close()
        else:
            self._awaited = frozenset()
            self._put(b"OK\n")

    # How it ends.

    @property
    def deadline_s(self) -> float:
        """When to call `handle_timeout`; infinite: never as things are."""
        is_waiting = self._awaited or self._command is not None or self.is_closed
        return math.inf if is_waiting else self._heard_at_s + SILENCE_S

    def handle_timeout(self, now: float) -> None:
        """Close it if the client has been silent for too long."""
        if now >= self.deadline_s:
            self.close()

    def close(self) -> None:
        """Take nothing any more; what was answered may still be sent."""
        self.is_closed = True
        self._batch = self._said = self._command = None
        self._awaited = frozenset()
        self._input.clear()

    def _drop(self) -> None:
        """Close it at once: the client does not read what it asks for."""
        self.close()
        self._output.clear()
