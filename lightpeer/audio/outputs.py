"""Makes the sink that an `--output` names; the modules for programs and the device are imported on demand."""

from __future__ import annotations

from pathlib import Path

from lightpeer.audio.sinks import NullSink, Sink, WavSink
from lightpeer.errors import UsageError

KINDS = "sounddevice[:DEVICE], wav:FILE, pipe, command:PROGRAM ..., null"


def make_sink(spec: str | None) -> Sink:
    """Return the sink for `--output`: one of KINDS, by default the sound device.

    Raises:
        UsageError: there is no such kind.
    """
    kind, _, argument = (spec or "sounddevice").partition(":")
    match kind, argument:
        case "sounddevice", _:
            from lightpeer.audio.device import DeviceSink

            return DeviceSink(argument)
        case "wav", path if path:
            return WavSink(_expanded(path))
        case "command", line if _split(line):
            from lightpeer.audio.pipes import CommandSink

            return CommandSink(_split(line))
        case "pipe", "":
            from lightpeer.audio.pipes import PipeSink

            return PipeSink()
        case "null", "":
            return NullSink()
    raise UsageError(f"{spec!r} is not an output: choose one of {KINDS}")


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as exc:
        raise UsageError(f"cannot write {path}: there is no such user here") from exc


def _split(line: str) -> list[str]:
    import shlex

    try:
        return shlex.split(line)
    except ValueError as exc:
        raise UsageError(f"the output command {line!r} cannot be read: {exc}") from exc
