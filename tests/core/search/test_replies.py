"""Search replies written and read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.core.content.album import AlbumPlace
from lightpeer.core.search.hits import Findings, FoundTrack, Holder
from lightpeer.core.search.replies import ReplyReader, ReplyWriter
from lightpeer.core.trust.bounds import MAX_HITS, MAX_PEERS, MAX_TEXT_CHARS
from lightpeer.core.trust.records import PeerRecord
from lightpeer.errors import BadMessageError
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from tests.core.search.made import FAR, HOME, NOW, PEERS, URI, peer, track


def written(
    *found: FoundTrack, own: PeerRecord | None = PEERS[0], records: int = MAX_PEERS, caller: str = FAR
) -> pb.SearchReply:
    return ReplyWriter(own, records, caller).reply(found)


def read(*replies: pb.SearchReply, limit: int = 10, records: int = MAX_PEERS) -> list[list[FoundTrack]]:
    reader = ReplyReader("song", limit, records, FAR)
    return [reader.read_untrusted(reply, NOW) for reply in replies]


class TestWriter:
    def test_the_own_record_comes_first_and_each_record_once(self):
        writer = ReplyWriter(PEERS[0], MAX_PEERS, FAR)
        first = writer.reply([track("Song", PEERS[1], PEERS[0])])
        assert list(first.peers) == [PEERS[0].data, PEERS[1].data]
        assert list(first.hits[0].holders) == [1, 0]
        second = writer.reply([track("Song", PEERS[2]), track("Other", PEERS[1])])
        assert list(second.peers) == [PEERS[2].data]
        assert second.hits[0] == pb.Hit(track_id=track().track_id, holders=[2])
        assert (second.hits[1].title, list(second.hits[1].holders)) == ("Other", [1])

    def test_a_first_reply_may_be_without_hits(self):
        assert written() == pb.SearchReply(peers=[PEERS[0].data])
        assert written(own=None) == pb.SearchReply()

    def test_holders_at_home_are_not_named_to_strangers(self):
        at_home = peer(99, HOME)
        assert written(track("Song", at_home), own=None).hits == []
        reply = written(track("Song", at_home, PEERS[1]), own=None)
        assert (list(reply.peers), list(reply.hits[0].holders)) == ([PEERS[1].data], [0])
        assert written(track("Song", at_home), own=None, caller=HOME).hits[0].holders == [0]

    def test_what_is_here_is_told_of_wherever_here_is(self):
        at_home = peer(99, HOME)
        assert written(track("Song", at_home), own=at_home).hits[0].holders == []
        assert written(track("Song"), own=None).hits[0].title == "Song"

    def test_no_more_records_than_wanted_and_the_others_by_their_ids(self):
        found = track("Song", PEERS[1], PEERS[2])
        assert written(found, records=2).peers == [PEERS[0].data, PEERS[1].data, PEERS[2].peer_id]
        assert written(found, records=0).peers == [each.peer_id for each in PEERS[:3]]

    def test_a_newer_record_of_a_holder_that_was_named_is_not_another_holder(self):
        writer = ReplyWriter(PEERS[0], MAX_PEERS, FAR)
        writer.reply([track("Song", PEERS[1])])
        moved = peer(2, "7.7.7.7")
        assert moved.peer_id == PEERS[1].peer_id
        again = writer.reply([track("Other", moved)])
        assert (list(again.peers), list(again.hits[0].holders)) == ([], [1])

    def test_peers_are_bounded(self):
        records = [peer(number) for number in range(1, MAX_PEERS + 9)]
        found = [track(f"Song {number}", record) for number, record in enumerate(records)]
        reply = written(*found, own=None)
        assert len(reply.peers) == len(reply.hits) == MAX_PEERS


HITS = st.builds(
    pb.Hit,
    track_id=st.binary(max_size=33) | st.just(bytes(32)),
    title=st.text(max_size=3),
    duration_ms=st.integers(0, 2**32 - 1),
    bitrates_kbps=st.lists(st.integers(0, 2**32 - 1), max_size=9),
    holders=st.lists(st.integers(0, 4), max_size=5),
)
REPLIES = st.builds(
    pb.SearchReply,
    hits=st.lists(HITS, max_size=4),
    peers=st.lists(st.binary(max_size=20) | st.just(PEERS[0].data), max_size=4),
)


@given(replies=st.lists(REPLIES, max_size=4), limit=st.integers(1, 5), records=st.integers(0, 4))
def test_whatever_is_read_is_sound_and_within_the_limit_or_refused(replies, limit, records):
    reader, findings = ReplyReader("song", limit, records, FAR), Findings("song", limit)
    for reply in replies:
        try:
            found = reader.read_untrusted(reply, NOW)
        except BadMessageError:
            break
        for each in found:
            assert len(each.track_id) == 32
            assert {holder.record for holder in each.holders} <= {PEERS[0], None}
            assert all(len(holder.peer_id) == 20 for holder in each.holders)
            findings.add(each)
    assert len(findings.tracks) <= limit


class TestReader:
    def test_what_was_written_is_read(self):
        writer = ReplyWriter(PEERS[0], MAX_PEERS, FAR)
        batches = [
            [track("Song", PEERS[0]), track("Other", PEERS[1], PEERS[0])],
            [track("Song", PEERS[2])],
            [track("Third", PEERS[2])],
        ]
        assert read(*map(writer.reply, batches)) == batches

    @pytest.mark.parametrize("query", [URI, "loud:malformed"])
    def test_a_hit_for_another_track_than_the_one_named_is_refused(self, query):
        with pytest.raises(BadMessageError, match="another track"):
            ReplyReader(query, 10, MAX_PEERS, FAR).read_untrusted(written(track("Other", PEERS[0])), NOW)

    def test_the_track_that_was_named_is_read(self):
        assert ReplyReader(URI, 10, MAX_PEERS, FAR).read_untrusted(written(track("Song", PEERS[0])), NOW) == [
            track("Song", PEERS[0])
        ]

    def test_the_records_are_there_for_the_cache(self):
        reader = ReplyReader("song", 1, MAX_PEERS, FAR)
        reader.read_untrusted(written(), NOW)
        assert reader.records == [PEERS[0]]

    def test_holders_beyond_the_records_are_read_by_their_ids(self):
        ((found,),) = read(written(track("Song", PEERS[1], PEERS[2]), records=2), records=2)
        assert found.holders == (Holder(PEERS[1].peer_id, PEERS[1]), Holder(PEERS[2].peer_id))

    @pytest.mark.parametrize("data", [PEERS[1].data, b"", b"x" * 19, b"x" * 21])
    def test_what_is_no_id_where_ids_come_is_refused(self, data):
        reply = written(track("Song", PEERS[1]), records=1)
        reply.peers[1] = data
        with pytest.raises(BadMessageError, match="records"):
            read(reply, records=1)

    @pytest.mark.parametrize("bad", [b"", b"junk", PEERS[1].data[:-1], peer(9, "127.0.0.1").data])
    def test_a_record_of_no_use_costs_the_holder_and_nothing_else(self, bad):
        reply = written(track("Song", PEERS[1], PEERS[2]))
        reply.peers[1] = bad
        assert read(reply) == [[track("Song", PEERS[2])]]

    @pytest.mark.parametrize(
        "change",
        [
            {"track_id": b"short"},
            {"title": "x" * 513},
            {"artist": "x" * 513},
            {"album": "x" * 513},
            {"bitrates_kbps": range(9)},
            {"holders": [0, 2]},
            {"holders": [0] * (MAX_HITS + 1)},
        ],
    )
    def test_a_hit_that_cannot_be_is_refused(self, change):
        reply = written(track("Song", PEERS[0], PEERS[1]))
        reply.hits[0].MergeFrom(pb.Hit(**change))
        with pytest.raises(BadMessageError):
            read(reply)

    @pytest.mark.parametrize(
        "replies",
        [
            [written(), pb.SearchReply()],
            [written(*(track(f"Song {i}", PEERS[0]) for i in range(4)))],
            [
                written(*(track(f"Song {i}", PEERS[0]) for i in range(2))),
                written(*(track(f"More {i}", PEERS[0]) for i in range(2))),
            ],
            [written(track("Song", PEERS[0]))] * 13,
            [pb.SearchReply(peers=[b"x"] * (MAX_PEERS + 1))],
            [pb.SearchReply(peers=[b"x"] * MAX_PEERS), written(track("Song", PEERS[0]))],
        ],
    )
    def test_more_than_was_asked_for_is_refused(self, replies):
        with pytest.raises(BadMessageError):
            read(*replies, limit=3)


def test_a_place_on_an_album_goes_along_and_a_hit_without_one_is_as_it_was():
    place = AlbumPlace(3, 2, 12, "Several", 1999)
    reply = written(replace(track("Song", PEERS[1]), place=place), track("Other", PEERS[1]))
    assert (reply.hits[0].track_number, reply.hits[0].album_artist) == (3, "Several")
    assert pb.Hit.FromString(reply.hits[1].SerializeToString()) == reply.hits[1]
    assert [found.place for found in read(reply)[0]] == [place, AlbumPlace()]
    reply.hits[0].album_artist = "x" * (MAX_TEXT_CHARS + 1)
    with pytest.raises(BadMessageError, match="album artist"):
        read(reply)
