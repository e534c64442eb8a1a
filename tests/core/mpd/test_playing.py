"""The commands that play."""

from __future__ import annotations

import pytest

from lightpeer.core.mpd.speaker import PAUSED, PLAYING, STOPPED
from lightpeer.core.queue.modes import Modes, Switch
from tests.core.mpd.remote import Remote


def playing(line: str = "play") -> Remote:
    """A remote of a speaker that plays, which has been told nothing since."""
    remote = Remote().queued()
    remote.says(line)
    remote.player.told.clear()
    return remote


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("play", ("play", None, 0.0)),
        ("play -1", ("play", None, 0.0)),
        ("play 2", ("play", 3, 0.0)),
        ("playid", ("play", None, 0.0)),
        ("playid 4", ("play", 4, 0.0)),
        ("seek 1 12.5", ("play", 2, 12.5)),
        ("seekid 1 3", ("play", 1, 3.0)),
    ],
)
def test_playing_begins(line, told):
    remote = Remote().queued()
    assert remote.says(line) == []
    assert (remote.player.told, remote.player.state.state) == ([told], PLAYING)


@pytest.mark.parametrize("line", ["play", "stop", "pause", "pause 1", "pause 0"])
def test_with_an_empty_queue_nothing_happens(line):
    remote = Remote()
    assert remote.says(line) == []
    assert remote.player.state.state == STOPPED


def test_play_goes_on_after_a_pause_and_does_nothing_while_it_plays():
    remote = playing()
    remote.says("play")
    assert remote.player.told == []
    remote.says("pause 1")
    assert remote.player.state.state == PAUSED
    remote.says("play")
    assert remote.player.told == [("pause", True), ("pause", False)]


@pytest.mark.parametrize("line", ["next", "previous"])
def test_another_track_ends_a_pause_unless_the_output_is_off(line):
    remote = playing()
    remote.says("pause 1")
    remote.says(line)
    assert remote.player.told == [("pause", True), (line,), ("pause", False)]
    remote.says("disableoutput 0")
    remote.player.told.clear()
    remote.says(line)
    assert (remote.player.told, remote.player.state.state) == ([(line,)], PAUSED)


def test_pause_without_a_word_is_a_switch():
    remote = playing()
    remote.says("pause")
    remote.says("pause")
    remote.says("pause 1")
    remote.says("pause 0")
    assert remote.player.told == [("pause", True), ("pause", False)] * 2


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("stop", ("stop",)),
        ("next", ("next",)),
        ("previous", ("previous",)),
        ("seekcur 30.5", ("seek", 30.5)),
        ("seekcur +10", ("seek", 52.0)),
        ("seekcur -2.5", ("seek", 39.5)),
        ("seekcur -60", ("seek", 0.0)),
        ("seek 0 7", ("seek", 7.0)),
        ("seekid 1 8", ("seek", 8.0)),
        ("seekid 2 8", ("play", 2, 8.0)),
    ],
)
def test_what_is_played_is_left_or_goes_on_elsewhere(line, told):
    remote = playing()
    remote.player.state = remote.player.state._replace(position_s=42.0)
    assert remote.says(line) == []
    assert remote.player.told == [told]


@pytest.mark.parametrize("line", ["next", "previous", "seekcur 5"])
def test_where_nothing_is_played_this_is_refused(line):
    assert Remote().queued().fails(line) == (55, "Not playing")


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("play 4", (2, "Bad song index")),
        ("play 99", (2, "Bad song index")),
        ("play x", (2, "Integer expected: x")),
        ("playid 9999", (50, "No such song")),
        ("seek 4 1", (2, "Bad song index")),
        ("seek 0 -1", (2, "Number is negative: -1")),
        ("seek 0 x", (2, "Float expected: x")),
        ("seekid 9 1", (50, "No such song")),
        ("seekcur x", (2, "Float expected: x")),
        ("pause 2", (2, "Boolean (0/1) expected: 2")),
        ("setvol 101", (2, "Number too large: 101")),
        ("setvol -1", (2, "Number is negative: -1")),
        ("volume 101", (2, "Number too large: 101")),
        ("repeat 2", (2, "Boolean (0/1) expected: 2")),
        ("random oneshot", (2, "Boolean (0/1) expected: oneshot")),
        ("single 2", (2, "Boolean (0/1) expected: 2")),
        ("consume x", (2, "Boolean (0/1) expected: x")),
        ("replay_gain_mode loud", (2, "Unrecognized replay gain mode")),
        ("enableoutput 1", (50, "No such audio output")),
    ],
)
def test_what_makes_no_sense_is_refused(line, fault):
    remote = playing()
    before = remote.says("status")
    assert remote.fails(line) == fault
    assert (remote.player.told, remote.says("status")) == ([], before)


def test_the_volume():
    remote = Remote()
    assert remote.says("getvol") == ["volume: 50"]
    for line, volume in (("setvol 30", 30), ('volume "2"', 32), ("volume -40", 0), ("volume +100", 100)):
        assert remote.says(line) == []
        assert remote.says("getvol") == [f"volume: {volume}"]


def test_the_modes():
    remote = Remote().queued()
    for line in ("repeat 1", "random 1", "single 1", "consume oneshot"):
        assert remote.says(line) == []
    assert remote.speaker.queue.modes == Modes(True, True, Switch.ON, Switch.ONCE)
    for line in ("repeat 0", "random 0", "single 0", "consume 0"):
        remote.says(line)
    assert remote.speaker.queue.modes == Modes()
    remote.says("single oneshot")
    assert remote.speaker.queue.modes == Modes(single=Switch.ONCE)


def test_replay_gain_is_on_or_off():
    remote = Remote()
    assert remote.says("replay_gain_status") == ["replay_gain_mode: track"]
    remote.says("replay_gain_mode off")
    assert remote.says("replay_gain_status") == ["replay_gain_mode: off"]
    remote.says("replay_gain_mode album")
    assert remote.says("replay_gain_status") == ["replay_gain_mode: track"]
    assert remote.changed == ["options", "options"]


def test_there_is_one_output():
    assert Remote().says("outputs") == [
        "outputid: 0",
        "outputname: lightpeer",
        "plugin: lightpeer",
        "outputenabled: 1",
    ]


def test_an_output_that_is_off_plays_nothing():
    remote = playing()
    remote.says("disableoutput 0")
    assert (remote.player.told, remote.changed) == ([("pause", True)], ["output"])
    assert remote.says("outputs")[-1] == "outputenabled: 0"
    for line in ("play", "play 1", "playid 2", "pause", "pause 0", "seek 1 5"):
        assert remote.fails(line) == (52, "the output is off: enable it first")
    for line in ("pause 1", "stop", "disableoutput 0"):
        assert remote.says(line) == []
    assert remote.changed == ["output"]
    remote.says("toggleoutput 0")
    assert remote.says("outputs")[-1] == "outputenabled: 1"
    remote.says("enableoutput 0")
    assert remote.changed == ["output", "output"]
    assert remote.says("play") == []
    remote.says("toggleoutput 0")
    assert remote.player.state.state == PAUSED
