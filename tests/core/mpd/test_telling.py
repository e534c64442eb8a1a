"""What is played, as `status` and `currentsong` tell it."""

from __future__ import annotations

from lightpeer.core.mpd.speaker import PLAYING, Now
from lightpeer.core.queue.modes import Switch
from tests.core.mpd.remote import BLUE, RED, Remote

ALWAYS = ["volume", "repeat", "random", "single", "consume", "partition", "playlist", "playlistlength"]


def status(remote: Remote) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in remote.says("status"))


def test_nothing_is_played():
    remote = Remote()
    assert remote.says("status") == [
        "volume: 50",
        "repeat: 0",
        "random: 0",
        "single: 0",
        "consume: 0",
        "partition: default",
        "playlist: 1",
        "playlistlength: 0",
        "mixrampdb: 0",
        "state: stop",
    ]
    assert remote.says("currentsong") == []


def test_what_is_played():
    remote = Remote().queued().with_modes(repeat=True, single=Switch.ONCE, consume=Switch.ON)
    remote.says("play 1")
    remote.player.state = Now(PLAYING, 59.9996, 60.2, 64, 80)
    assert remote.says("status") == [
        "volume: 80",
        "repeat: 1",
        "random: 0",
        "single: oneshot",
        "consume: 1",
        "partition: default",
        "playlist: 2",
        "playlistlength: 4",
        "mixrampdb: 0",
        "state: play",
        "song: 1",
        "songid: 2",
        "time: 59:60",
        "elapsed: 60.000",
        "bitrate: 64",
        "duration: 60.200",
        "audio: 48000:16:2",
        "nextsong: 2",
        "nextsongid: 3",
    ]
    song = remote.says("currentsong")
    assert song[0] == f"file: {RED.uri}"
    assert song[-2:] == ["Pos: 1", "Id: 2"]
    assert "Title: Red Sun" in song


def test_a_stop_keeps_the_song_but_no_time():
    remote = Remote().queued()
    remote.says("play 3")
    remote.says("stop")
    found = status(remote)
    assert (found["state"], found["song"], found["songid"]) == ("stop", "3", "4")
    assert not {"time", "elapsed", "duration", "audio", "nextsong"} & found.keys()


def test_while_a_track_is_opening_its_length_is_not_known():
    remote = Remote().queued()
    remote.says("play")
    found = status(remote)
    assert (found["time"], found["elapsed"], found["bitrate"]) == ("0:0", "0.000", "0")
    assert "duration" not in found


def test_what_is_wrong_is_told_until_it_is_cleared():
    remote = Remote()
    remote.player.state = Now(error="the device\nis busy")
    assert remote.says("status")[-1] == "error: the device is busy"
    remote.says("clearerror")
    assert "error" not in status(remote)


def test_the_playlist_that_was_loaded_last():
    remote = Remote().queued(BLUE)
    remote.says("save mine")
    remote.says("load mine")
    assert status(remote)["lastloadedplaylist"] == "mine"


def test_a_client_that_wants_no_tags_gets_none():
    remote = Remote().queued()
    remote.says("play")
    remote.says("tagtypes clear")
    names = [line.split(":")[0] for line in remote.says("currentsong")]
    assert names == ["file", "Last-Modified", "added", "Format", "Time", "duration", "Pos", "Id"]
