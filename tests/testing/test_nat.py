"""NATs forget, on literal times."""

from __future__ import annotations

from lightpeer.testing.nat import Nat


def test_as_it_comes_it_never_forgets() -> None:
    nat = Nat()
    nat.leave(1e9)
    assert nat.enter(2e9)
    assert nat.shift == 0


def test_after_a_silence_nothing_comes_in_and_what_goes_out_has_another_port() -> None:
    nat = Nat()
    nat.forgets_s = 30.0
    nat.leave(0.0)
    assert nat.enter(29.0)
    assert nat.enter(58.0), "either way keeps it"
    assert not nat.enter(88.0)
    assert nat.shift == 0
    nat.leave(88.0)
    assert nat.shift == 1
    assert nat.enter(117.0)
