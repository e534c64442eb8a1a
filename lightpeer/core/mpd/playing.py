"""The commands that play: what is heard, how loud, and in which modes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from lightpeer.core.mpd.arguments import number, seconds, switch
from lightpeer.core.mpd.queueing import entry_at, entry_of
from lightpeer.core.mpd.speaker import PAUSED, PLAYING, STOPPED, Call, Rule
from lightpeer.core.mpd.wire import Ack, Lines, pair
from lightpeer.core.queue.modes import Switch
from lightpeer.errors import CommandError

_REPLAY_GAIN: Final = {"off": False, "track": True, "album": True, "auto": True}


# Where it is.


def _check_output(call: Call) -> None:
    if not call.speaker.is_output_on:
        raise CommandError(Ack.SYSTEM, "the output is off: enable it first")


def _check_playing(call: Call) -> None:
    if call.speaker.controls.now().state == STOPPED:
        raise CommandError(Ack.NOT_PLAYING, "Not playing")


def _play(call: Call) -> Lines:
    return _play_entry(call, entry_at(call, call.arguments[0])) if _is_given(call) else _go_on(call)


def _play_id(call: Call) -> Lines:
    return _play_entry(call, entry_of(call, call.arguments[0])) if _is_given(call) else _go_on(call)


def _is_given(call: Call) -> bool:
    return bool(call.arguments) and call.arguments[0] != "-1"  # which old clients mean as nothing


def _play_entry(call: Call, entry: int) -> Lines:
    _check_output(call)
    call.speaker.controls.play(entry)
    return []


def _go_on(call: Call) -> Lines:
    _check_output(call)
    controls = call.speaker.controls
    if controls.now().state == PAUSED:
        controls.pause(is_paused=False)
    elif controls.now().state == STOPPED and len(call.speaker.queue.entries):
        controls.play()
    return []


def _pause(call: Call) -> Lines:
    state = call.speaker.controls.now().state
    is_paused = switch(call.arguments[0]) if call.arguments else state == PLAYING
    if state != STOPPED and not is_paused:
        _check_output(call)
    if state != STOPPED:
        call.speaker.controls.pause(is_paused=is_paused)
    return []


def _stop(call: Call) -> Lines:
    call.speaker.controls.stop()
    return []


def _next(call: Call) -> Lines:
    _check_playing(call)
    call.speaker.controls.next()
    return _unpause(call)


def _previous(call: Call) -> Lines:
    _check_playing(call)
    call.speaker.controls.previous()
    return _unpause(call)


def _unpause(call: Call) -> Lines:
    """Have another track be heard that was gone to during a pause."""
    controls = call.speaker.controls
    if call.speaker.is_output_on and controls.now().state == PAUSED:
        controls.pause(is_paused=False)
    return []


def _seek(call: Call) -> Lines:
    return _seek_entry(call, entry_at(call, call.arguments[0]))


def _seek_id(call: Call) -> Lines:
    return _seek_entry(call, entry_of(call, call.arguments[0]))


def _seek_entry(call: Call, entry: int) -> Lines:
    position_s = _position_s(call.arguments[1])
    turn, controls = call.speaker.queue.turn, call.speaker.controls
    if controls.now().state != STOPPED and turn is not None and turn.entry == entry:
        controls.seek(position_s)
    else:
        _check_output(call)
        controls.play(entry, position_s)
    return []


def _seek_current(call: Call) -> Lines:
    _check_playing(call)
    text = call.arguments[0]
    if text.startswith(("+", "-")):
        position_s = max(0.0, call.speaker.controls.now().position_s + seconds(text))
    else:
        position_s = _position_s(text)
    call.speaker.controls.seek(position_s)
    return []


def _position_s(text: str) -> float:
    position_s = seconds(text)
    if position_s < 0:
        raise CommandError(Ack.ARG, f"Number is negative: {text}")
    return position_s


# How it is played.


def _set_volume(call: Call) -> Lines:
    call.speaker.controls.set_volume(number(call.arguments[0], 0, 100))
    return []


def _change_volume(call: Call) -> Lines:
    volume = call.speaker.controls.now().volume + number(call.arguments[0], -100, 100)
    call.speaker.controls.set_volume(max(0, min(100, volume)))
    return []


def _get_volume(call: Call) -> Lines:
    return [f"volume: {call.speaker.controls.now().volume}"]


def _repeat(call: Call) -> Lines:
    return _change_modes(call, repeat=switch(call.arguments[0]))


def _random(call: Call) -> Lines:
    return _change_modes(call, random=switch(call.arguments[0]))


def _single(call: Call) -> Lines:
    return _change_modes(call, single=_mode(call.arguments[0]))


def _consume(call: Call) -> Lines:
    return _change_modes(call, consume=_mode(call.arguments[0]))


def _change_modes(call: Call, **changed: Any) -> Lines:
    queue = call.speaker.queue
    queue.modes = replace(queue.modes, **changed)
    return []


def _mode(text: str) -> Switch:
    return Switch.ONCE if text == Switch.ONCE.value else Switch(str(int(switch(text))))


def _replay_gain_mode(call: Call) -> Lines:
    if call.arguments[0] not in _REPLAY_GAIN:
        raise CommandError(Ack.ARG, "Unrecognized replay gain mode")
    call.speaker.controls.normalize(is_on=_REPLAY_GAIN[call.arguments[0]])
    call.speaker.on_change("options")
    return []


def _replay_gain_status(call: Call) -> Lines:
    return [f"replay_gain_mode: {'track' if call.speaker.controls.now().normalizes else 'off'}"]


def _clear_error(call: Call) -> Lines:
    call.speaker.controls.clear_error()
    return []


# The output.


def _outputs(call: Call) -> Lines:
    speaker = call.speaker
    is_on = f"outputenabled: {int(speaker.is_output_on)}"
    return ["outputid: 0", pair("outputname", speaker.name), "plugin: lightpeer", is_on]


def _enable_output(call: Call) -> Lines:
    return _turn_output(call, is_on=True)


def _disable_output(call: Call) -> Lines:
    return _turn_output(call, is_on=False)


def _toggle_output(call: Call) -> Lines:
    return _turn_output(call, is_on=not call.speaker.is_output_on)


def _turn_output(call: Call, *, is_on: bool) -> Lines:
    """Turn the output on or off; what plays while it goes off is paused, since nobody would hear it."""
    if number(call.arguments[0]) != 0:
        raise CommandError(Ack.NO_EXIST, "No such audio output")
    speaker = call.speaker
    if not is_on and speaker.controls.now().state == PLAYING:
        speaker.controls.pause(is_paused=True)
    if is_on != speaker.is_output_on:
        speaker.is_output_on = is_on
        speaker.on_change("output")
    return []


RULES: Final = {
    "clearerror": Rule(_clear_error),
    "consume": Rule(_consume, 1, 1),
    "disableoutput": Rule(_disable_output, 1, 1),
    "enableoutput": Rule(_enable_output, 1, 1),
    "getvol": Rule(_get_volume),
    "next": Rule(_next),
    "outputs": Rule(_outputs),
    "pause": Rule(_pause, 0, 1),
    "play": Rule(_play, 0, 1),
    "playid": Rule(_play_id, 0, 1),
    "previous": Rule(_previous),
    "random": Rule(_random, 1, 1),
    "repeat": Rule(_repeat, 1, 1),
    "replay_gain_mode": Rule(_replay_gain_mode, 1, 1),
    "replay_gain_status": Rule(_replay_gain_status),
    "seek": Rule(_seek, 2, 2),
    "seekcur": Rule(_seek_current, 1, 1),
    "seekid": Rule(_seek_id, 2, 2),
    "setvol": Rule(_set_volume, 1, 1),
    "single": Rule(_single, 1, 1),
    "stop": Rule(_stop),
    "toggleoutput": Rule(_toggle_output, 1, 1),
    "volume": Rule(_change_volume, 1, 1),
}
