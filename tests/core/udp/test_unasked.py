"""What was not asked for: what may be anybody's doing costs a port, what bears the source's tag its name."""

from __future__ import annotations

import pytest

from lightpeer.core.udp.datagram import Data, Unit, UnitRange
from lightpeer.core.udp.unasked import MOST_BREACHES, MOVES, PULLS_KNOWN, SPARE_BYTES, Conduct, Unasked

HEADERS_BYTES = 28


@pytest.fixture
def account():
    return Unasked()


def junk(account, size):
    """So many bytes of it, headers included."""
    for _ in range(size // 1028):
        account.on_junk(1000)
    if rest := size % 1028:
        account.on_junk(rest - HEADERS_BYTES)


def data(unit, pull_no, *, rendition=1, segment=3):
    return Data(7, pull_no, 0.0, Unit(rendition, segment, unit), b"x")


def test_as_much_as_was_asked_for_and_some_more_is_borne(account):
    junk(account, SPARE_BYTES)
    assert account.judge() is Conduct.BEAR
    account.useful_bytes += 500
    junk(account, 500)
    assert account.judge() is Conduct.BEAR
    junk(account, 29)
    assert account.judge() is Conduct.MOVE


def test_what_comes_until_the_port_is_left_does_not_count(account):
    junk(account, SPARE_BYTES + 100)
    assert account.judge() is Conduct.MOVE
    junk(account, 10 * SPARE_BYTES)
    assert account.judge() is Conduct.BEAR
    account.on_moved()
    assert account.judge() is Conduct.BEAR
    junk(account, SPARE_BYTES - 100)
    assert account.judge() is Conduct.BEAR


def test_a_flood_that_follows_us_ends_it(account):
    for _ in range(MOVES):
        junk(account, SPARE_BYTES + 100)
        assert account.judge() is Conduct.MOVE
        account.on_moved()
    junk(account, SPARE_BYTES + 100)
    assert account.judge() is Conduct.LEAVE


def test_a_datagram_that_was_cut_counts_as_the_longest_that_it_may_have_been(account):
    account.on_junk(2048)
    assert account.judge() is Conduct.BEAR
    account.on_junk(2048)
    assert account.judge() is Conduct.MOVE


def test_units_that_their_pull_did_not_ask_for_are_lies(account):
    account.on_pull(5, [UnitRange(1, 3, 2, 2), UnitRange(0, 9, 0, 1)], shows_token=False)
    foreign = [
        data(1, 5),
        data(4, 5),
        data(2, 5, segment=9),
        data(0, 5, rendition=1, segment=9),
    ]
    for number in range(MOST_BREACHES):
        account.on_data(foreign[number % 4], 10)
        assert account.judge() is Conduct.BEAR
    account.on_data(data(1, 5), 10)
    assert account.judge() is Conduct.LIE


def test_what_was_asked_for_once_proves_nothing_for_anybody_may_send_it_again(account):
    account.on_pull(5, [UnitRange(1, 3, 2, 2)], shows_token=False)
    for _ in range(10 * MOST_BREACHES):
        account.on_data(data(2, 5), 10)
        account.on_data(data(3, 5), 10)
    assert account.judge() is Conduct.BEAR


def test_what_a_forgotten_pull_asked_for_is_not_known(account):
    account.on_pull(0, [UnitRange(1, 3, 0, 1)], shows_token=False)
    for pull_no in range(1, PULLS_KNOWN):
        account.on_pull(pull_no, [], shows_token=False)
    account.on_pull(7, [UnitRange(1, 3, 0, 1)], shows_token=False)  # numbers come again after 65536 PULLs
    for _ in range(MOST_BREACHES + 1):
        account.on_data(data(0, 7), 10)
    account.on_pull(PULLS_KNOWN, [], shows_token=False)
    for _ in range(MOST_BREACHES + 1):
        account.on_data(data(5, 0), 10)
    assert account.judge() is Conduct.BEAR
    for _ in range(MOST_BREACHES + 1):
        account.on_data(data(5, 2), 10)
    assert account.judge() is Conduct.LIE


def test_more_new_paths_than_pulls_are_lies(account):
    account.on_pull(1, [], shows_token=False)
    for number in range(MOST_BREACHES + 1):
        account.on_path(20, is_new=True)
        account.on_pull(2 + number, [], shows_token=True)
    assert account.judge() is Conduct.BEAR
    for _ in range(10):
        account.on_path(20, is_new=False)  # anybody may send one again
    assert account.judge() is Conduct.BEAR
    account.on_path(20, is_new=True)
    assert account.judge() is Conduct.LIE
