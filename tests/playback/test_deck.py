"""A deck between a session of literal segments and whoever takes its pieces: sample by sample."""

from __future__ import annotations

import dataclasses
import operator
from array import array

import pytest
import trio
import trio.testing

from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.core.segments.scheduler import SegmentReady
from lightpeer.errors import BadMessageError
from lightpeer.playback.deck import MAX_DRIFT_SAMPLES, PIECE_SAMPLES, Deck, first_segment
from tests.playback.music import PRE_SKIP, STEREO_FRAME, demo_track, pcm_of, tone_track

RAIN = demo_track("copper-rain")
LENGTH_S = RAIN.track.duration_s
LOW = RAIN.track.renditions[0]
BOTH = dataclasses.replace(RAIN.track, renditions=(LOW, LOW._replace(bitrate_bps=96_000)))


class FakeSession:
    """Gives a track's segments from where it was told to."""

    def __init__(self, made=RAIN, track=None, renditions=None) -> None:
        self.track = track or made.track
        self.sought: list[int] = []
        self.ran_with: list[object] = []
        self.was_cancelled = False
        self._parts = made.segments[0]
        self._renditions = renditions or [0] * len(self._parts)
        self._next = 0

    async def next_segment(self) -> SegmentReady | None:
        number, self._next = self._next, self._next + 1
        if number >= len(self._parts):
            return None
        return SegmentReady(self._renditions[number], number, self._parts[number])

    def seek(self, segment: int) -> None:
        self.sought.append(segment)
        self._next = segment

    async def run(self, *given: object) -> None:
        self.ran_with += given
        try:
            await trio.sleep_forever()
        finally:
            self.was_cancelled = True


async def pieces_of(deck: Deck) -> list[bytes]:
    pieces = []
    while (piece := await deck.next_piece()) is not None:
        pieces.append(piece)
    return pieces


def is_nearly(heard: bytes, wanted: bytes) -> bool:
    differences = list(map(operator.sub, array("h", heard), array("h", wanted)))
    return len(heard) == len(wanted) and -64 < min(differences) <= max(differences) < 64


def loaded(session: FakeSession, gain_q8_db: int = 0, channels: int | None = None) -> Deck:
    deck = Deck(session)
    deck.load(gain_q8_db=gain_q8_db, channels=channels)
    return deck


PRE_ROLL_S = 0.08


@pytest.mark.parametrize(
    ("position_s", "segment"),
    [(0.0, 0), (0.5, 0), (1.0, 0), (1.0 + PRE_ROLL_S - 1e-4, 0), (1.0 + PRE_ROLL_S, 1), (7.5, 7), (61.0, 60)],
)
def test_decoding_begins_where_the_decoder_has_converged_by_the_position(position_s, segment):
    assert first_segment(position_s) == segment


def test_before_the_first_piece_nothing_is_known_but_the_track():
    deck = Deck(FakeSession())
    assert (deck.channels, deck.position_s, deck.in_hand_s, deck.started) == (0, 0.0, 0.0, False)
    assert deck.rendition == RAIN.track.renditions[0]
    assert deck.track is RAIN.track
    deck.set_gain(5)
    deck.close()  # without a decoder


@pytest.mark.parametrize(("made", "channels"), [(RAIN, 2), (tone_track(), 1)])
def test_what_is_in_hand_is_what_was_taken_and_not_given(made, channels):
    session = FakeSession(made)
    deck = loaded(session)
    given = bytearray()

    async def main() -> None:
        taken, of_this_s = 0, 0.0
        while (piece := await deck.next_piece()) is not None:
            if session._next != taken:
                taken, of_this_s = session._next, 0.0
            of_this_s += len(piece) / (2 * channels * SAMPLE_RATE)
            given.extend(piece)
            assert deck.channels == channels
            assert deck.in_hand_s == pytest.approx(1.0 - of_this_s)
            assert deck.position_s == pytest.approx(len(given) / (2 * channels * SAMPLE_RATE))
            assert len(piece) <= 2 * channels * (PIECE_SAMPLES + 960)
        assert deck.in_hand_s == 0.0  # the pre-skip was never sound

    trio.run(main)
    assert bytes(given) == pcm_of(made)


def test_it_tells_the_rendition_that_is_decoded_and_has_its_header_once():
    deck = loaded(FakeSession(track=BOTH, renditions=[0, 0, 1, 0, 1, 1, 1, 1]))
    told = []

    async def main() -> list[bytes]:
        pieces = []
        while (piece := await deck.next_piece()) is not None:
            pieces.append(piece)
            told.append(BOTH.renditions.index(deck.rendition))
        return pieces

    assert b"".join(trio.run(main)) == pcm_of(RAIN)
    assert told == [rendition for rendition in (0, 0, 1, 0, 1, 1, 1, 1) for _ in range(5)]


def test_the_first_segments_own_header_is_what_it_begins_with():
    """Others may differ in how loud they are meant to be."""
    broken = BOTH.renditions[0]._replace(header=b"no header")
    track = dataclasses.replace(BOTH, renditions=(broken, BOTH.renditions[1]))
    deck = loaded(FakeSession(track=track, renditions=[1] * 8))
    assert b"".join(trio.run(pieces_of, deck)) == pcm_of(RAIN)


@pytest.mark.parametrize(
    ("position_s", "segment"),
    [(0.0, 0), (0.03, 0), (3.0, 2), (3.5, 3), (6.9, 6), (7.2, 7), (7.5, 7), (7.85, 7)],
)
def test_a_seek_goes_to_the_sample_and_counts_what_comes_before_as_not_there(position_s, segment):
    session = FakeSession()
    deck = loaded(session)

    async def main() -> bytes:
        for _ in range(7):
            await deck.next_piece()
        deck.seek(position_s)
        assert session.sought == [segment]
        assert deck.position_s == round(position_s * SAMPLE_RATE) / SAMPLE_RATE
        assert deck.in_hand_s == pytest.approx(segment - position_s)
        first = await deck.next_piece()
        assert (
            deck.in_hand_s
            == pytest.approx(segment + 1.0 - position_s - len(first) / (STEREO_FRAME * SAMPLE_RATE))
            or position_s == 3.0
        ), "of the first the whole is before it"
        return first + b"".join(await pieces_of(deck))

    heard = trio.run(main)
    assert is_nearly(heard, pcm_of(RAIN)[round(position_s * SAMPLE_RATE) * STEREO_FRAME :])


@pytest.mark.parametrize("position_s", [LENGTH_S - 0.1, LENGTH_S - 0.05, LENGTH_S, 1000.0])
def test_a_seek_beyond_the_end_goes_a_tenth_of_a_second_before_it(position_s):
    session = FakeSession()
    deck = loaded(session)

    async def main() -> bytes:
        await deck.next_piece()
        deck.seek(position_s)
        assert deck.position_s == pytest.approx(LENGTH_S - 0.1)
        return b"".join(await pieces_of(deck))

    assert is_nearly(trio.run(main), pcm_of(RAIN)[-SAMPLE_RATE // 10 * STEREO_FRAME :])
    assert session.sought == [7]


def test_a_seek_in_a_track_that_is_shorter_than_that_begins_it():
    session = FakeSession(track=dataclasses.replace(RAIN.track, duration_samples=1000, segment_count=1))
    deck = loaded(session)
    deck.seek(0.01)
    assert session.sought == [0]
    assert deck.position_s == 0.0


def test_a_seek_goes_to_a_segment_that_there_is_even_where_a_track_says_to_be_longer():
    session = FakeSession(track=dataclasses.replace(RAIN.track, duration_samples=100 * SAMPLE_RATE))
    deck = loaded(session)
    deck.seek(50.0)
    assert session.sought == [7]


def test_what_was_decoded_but_not_given_is_not_heard_after_a_seek():
    deck = loaded(FakeSession())

    async def main() -> bytes:
        await deck.next_piece()
        deck.seek(5.0)
        return await deck.next_piece()

    piece = trio.run(main)
    at = 5 * SAMPLE_RATE * STEREO_FRAME
    assert is_nearly(piece, pcm_of(RAIN)[at : at + len(piece)])


def test_a_sound_in_hand_that_is_used_up_is_none_and_a_debt_stays_one():
    """Of a segment that holds less than its second, the rest was never there."""
    short = demo_track("copper-rain", 2)
    deck = loaded(FakeSession(short))

    async def main() -> None:
        await deck.next_piece()
        deck.in_hand_s = 40.0
        await pieces_of(deck)
        assert deck.in_hand_s == 0.0
        deck.seek(1.9 - PRE_SKIP / SAMPLE_RATE)
        assert deck.in_hand_s < -0.8
        await pieces_of(deck)
        assert deck.in_hand_s == pytest.approx(0.0, abs=1e-6)

    trio.run(main)


@pytest.mark.parametrize(("number", "is_good"), [(3, True), (4, False)])
def test_sound_that_drifts_from_its_segments_is_a_mistake(number, is_good):
    assert MAX_DRIFT_SAMPLES == 3 * SAMPLE_RATE

    class Odd(FakeSession):
        async def next_segment(self) -> SegmentReady | None:
            return SegmentReady(0, number, RAIN.segments[0][0])

    async def main() -> None:
        await loaded(Odd()).next_piece()

    if is_good:
        trio.run(main)
        return
    with pytest.raises(BadMessageError, match=r"^the track's segments are not one second long: "):
        trio.run(main)


@pytest.mark.parametrize("header", [b"", b"RIFF" * 20])
def test_what_is_no_ogg_opus_is_told(header):
    track = dataclasses.replace(RAIN.track, renditions=(RAIN.track.renditions[0]._replace(header=header),))
    with pytest.raises(BadMessageError, match=r"^the track is not Ogg Opus: its publisher "):
        trio.run(loaded(FakeSession(track=track)).next_piece)


def test_a_gain_counts_from_the_next_piece_on_and_loading_again_keeps_the_decoder():
    deck = loaded(FakeSession(), gain_q8_db=-20 * 256, channels=1)

    async def main() -> None:
        first = await deck.next_piece()
        assert deck.channels == 1
        deck.load(gain_q8_db=0, channels=None)
        second = await deck.next_piece()
        assert deck.channels == 1
        deck.set_gain(-90 * 256)
        third = await deck.next_piece()
        loudest = [max(map(abs, array("h", piece))) for piece in (first, second, third)]
        plain = loaded(FakeSession(), channels=1)
        unchanged = [max(map(abs, array("h", await plain.next_piece()))) for _ in range(3)]
        assert loudest[0] == pytest.approx(unchanged[0] / 10, rel=0.02)
        assert loudest[1] == pytest.approx(unchanged[1], abs=4)
        assert loudest[2] <= 1

    trio.run(main)


def test_closing_ends_streaming_and_frees_the_decoder():
    session = FakeSession()
    deck = loaded(session)
    peer, opened = object(), object()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(deck.run, (peer, opened))
            await deck.next_piece()
            await trio.testing.wait_all_tasks_blocked()
            assert session.ran_with == [(peer, opened)]
            assert not session.was_cancelled
            deck.close()
        assert session.was_cancelled
        assert next(deck._pieces, None) is None
        assert deck._decoder._head is None

    trio.run(main)
