"""Who gives way to whom when all streams are taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.guard.places import Places

NOW = 100.0


class Table:
    """Streams, each with when it was used."""

    def __init__(self, *streams: tuple[str, str, float]) -> None:
        self.places: Places[int] = Places()
        self.used: dict[int, float] = {}
        for number, (network, group, used_s) in enumerate(streams):
            self.places.add(number, network, group)
            self.used[number] = used_s

    def gives_way(self, network: str, group: str) -> int | None:
        return self.places.gives_way(network, group, self.used.__getitem__, NOW)


def test_nobody_gives_way_where_nobody_is():
    assert Table().gives_way("a", "A") is None


def test_the_group_that_has_most_gives_up_to_one_with_fewer_though_each_of_its_networks_has_one():
    flood = [(f"x{number}", "X", NOW + 20 - number) for number in range(9)]
    table = Table(("a", "A", 0.0), *flood)
    assert table.gives_way("b", "B") == 9, "the one that was used least lately"
    assert table.gives_way("a", "A") == 9
    assert table.gives_way("x99", "X") is None, "nothing of its own group rests, and others have fewer"


def test_in_a_group_the_network_that_has_most_gives_up():
    table = Table(("a", "A", NOW), ("b", "A", NOW + 3), ("b", "A", NOW + 1), ("c", "B", NOW))
    assert table.gives_way("n", "A") == 2
    assert table.gives_way("n", "C") == 2, "its group has most"
    assert table.gives_way("a", "A") is None
    assert table.gives_way("b", "A") is None


def test_what_rests_gives_way_to_its_neighbours_and_to_who_has_fewer():
    table = Table(("a", "A", 1.0), ("b", "B", 2.0))
    assert table.gives_way("b", "B") == 1
    assert table.gives_way("n", "N") == 0
    assert table.gives_way("a", "A") == 0
    table = Table(("a", "A", 1.0), ("b", "B", NOW), ("c", "B", NOW))
    assert table.gives_way("n", "B") is None, "a group that has fewer is left alone"


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 200)), max_size=40))
def test_floods_of_one_group_never_cost_a_smaller_one_anything(streams):
    """And what it counts is what is there."""
    capacity, table, where = 8, Table(), {}
    for number, (network, used_s) in enumerate(streams):
        group = "X" if network > "b" else network
        sizes = [sum(of == each for of, _ in where.values()) for each in (group, "X", "a", "b")]
        if len(where) >= capacity:
            last = table.gives_way(network, group)
            if last is None:
                continue
            lost = where.pop(last)[0]
            assert lost == group or sizes[0] <= sizes["Xab".index(lost) + 1]
            table.places.remove(last)
            del table.used[last]
        table.places.add(number, network, group)
        table.used[number] = used_s
        where[number] = group, network
    for number in where:
        table.places.remove(number)
    assert not table.places._groups
    assert not table.places._sizes
