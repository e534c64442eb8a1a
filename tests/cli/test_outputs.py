"""The list of outputs."""

from __future__ import annotations

import json

from lightpeer.audio import device
from lightpeer.cli.main import run
from lightpeer.errors import AudioError


def test_devices_and_other_outputs_are_listed(monkeypatch, capsys):
    found = [device.Device("hw:1,0", "ALSA", False), device.Device("default\x1b", "ALSA", True)]
    monkeypatch.setattr(device, "output_devices", lambda: found)
    assert run(["play", "--output", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["sounddevice:hw:1,0  ALSA", "sounddevice:default   ALSA, the default"]
    assert [line.split()[0] for line in lines[2:]] == ["wav:FILE", "pipe", "command:PROGRAM", "null"]


def test_that_there_is_none_is_said_and_every_line_is_short(monkeypatch, capsys):
    monkeypatch.setattr(device, "output_devices", list)
    assert run(["play", "x", "--output=list"]) == 0
    out, err = capsys.readouterr()
    assert err == "lightpeer: no sound device was found\n"
    assert max(map(len, out.splitlines())) < 40


def test_programs_read_json_and_a_missing_device_hides_no_other_output(monkeypatch, capsys):
    def missing():
        raise AudioError(f"no device{device.ELSEWHERE}")

    monkeypatch.setattr(device, "output_devices", missing)
    assert run(["play", "--output", "list", "--json"]) == 0
    out, err = capsys.readouterr()
    events = [json.loads(line) for line in out.splitlines()]
    assert err == "lightpeer: no device\n"
    assert next(event["output"] for event in events if event["event"] == "output") == "wav:FILE"
