"""The sinks that an output names."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightpeer.audio.device import DeviceSink
from lightpeer.audio.outputs import make_sink
from lightpeer.audio.pipes import CommandSink, PipeSink
from lightpeer.audio.sinks import NullSink, WavSink
from lightpeer.errors import UsageError


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        (None, DeviceSink),
        ("", DeviceSink),
        ("sounddevice", DeviceSink),
        ("sounddevice:USB", DeviceSink),
        ("wav:x.wav", WavSink),
        ("pipe", PipeSink),
        ("command:aplay -q", CommandSink),
        ("null", NullSink),
    ],
)
def test_each_kind_has_its_sink(spec, kind):
    assert type(make_sink(spec)) is kind


def test_a_home_and_quotes_are_understood():
    assert make_sink("wav:~/x.wav")._path == Path.home() / "x.wav"
    assert make_sink("command:play 'a b' -q")._command == ["play", "a b", "-q"]


@pytest.mark.parametrize("spec", ["wav:", "pipe:x", "null:x", "command:", "command: ", "alsa", "WAV:x"])
def test_what_is_not_an_output(spec):
    with pytest.raises(UsageError, match="is not an output: choose one of"):
        make_sink(spec)


def test_a_command_with_an_open_quote_is_refused():
    with pytest.raises(UsageError, match="cannot be read"):
        make_sink("command:play 'a b")
