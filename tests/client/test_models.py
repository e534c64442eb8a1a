"""Tracks and peers as they are shown."""

from __future__ import annotations

import pytest

from lightpeer.client.models import Hit, PeerInfo, hit_of, in_album_order, info_of
from lightpeer.core.content.album import AlbumPlace
from lightpeer.core.content.uri import format_uri
from lightpeer.core.overlay.peer_entry import PeerEntry
from lightpeer.core.search.hits import FoundTrack, Holder
from lightpeer.core.trust.identity import Identity, format_peer_id
from lightpeer.core.trust.records import Role, build_record, parse_record_untrusted

NOW = 1_750_000_000
THEM = Identity(b"\x02" * 32)


def test_a_hit_has_its_uri_and_its_holders_as_people_see_them():
    found = FoundTrack(bytes(32), "Song", "Somebody", "Album", 61_500, (24, 48), (Holder(THEM.peer_id),))
    assert hit_of(found) == Hit(
        track_id=bytes(32),
        uri=format_uri(bytes(32)),
        title="Song",
        artist="Somebody",
        album="Album",
        duration_s=61.5,
        bitrates_kbps=[24, 48],
        holders=[format_peer_id(THEM.peer_id)],
    )


@pytest.mark.parametrize(
    ("roles", "rtt_s", "tried", "shown"),
    [
        (Role.SERVES, 0.12345, True, (123.5, ["serve"], "tried")),
        (0, None, False, (None, [], "new")),
    ],
)
def test_a_peer_has_its_addresses_round_trip_and_state(roles, rtt_s, tried, shown):
    data = build_record(THEM, [("5.6.7.8", 1), ("2001:db8::1", 2)], roles, NOW, NOW + 60)
    entry = PeerEntry(parse_record_untrusted(data, NOW), "5.6", tried=tried, rtt_s=rtt_s)
    rtt_ms, names, state = shown
    assert info_of(entry) == PeerInfo(
        peer_id=format_peer_id(THEM.peer_id),
        endpoints=["5.6.7.8:1", "[2001:db8::1]:2"],
        rtt_ms=rtt_ms,
        roles=names,
        state=state,
    )


def test_an_album_is_in_its_order_and_what_has_no_number_or_album_comes_last():
    def hit(title, album, *, disc=0, number=0, year=0, artist="Somebody"):
        place = AlbumPlace(number, disc, 0, "Several", year)
        return hit_of(FoundTrack(bytes(32), title, artist, album, 1000, (24,), (), place))

    hits = [
        hit("no album", ""),
        hit("d2 t1", "A", disc=2, number=1, year=2000),
        hit("d1 ?", "A", disc=1, year=2000),
        hit("d1 t10", "A", disc=1, number=10, year=2000, artist="A guest"),
        hit("d1 t9", "A", disc=1, number=9, year=2000),
        hit("older", "B", number=1, year=1999),
    ]
    titles = [each.title for each in in_album_order(hits)]
    assert titles == ["older", "d1 t9", "d1 t10", "d1 ?", "d2 t1", "no album"]
