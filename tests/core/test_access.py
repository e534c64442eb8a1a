from __future__ import annotations

import pytest

from lightpeer.core import access
from lightpeer.core.access import (
    ALLOWABLE,
    DENIABLE,
    MAX_LINE_BYTES,
    WITHDRAWABLE,
    LineError,
    Refusal,
    RuleList,
    Rules,
    read_list,
)
from lightpeer.core.identity import PeerId, format_peer_id
from lightpeer.core.records import PeerRecord
from lightpeer.core.uri import format_uri

OWN, ANNA, BEN, MALLORY = (PeerId(bytes([n]) * 20) for n in range(1, 5))
RAIN, SNOW = b"r" * 32, b"s" * 32
HERE, THERE = "192.0.2.7", "2001:db8::7"


def named(*entries: str, kinds=DENIABLE) -> RuleList:
    return read_list([entry.encode() for entry in entries], kinds)


def peer(peer_id: PeerId) -> str:
    return format_peer_id(peer_id)


# What the lists decide.


@pytest.mark.parametrize(
    ("allow", "deny", "caller", "refusal"),
    [
        (None, [], ANNA, None),
        ([], [], ANNA, Refusal.PRIVATE),  # an empty list lets nobody in
        ([peer(ANNA)], [], ANNA, None),
        ([peer(ANNA)], [], BEN, Refusal.PRIVATE),
        (None, [peer(BEN)], BEN, Refusal.DENIED),
        (None, [peer(BEN)], ANNA, None),
        ([peer(BEN)], [peer(BEN)], BEN, Refusal.DENIED),
        (None, ["192.0.2.0/24"], ANNA, Refusal.DENIED),
        ([peer(ANNA)], ["192.0.2.7"], ANNA, Refusal.DENIED),
        (None, ["198.51.100.0/24", "2001:db8::/32"], ANNA, None),
        (None, ["::/0"], ANNA, None),  # who comes by IPv4
        (None, ["0.0.0.0/0"], ANNA, Refusal.DENIED),
        (None, [f"publisher:{peer(ANNA)}", format_uri(RAIN)], ANNA, None),  # she may listen
        ([], [peer(OWN), "0.0.0.0/0", "::/0"], OWN, None),  # by which the server proves its address
    ],
)
def test_who_is_answered(allow, deny, caller, refusal) -> None:
    allowed = None if allow is None else (named(*allow, kinds=ALLOWABLE),)
    rules = Rules(OWN, allowed, (named(), named(*deny)))
    assert rules.refusal(caller, HERE) is refusal
    assert rules.is_private == (allow is not None)


def test_several_lists_count_together() -> None:
    rules = Rules(
        OWN,
        (named(peer(ANNA), kinds=ALLOWABLE), named(peer(BEN), kinds=ALLOWABLE)),
        (named(peer(MALLORY)), named(format_uri(RAIN)), named("2001:db8::/32")),
    )
    assert [rules.refusal(caller, HERE) for caller in (ANNA, BEN)] == [None, None]
    assert rules.refusal(MALLORY, HERE) is Refusal.DENIED
    assert rules.refusal(ANNA, THERE) is Refusal.DENIED
    assert not rules.admits_host(THERE)
    assert rules.admits_host(HERE)


def test_which_tracks_are_served() -> None:
    rules = Rules(OWN, deny=(named(peer(ANNA)), named(format_uri(RAIN))))
    assert not rules.serves(RAIN)
    assert rules.serves(SNOW)
    assert rules.deny_tracks
    assert not Rules(OWN, deny=(named(peer(ANNA)),)).deny_tracks
    assert not Rules(OWN, deny=(named(RAIN.hex()),)).serves(RAIN)


@pytest.mark.parametrize(
    ("deny", "peer_id", "host", "takes"),
    [
        ([], MALLORY, HERE, True),
        ([peer(MALLORY)], MALLORY, HERE, False),
        ([f"publisher:{peer(MALLORY)}"], MALLORY, HERE, False),
        ([f"publisher:{peer(MALLORY)}"], ANNA, HERE, True),
        (["192.0.2.0/24"], ANNA, HERE, False),
        (["192.0.2.0/24"], ANNA, THERE, True),
        (["192.0.2.0/24"], ANNA, "music.example.org", True),
    ],
)
def test_from_whom_tracks_are_taken(deny, peer_id, host, takes) -> None:
    rules = Rules(OWN, (), (named(*deny),))
    assert rules.takes_from(peer_id, [host]) is takes
    assert rules.may_know(PeerRecord(peer_id, (("example.org", 1), (host, 2)), 1, 1, 1, b"")) is takes
    assert rules.takes_from(peer_id) is (takes or deny == ["192.0.2.0/24"])


# How they are read.


def test_remarks_blank_lines_and_the_marks_of_editors_are_passed_over() -> None:
    lines = [
        b"\xef\xbb\xbf# \xc3\xa4 remark\r\n",
        b"\r\n",
        f"  {peer(ANNA)}\t# Anna's phone, \xff\r\n".encode("latin-1"),
        peer(BEN).encode(),
    ]
    assert list(read_list(lines, ALLOWABLE).peers) == [ANNA, BEN]
    assert list(read_list([b"\xef\xbb\xbf" + peer(ANNA).encode()], ALLOWABLE).peers) == [ANNA]
    assert len(read_list([b"#", b""], ALLOWABLE)) == 0


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
    monkeypatch.setattr(access, "MAX_ENTRIES", 2)
    assert len(named(peer(ANNA), "# no entry", peer(BEN))) == 2
    with pytest.raises(LineError, match="line 3: a list has at most 2 entries"):
        named(peer(ANNA), peer(BEN), peer(BEN))
