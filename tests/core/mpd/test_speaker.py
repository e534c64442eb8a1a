"""What commands work on."""

from __future__ import annotations

from lightpeer.core.mpd.song import TAGS, Song
from lightpeer.core.mpd.speaker import Call, Session, Speaker, asks_nothing
from lightpeer.core.queue.play_queue import PlayQueue
from tests.core.mpd.remote import BLUE, START_S, Player


def test_a_speaker_begins_with_nothing_and_tells_nobody():
    queue = PlayQueue(lambda below: 0)
    speaker = Speaker(queue, Player(queue), START_S)
    speaker.on_change("player")
    assert (len(speaker.catalogue), speaker.playlists.names, speaker.is_output_on) == (0, [], True)
    assert speaker.song("copper rain") == Song("copper rain")
    speaker.catalogue.remember([BLUE], START_S)
    assert speaker.song(BLUE.uri).title == "Blue Rain"


def test_a_client_begins_with_all_tags_of_its_own():
    one, other = Session(), Session()
    one.tags.clear()
    assert (other.is_admitted, other.tags, other.features) == (True, set(TAGS), set())


def test_most_commands_ask_nothing_of_the_network():
    queue = PlayQueue(lambda below: 0)
    assert asks_nothing(Call(Speaker(queue, Player(queue), START_S), Session(), (), START_S)) == ""
