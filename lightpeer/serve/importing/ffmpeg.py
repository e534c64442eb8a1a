"""The system's ffmpeg, as a process that sees one file and no network."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lightpeer.errors import UnreadableError


class NeedsFfmpegError(UnreadableError):
    """Only ffmpeg could read this file, and it is not installed."""

    def __init__(self) -> None:
        super().__init__("ffmpeg is not installed: sudo apt install ffmpeg")


@contextmanager
def running_ffmpeg(
    path: Path, output: Sequence[str], complaints: int | IO[bytes] = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ffmpeg on a file for the length of a block; its output is the process's `stdout`.

    Args:
        path: the file.
        output: the arguments that say what is wanted of it.
        complaints: where it writes what is wrong with the file.

    Raises:
        NeedsFfmpegError: it is not installed.
        UnreadableError: it cannot be started.
    """
    if (ffmpeg := shutil.which("ffmpeg")) is None:
        raise NeedsFfmpegError
    command = [ffmpeg, "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]
    command += [*output, "pipe:1"]
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=null, stdout=pipe, stderr=complaints)  # noqa: S603 - no shell
    except OSError as error:
        raise UnreadableError(f"ffmpeg cannot be started: {error.strerror}") from error
    with process:
        try:
            yield process
        finally:
            process.kill()
