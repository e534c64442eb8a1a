"""Sinks that are other programs: PCM to standard output, and a WAV stream into a command.

The pipe is the queue, and its reader sets the pace. The kernel would wake a waiting writer for each page that
is read, 50 times a second. So after the first page the writer rests until half of the pipe should be free.
"""

from __future__ import annotations

import fcntl
import os
import select
import subprocess
from typing import cast

import trio

from lightpeer.audio.sinks import BaseSink, wav_header
from lightpeer.errors import AudioError

# The least PIPE_BUF on the systems we run on: a writable pipe takes this much at once or not at all. It is a
# number of whole samples, so a write that is cancelled does not swap the channels.
_PIECE_BYTES = 4096
# For a command to end once it was told to.
_COMMAND_EXIT_S = 1.0


class _PipedSink(BaseSink):
    """A sink that writes into a pipe, at its reader's pace."""

    def __init__(self) -> None:
        super().__init__()
        self._rest_pieces = 0  # half of the pipe
        self._longest_rest_s = 0.0  # the playing time of that half

    def _begin(self, fd: int, rate: int, channels: int) -> None:
        self._rest_pieces = _pipe_bytes(fd) // (2 * _PIECE_BYTES)
        self._longest_rest_s = self._rest_pieces * _PIECE_BYTES / (rate * channels * 2)

    async def _write_to(self, fd: int, data: bytes) -> None:
        """Write all of it; raise OSError."""
        rest = memoryview(data)
        await self._wait_while_paused()
        while rest:
            if self._paused:
                await self._wait_while_paused()
            elif _is_writable(fd):
                rest = rest[os.write(fd, rest[:_PIECE_BYTES]) :]
            else:
                await self._wait_for_room(fd)

    async def _wait_for_room(self, fd: int) -> None:
        """Wait until half of the pipe should be free, by the time that the first piece took."""
        full_at = trio.current_time()
        await trio.lowlevel.wait_writable(fd)
        piece_s = trio.current_time() - full_at
        await trio.sleep(min(self._rest_pieces * piece_s, self._longest_rest_s))


def _is_writable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(0))


def _pipe_bytes(fd: int) -> int:
    """Return a pipe's capacity; 0 if it is not a pipe, or the system does not say."""
    try:
        return fcntl.fcntl(fd, fcntl.F_GETPIPE_SZ)
    except (AttributeError, OSError):
        return 0


class PipeSink(_PipedSink):
    """PCM to standard output. What reads it may be slow or fast: the best quality is written, as it comes."""

    realtime = False

    def __init__(self, fd: int = 1) -> None:
        super().__init__()
        self._fd = fd

    async def open(self, rate: int, channels: int) -> None:
        """Begin; no header is written, so the reader has to know the format."""
        self._begin(self._fd, rate, channels)
        await trio.lowlevel.checkpoint()

    async def write(self, pcm: bytes) -> None:
        """Write at the reader's pace."""
        try:
            # Standard output may be shared with other programs, so it stays blocking.
            await self._write_to(self._fd, pcm)
        except BrokenPipeError as exc:
            raise AudioError("cannot write to standard output: the program after the pipe has ended") from exc
        except OSError as exc:
            raise AudioError(f"cannot write to standard output: {exc.strerror}") from exc

    async def aclose(self) -> None:
        """Leave standard output open, as it was."""
        await trio.lowlevel.cancel_shielded_checkpoint()


class CommandSink(_PipedSink):
    """A program that plays its standard input: an endless WAV stream, so that it needs no options."""

    def __init__(self, command: list[str]) -> None:
        super().__init__()
        self._command = command
        self._process: trio.Process | None = None

    async def open(self, rate: int, channels: int) -> None:
        """Start the program, in its own process group: Ctrl-C is ours to handle."""
        try:
            self._process = await trio.lowlevel.open_process(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, process_group=0
            )
        except OSError as exc:
            self._process = None
            name = self._command[0]
            raise AudioError(f"the output command {name!r} cannot be started: {exc.strerror}") from exc
        self._begin(self._stdin.fileno(), rate, channels)
        await self.write(wav_header(rate, channels))  # it fits into the pipe

    async def write(self, pcm: bytes) -> None:
        """Write at the program's pace."""
        try:
            await self._write_to(self._stdin.fileno(), pcm)
        except OSError as exc:
            with trio.move_on_after(_COMMAND_EXIT_S):
                await self._opened().wait()
            raise self._ended() from exc

    async def drain(self) -> None:
        """Close the program's input, and wait until it has ended."""
        await self._stdin.aclose()
        if await self._opened().wait() != 0:
            raise self._ended()

    @property
    def _stdin(self) -> trio.lowlevel.FdStream:
        return cast("trio.lowlevel.FdStream", self._opened().stdin)

    def _opened(self) -> trio.Process:
        if self._process is None:
            raise AudioError("the output command is not running")
        return self._process

    def _ended(self) -> AudioError:
        name, status = self._command[0], self._opened().returncode
        how = "closed its input" if status is None else f"ended with status {status}"
        return AudioError(f"the output command {name!r} {how}: try it by hand, or choose another --output")

    async def aclose(self) -> None:
        """End the program, silently and soon."""
        process, self._process = self._process, None
        if process is None:
            return
        with trio.CancelScope(shield=True):
            assert process.stdin is not None
            await process.stdin.aclose()
            if process.poll() is None:
                process.terminate()
            with trio.move_on_after(_COMMAND_EXIT_S):
                await process.wait()
            if process.poll() is None:
                process.kill()
                await process.wait()
