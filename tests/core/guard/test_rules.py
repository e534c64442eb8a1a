from __future__ import annotations

import pytest

from lightpeer.core.content.uri import format_uri
from lightpeer.core.guard.rules import Refusal, Rules
from lightpeer.core.lists.rule_lists import ALLOWABLE, DENIABLE, RuleList, read_list
from lightpeer.core.trust.identity import PeerId, format_peer_id
from lightpeer.core.trust.records import PeerRecord

OWN, ANNA, BEN, MALLORY = (PeerId(bytes([n]) * 20) for n in range(1, 5))
RAIN, SNOW = b"r" * 32, b"s" * 32
HERE, THERE = "192.0.2.7", "2001:db8::7"


def named(*entries: str, kinds=DENIABLE) -> RuleList:
    return read_list(["\n".join(entries).encode()], kinds)


def peer(peer_id: PeerId) -> str:
    return format_peer_id(peer_id)


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
