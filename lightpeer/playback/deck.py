"""One track on its way to the sink: a session's verified segments in, pieces of PCM out.

A piece is decoded when it is asked for, so that a volume key is heard after what
the sink has queued, not after what has arrived. A seek goes to the sample: decoding
begins a little earlier, and what comes before the wanted place is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from lightpeer.core.content.manifest import SAMPLE_RATE
from lightpeer.errors import BadMessageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightpeer.audio.decoder import Decoder
    from lightpeer.core.content.manifest import Rendition, Track
    from lightpeer.core.udp.opening import Opened
    from lightpeer.download.session import Session
    from lightpeer.peering.peer import Peer

PIECE_SAMPLES = SAMPLE_RATE // 5  # as often as a volume key is heard; waking up costs as much as decoding it
PRE_ROLL_SAMPLES = 3840  # 80 ms, after which a decoder has converged (RFC 7845, section 4.6)
MAX_DRIFT_SAMPLES = 3 * SAMPLE_RATE  # between segments and sound: the longest pre-skip, a seek, odd frames
_END_SAMPLES = SAMPLE_RATE // 10  # a seek beyond the end goes so far before it: the track ends as ever


def first_segment(position_s: float) -> int:
    """Return the segment from which on a decoder must hear a track to play it from a position.

    A sample's granule position is its own and the pre-skip, so it is in this segment or a later one.
    """
    return max(0, round(position_s * SAMPLE_RATE) - PRE_ROLL_SAMPLES) // SAMPLE_RATE


class Deck:
    """An open track. `load` before the first `next_piece`, which one task calls; `run` in another.

    `in_hand_s` is the sound that has left the session's buffer and was not given yet; after a
    seek it is negative by what the buffer holds only for decoding to begin with. `started` is
    for whoever plays it: whether any of it has been given to the sink.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.started = False
        self.in_hand_s = 0.0
        self._scope = trio.CancelScope()
        self._decoder: Decoder | None = None
        self._rendition: int | None = None
        self._pieces: Iterator[bytes] = iter(())

    @property
    def track(self) -> Track:
        """What is played."""
        return self.session.track

    @property
    def rendition(self) -> Rendition:
        """The rendition that is decoded now."""
        return self.track.renditions[self._rendition or 0]

    @property
    def channels(self) -> int:
        """How many channels the pieces have; 0 before the first."""
        return self._decoder.channels if self._decoder else 0

    @property
    def position_s(self) -> float:
        """Where in the track the next piece begins."""
        return self._decoder.position_samples / SAMPLE_RATE if self._decoder else 0.0

    async def run(self, peer: Peer, opened: Opened) -> None:
        """Stream, from the source that was opened first on, until the deck is closed."""
        with self._scope:
            await self.session.run(peer, opened)

    def load(self, *, gain_q8_db: int, channels: int | None) -> None:
        """Make the decoder, once; see `Decoder` for the arguments and for what is raised."""
        from lightpeer.audio.decoder import Decoder

        if self._decoder is None:
            self._decoder = Decoder(channels=channels)
        self.set_gain(gain_q8_db)

    def set_gain(self, gain_q8_db: int) -> None:
        """Set the gain in 1/256 dB, from the next piece on."""
        if self._decoder is not None:
            self._decoder.set_gain(gain_q8_db)

    async def next_piece(self) -> bytes | None:
        """Return about 200 ms of PCM, waiting for data if need be; None at the end of the track.

        Raises:
            StreamFailedError: nobody can go on with the track.
            BadMessageError: what the track holds is no audio that can be played.
        """
        while (piece := next(self._pieces, None)) is None:
            self.in_hand_s = min(self.in_hand_s, 0.0)
            segment = await self.session.next_segment()
            if segment is None:
                return None
            self.in_hand_s += 1.0
            assert self._decoder is not None, "`load` comes first"
            # Else what decodes to nothing would be fetched as fast as it comes, and never be heard.
            if abs(self._decoder.position_samples - segment.segment * SAMPLE_RATE) > MAX_DRIFT_SAMPLES:
                raise BadMessageError(
                    "the track's segments are not of a second: its publisher made a mistake"
                )
            if self._rendition is None:
                self._begin(self._decoder, self.track.renditions[segment.rendition].header)
            self._rendition = segment.rendition
            self._pieces = self._decoder.pieces(segment.data, PIECE_SAMPLES)
        self.in_hand_s -= len(piece) / (2 * self.channels * SAMPLE_RATE)
        return piece

    @staticmethod
    def _begin(decoder: Decoder, header: bytes) -> None:
        decoder.feed(header)
        if not decoder.channels:
            raise BadMessageError("the track is no Ogg Opus: whoever published it made a mistake")

    def seek(self, position_s: float) -> None:
        """Go on at a position, at most at the end."""
        assert self._decoder is not None, "`load` comes first"
        last = max(0, self.track.duration_samples - _END_SAMPLES)
        position = min(round(position_s * SAMPLE_RATE), last)
        segment = min(first_segment(position / SAMPLE_RATE), self.track.segment_count - 1)
        self.session.seek(segment)
        self._pieces, self.in_hand_s = iter(()), segment - position / SAMPLE_RATE
        self._decoder.reset(segment * SAMPLE_RATE)
        self._decoder.discard_until(position)

    def close(self) -> None:
        """End streaming, and give the decoder's memory back."""
        self._scope.cancel()
        self._pieces = iter(())
        if self._decoder is not None:
            self._decoder.close()
