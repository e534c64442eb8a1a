"""The defaults of a server, and an operator who says nothing."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from lightpeer.serve.operator.events import OnlyHere
from lightpeer.serve.operator.settings import DEFAULT_LADDER_KBPS, Operator, ServeSettings

PLAIN = ServeSettings(music_dir=Path("music"), state_dir=Path("state"))


def test_unless_it_is_told_otherwise_a_server_is_for_this_machine_and_reads_no_other_folders():
    assert PLAIN.listen[0] == "127.0.0.1"
    assert not PLAIN.follow_links
    assert (PLAIN.more_music_dirs, PLAIN.announce, PLAIN.bootstrap, PLAIN.mirror) == ((), (), (), ())


def test_unless_it_is_told_otherwise_anybody_may_listen_as_fast_as_the_link_allows():
    assert (PLAIN.allow, PLAIN.deny, PLAIN.max_upload_bytes_per_s) == ((), (), None)


def test_a_ladder_rises_from_what_hardly_any_link_carries():
    assert list(DEFAULT_LADDER_KBPS) == sorted(set(DEFAULT_LADDER_KBPS))
    assert min(DEFAULT_LADDER_KBPS) <= 24 < max(DEFAULT_LADDER_KBPS)


def test_settings_stay_as_they_are_while_a_server_runs():
    with pytest.raises(FrozenInstanceError):
        PLAIN.lan = False
    with pytest.raises(TypeError):
        ServeSettings(Path("music"), Path("state"))


def test_an_operator_may_listen_to_nothing_and_have_no_switches():
    operator = Operator()
    assert operator.tell(OnlyHere(47474)) is None
    assert (operator.progress, operator.toggles, operator.hangups) == (None, None, None)


def test_an_operator_is_told_what_happens():
    told: list[object] = []
    Operator(tell=told.append).tell(OnlyHere(47474))
    assert told == [OnlyHere(47474)]
