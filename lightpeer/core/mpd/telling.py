"""The commands that tell what is played: from memory, and true while a track is still being opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.mpd.song import FORMAT, song_lines
from lightpeer.core.mpd.speaker import STOPPED, Call, Rule
from lightpeer.core.mpd.wire import Lines, pair

if TYPE_CHECKING:
    from lightpeer.core.queue.modes import Modes


def _status(call: Call) -> Lines:
    queue, now = call.speaker.queue, call.speaker.controls.now()
    lines = [
        f"volume: {now.volume}",
        *_mode_lines(queue.modes),
        "partition: default",
        f"playlist: {queue.entries.version}",
        f"playlistlength: {len(queue.entries)}",
        "mixrampdb: 0",
        f"state: {now.state}",
    ]
    if call.speaker.loaded:
        lines.append(pair("lastloadedplaylist", call.speaker.loaded))
    return lines + _song_status(call) + ([pair("error", now.error)] if now.error else [])


def _mode_lines(modes: Modes) -> Lines:
    return [
        f"repeat: {int(modes.repeat)}",
        f"random: {int(modes.random)}",
        f"single: {modes.single.value}",
        f"consume: {modes.consume.value}",
    ]


def _song_status(call: Call) -> Lines:
    """Return what the status says of the song that is due, and of the one after it."""
    queue, now = call.speaker.queue, call.speaker.controls.now()
    if queue.turn is None:
        return []
    lines = [f"song: {queue.entries.place(queue.turn.entry)}", f"songid: {queue.turn.entry}"]
    if now.state != STOPPED:
        lines += [
            f"time: {int(now.position_s)}:{round(now.duration_s)}",
            f"elapsed: {now.position_s:.3f}",
            f"bitrate: {now.bitrate_kbps}",
        ]
        lines += [f"duration: {now.duration_s:.3f}"] if now.duration_s else []
        lines.append(f"audio: {FORMAT}")
    for turn in queue.following(1):
        lines += [f"nextsong: {queue.entries.place(turn.entry)}", f"nextsongid: {turn.entry}"]
    return lines


def _current_song(call: Call) -> Lines:
    queue = call.speaker.queue
    if queue.turn is None:
        return []
    entry = queue.turn.entry
    song = call.speaker.song(queue.entries.item(entry))
    return song_lines(song, call.session.tags, (queue.entries.place(entry), entry))


RULES: Final = {"currentsong": Rule(_current_song), "status": Rule(_status)}
