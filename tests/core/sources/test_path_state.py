"""How patient a source is, by what is known of its path."""

from __future__ import annotations

import pytest

from lightpeer.core.sources.path_state import HASTE, ROUND_TRIPS, PathState


@pytest.mark.parametrize(
    ("rtt_s", "patience_s"), [(0.0, 1.5), (0.1, 1.5), (0.5, ROUND_TRIPS * 0.5), (2.0, ROUND_TRIPS * 2.0)]
)
def test_a_patience_lasts_some_round_trips(rtt_s: float, patience_s: float) -> None:
    path = PathState(rtt_s=rtt_s)
    assert path.patience_s(1.5) == patience_s
    assert path.silence_s(1.5) == patience_s


def test_once_the_connection_has_ended_a_silence_is_believed_sooner() -> None:
    path = PathState(is_alive=False, rtt_s=0.1)
    assert path.silence_s(2.5) == HASTE * 2.5
    assert path.patience_s(2.5) == 2.5, "an answer takes as long as before"
    path.rtt_s = 1.0
    assert path.silence_s(2.5) == ROUND_TRIPS * 1.0
