"""What is waited for, since when, and when it is given up; the times are literal."""

from __future__ import annotations

import math

from lightpeer.core.segments.events import Resumed, Waiting
from lightpeer.core.segments.waits import LATE_S, Waits


def test_one_outage_is_told_of_once_with_all_its_effects():
    waits = Waits(math.inf)
    assert waits.begin("network", "nothing comes", 14.0, since=10.0) == Waiting("nothing comes", 4.0)
    assert waits.begin("network", "nothing comes", 15.0, since=10.0) is None
    waits.on_silence(20.0)
    assert waits.begin("opening", "no peer", 30.0, next_try_s=2.0) == Waiting("no peer", 20.0, 2.0)
    assert waits.begin("opening", "no peer", 32.0, next_try_s=4.0) is None, "for the same reason"
    assert waits.begin("opening", "refused", 36.0) == Waiting("refused", 26.0)
    assert (waits.since, waits.reason) == (10.0, "refused")
    assert waits.end("network", 40.0) is None
    assert waits.end("opening", 41.0) is None, "nothing is heard yet"
    assert waits.on_sound(42.0) == Resumed(32.0)
    assert (waits.since, waits.silent_since, waits.reason) == (None, None, "")
    assert waits.on_sound(43.0) is None


def test_while_the_buffer_lasts_the_network_that_is_back_ends_the_wait():
    waits = Waits(math.inf)
    waits.begin("network", "nothing comes", 14.0, since=10.0)
    assert waits.on_sound(15.0) is None
    assert waits.end("network", 20.0) == Resumed(10.0)
    assert waits.end("network", 21.0) is None


def test_sound_from_the_buffer_does_not_end_the_wait_for_the_network():
    waits = Waits(math.inf)
    waits.begin("network", "nothing comes", 14.0)
    waits.on_silence(15.0)
    assert waits.on_sound(16.0) is None
    assert waits.since == 14.0


def test_a_silence_without_a_cause_is_not_told_of():
    waits = Waits(math.inf)
    waits.on_silence(10.0)
    assert waits.on_sound(99.0) is None


def test_a_sound_device_is_told_apart():
    waits = Waits(math.inf)
    assert not waits.is_for_sound
    waits.begin("sound", "unplugged", 10.0)
    assert waits.is_for_sound


def test_silence_is_given_up_after_so_long_and_sound_renews_patience():
    waits = Waits(60.0)
    assert waits.give_up_at == math.inf
    waits.on_silence(10.0)
    waits.on_silence(20.0)
    assert waits.give_up_at == 70.0
    assert not waits.is_given_up(69.9)
    waits.on_sound(69.9)
    assert waits.give_up_at == math.inf
    waits.on_silence(100.0)
    assert waits.is_given_up(160.0)


def test_a_pause_costs_no_patience():
    waits = Waits(60.0)
    waits.on_paused(5.0, is_paused=True)
    waits.on_silence(10.0)
    assert waits.give_up_at == math.inf
    waits.on_paused(1000.0, is_paused=False)
    assert waits.give_up_at == 1060.0


def test_a_process_that_was_stopped_has_its_patience_again():
    waits = Waits(60.0)
    waits.on_silence(10.0)
    assert not waits.is_given_up(70.0 + LATE_S + 0.1)
    assert waits.give_up_at == 70.0 + LATE_S + 0.1 + 60.0
