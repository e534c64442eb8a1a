from __future__ import annotations

from lightpeer.serve.library.aside import ASIDE_S, MAX_ASIDE, SetAside

ONE, OTHER = b"1" * 32, b"2" * 32


def test_what_cannot_be_read_is_set_aside_for_a_while():
    aside = SetAside()
    assert not aside.holds(ONE, 100)
    assert aside.add(ONE, 100, is_damaged=False)
    assert not aside.add(ONE, 101, is_damaged=False), "it was said"
    assert aside.holds(ONE, 100 + ASIDE_S)
    assert not aside.holds(ONE, 101 + ASIDE_S)
    assert not aside.holds(OTHER, 100)
    assert aside.add(ONE, 101 + ASIDE_S, is_damaged=False)
    assert not aside.has_damage()
    assert not aside.found_damaged


def test_damage_stays_until_it_is_mended():
    aside = SetAside()
    aside.add(ONE, 100, is_damaged=False)
    aside.add(ONE, 100, is_damaged=True)
    aside.add(ONE, 100, is_damaged=False)
    assert aside.holds(ONE, 1e9)
    assert aside.has_damage()
    assert aside.found_damaged == 1
    aside.add(ONE, 100, is_damaged=True)
    assert aside.found_damaged == 1, "it was known"
    aside.add(OTHER, 100, is_damaged=True)
    aside.remove(ONE)
    aside.add(ONE, 100, is_damaged=True)
    assert aside.found_damaged == 3, "it was damaged again"
    aside.remove(ONE)
    aside.remove(OTHER)
    assert not aside.holds(ONE, 100)
    assert not aside.has_damage()


def test_as_many_as_a_disk_has_do_not_fill_memory():
    aside = SetAside()
    for number in range(2 * MAX_ASIDE):
        aside.add(number.to_bytes(32, "big"), 0, is_damaged=True)
    assert len(aside._until_s) == MAX_ASIDE
    assert aside.holds((2 * MAX_ASIDE - 1).to_bytes(32, "big"), 0)
    assert not aside.holds(bytes(32), 0)
