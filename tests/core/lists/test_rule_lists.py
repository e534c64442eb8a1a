from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content.uri import format_uri
from lightpeer.core.lists import rule_lists
from lightpeer.core.lists.rule_lists import (
    ALLOWABLE,
    DENIABLE,
    MAX_LINE_BYTES,
    WITHDRAWABLE,
    LineError,
    RuleList,
    read_list,
)
from lightpeer.core.trust.identity import PeerId, format_peer_id
from lightpeer.errors import UsageError

ANNA, BEN = (PeerId(bytes([n]) * 20) for n in range(1, 3))
RAIN, SNOW = b"r" * 32, b"s" * 32


def named(*entries: str, kinds=DENIABLE) -> RuleList:
    return read_list(["\n".join(entries).encode()], kinds)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def peer(peer_id: PeerId) -> str:
    return format_peer_id(peer_id)


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_remarks_blank_lines_and_the_marks_of_editors_are_passed_over(size: int) -> None:
    lines = [
        b"\xef\xbb\xbf# \xc3\xa4 remark\r\n",
        b"\r\n",
        f"  {peer(ANNA)}\t# Anna's phone, \xff\r\n".encode("latin-1"),
        peer(BEN).encode(),
    ]
    assert list(read_list(cut(b"".join(lines), size), ALLOWABLE).peers) == [ANNA, BEN]
    assert list(read_list(cut(b"\xef\xbb\xbf" + peer(ANNA).encode(), size), ALLOWABLE).peers) == [ANNA]
    assert len(read_list([b"#\n", b""], ALLOWABLE)) == 0
    assert len(read_list([], ALLOWABLE)) == 0


def test_every_kind_of_entry_is_counted_once() -> None:
    some = [peer(ANNA), f"publisher:{peer(BEN)}", format_uri(RAIN), SNOW.hex(), "10.0.0.1/8", "2001:db8::1"]
    assert len(named(*some, *some)) == 6


@pytest.mark.parametrize(
    ("kinds", "line", "reason"),
    [
        (ALLOWABLE, "Anna", "'Anna' is not a peer id (L…)"),
        (ALLOWABLE, peer(ANNA)[:-1], f"{peer(ANNA)[:-1]!r} is not a peer id (L…)"),
        (ALLOWABLE, "10.0.0.0/8", "'10.0.0.0/8' is a network (192.0.2.0/24), and this list takes a peer id"),
        (WITHDRAWABLE, peer(ANNA), "and this list takes a track id (loud:…) only"),
        (WITHDRAWABLE, "loud:x", "'loud:x' is not a track id (loud:…)"),
        (DENIABLE, "publisher:x", "'publisher:x' is not a peer id (L…) or publisher:L… or a track id"),
        (DENIABLE, "g" * 64, "…' is not"),
        (DENIABLE, "10.0.0.0/33", "'10.0.0.0/33' is not"),
        (DENIABLE, f"{peer(ANNA)},{peer(BEN)}", "is not"),
        (DENIABLE, "\0\x1b[31m", "is not"),
        (DENIABLE, "é", "is not"),
        (DENIABLE, "#" * (MAX_LINE_BYTES + 1), "it is longer than 1024 bytes"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_by_its_number(kinds, line, reason) -> None:
    with pytest.raises(LineError) as caught:
        named("", "# the second", line, format_uri(RAIN), kinds=kinds)
    assert caught.value.number == 3
    assert str(caught.value).startswith("line 3: ")
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 250


def test_a_list_has_a_bound(monkeypatch) -> None:
    monkeypatch.setattr(rule_lists, "MAX_ENTRIES", 2)
    assert len(named(peer(ANNA), "# no entry", peer(BEN))) == 2
    with pytest.raises(LineError, match="line 3: a list has at most 2 entries"):
        named(peer(ANNA), peer(BEN), peer(BEN))


def test_the_first_line_that_cannot_be_read_is_told_whatever_is_wrong_with_others(monkeypatch) -> None:
    monkeypatch.setattr(rule_lists, "MAX_ENTRIES", 3)
    right, wrong, long = peer(ANNA), peer(ANNA)[:-1] + "1", "#" * (MAX_LINE_BYTES + 1)
    for lines, number, what in [
        ([right, "10.0.0.0/33", wrong, long, right, right], 2, "10.0.0.0/33"),
        ([right, wrong, "10.0.0.0/33", long, right, right], 2, wrong),
        ([right, long, wrong, right, right], 2, "longer"),
        ([right, right, right, long, right], 4, "longer"),
        ([right, right, right, right, long], 4, "at most 3 entries"),
        ([right, right, right, wrong], 4, "at most 3 entries"),
    ]:
        for size in (1, 50, 1_000_000):
            with pytest.raises(LineError, match=f"line {number}: .*{what}"):
                read_list(cut("\n".join(lines).encode(), size), DENIABLE)


def test_a_line_without_an_end_is_not_read_to_its_end() -> None:
    read = []
    with pytest.raises(LineError, match="line 1: it is longer than 1024 bytes"):
        read_list((read.append(n) or b"x" * 100 for n in range(1000)), DENIABLE)
    assert len(read) == 11


WRONG = st.sampled_from(
    [
        peer(ANNA)[:-1],
        peer(BEN)[:-1] + "1",
        "loud:2",
        "publisher:",
        "10.0.0.0/33",
        "g" * 64,
        "é",
        "ab " * 21 + "a",
    ]
)
RIGHT = st.one_of(
    st.binary(min_size=20, max_size=20).map(peer),
    st.binary(min_size=20, max_size=20).map(lambda one: f"publisher:{peer(one)}"),
    st.binary(min_size=32, max_size=32).map(format_uri),
    st.binary(min_size=28, max_size=28).map(lambda one: format_uri(bytes(4) + one)),
    st.binary(min_size=32, max_size=32).map(bytes.hex),
    st.ip_addresses().map(str),
    st.sampled_from(["", "# no entry", "10.0.0.0/255.0.0.0", "fe80::1%eth0/64"]),
)


@given(
    st.lists(RIGHT, max_size=30),
    st.lists(WRONG, max_size=2),
    st.sampled_from([DENIABLE, WITHDRAWABLE]),
    st.data(),
)
def test_many_lines_are_read_as_each_is_by_itself(right, wrong, kinds, data) -> None:
    lines = data.draw(st.permutations([*right, *wrong]))
    pieces = cut("\n".join(lines).encode(), data.draw(st.integers(1, 500)))
    one_by_one, wrong_line = RuleList(), None
    for number, line in enumerate(lines, 1):
        entry = line.partition("#")[0]
        try:
            if entry:
                one_by_one.add(entry.encode().decode("ascii", "backslashreplace"), kinds)
        except UsageError as error:
            wrong_line = f"line {number}: {error}"
            break
    if wrong_line is not None:
        with pytest.raises(LineError) as caught:
            read_list(pieces, kinds)
        assert str(caught.value) == wrong_line
        return
    one_by_one.flush()
    entries = read_list(pieces, kinds)
    assert len(entries) == len(one_by_one)
    for kind in ("peers", "publishers", "tracks"):
        assert list(getattr(entries, kind)) == list(getattr(one_by_one, kind))
    assert all((line in entries.networks) == (line in one_by_one.networks) for line in lines)


def test_others_come_to_their_turn_while_a_list_is_read() -> None:
    """After each piece, and after each step of what is left to do then."""
    rests = []
    text = "".join(f"{peer(PeerId(n.to_bytes(20, 'big')))}\n" for n in range(3000))
    pieces = cut(text.encode(), 10_000)
    read_list(pieces, ALLOWABLE, lambda: rests.append(0))
    assert len(rests) > len(pieces) + 1


@pytest.mark.parametrize(
    "reader", ["read_peer_ids", "read_track_ids", "read_hex_track_ids", "_read_networks"]
)
def test_what_cannot_be_read_at_once_is_read_one_by_one(reader, monkeypatch) -> None:
    some = [peer(ANNA), f"publisher:{peer(BEN)}", format_uri(RAIN), SNOW.hex(), "10.0.0.0/8"]
    monkeypatch.setattr(rule_lists, reader, lambda _: None)
    entries = named(*some)
    assert list(entries.peers) == [ANNA]
    assert list(entries.publishers) == [BEN]
    assert list(entries.tracks) == [RAIN, SNOW]
    assert "10.1.2.3" in entries.networks
