"""One track on its way to the sink: a session's verified segments in, pieces of PCM out.

A piece is decoded when it is asked for, so a change of volume is heard once the sink has played its own
queue, not once it has played everything that has arrived. A seek is exact to the sample: decoding begins a
little earlier, and the sound before the wanted position is dropped.
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

PIECE_SAMPLES = SAMPLE_RATE // 5  # as often as the volume can change; a wake-up costs as much as decoding one
PRE_ROLL_SAMPLES = 3840  # 80 ms, after which a decoder has converged (RFC 7845, section 4.6)
MAX_DRIFT_SAMPLES = 3 * SAMPLE_RATE  # between segments and sound: the longest pre-skip, a seek, odd frames
PLENTY_S = 30.0  # of sound: the openings of later tracks may come then, 11 kB each
_END_SAMPLES = SAMPLE_RATE // 10  # a seek beyond the end goes to this far before it, so that it ends as usual


def first_segment(position_s: float) -> int:
    """Return the segment at which decoding must begin for a track to be played from a position in seconds.

    The pre-skip is part of a sample's granule position, so the sample is in this segment or a later one.
    """
    return max(0, round(position_s * SAMPLE_RATE) - PRE_ROLL_SAMPLES) // SAMPLE_RATE


class Deck:
    """An open track. Call `load`, then `next_piece` from one task; `run` in another.

    Attributes:
        session: streams the track.
        started: set by the player once the sink has had any of it.
        in_hand_s: the sound that has left the session's buffer and was not returned yet. After a seek it is
            negative, by the part of the buffer that is decoded only to be dropped.
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
        """The track's manifest."""
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

    @property
    def has_plenty(self) -> bool:
        """Whether what else is fetched now delays nothing that is heard soon."""
        session = self.session
        return session.complete or not session.download.bursts.fetching or session.ahead_s >= PLENTY_S

    def is_at(self, position_s: float) -> bool:
        """Return whether it would go on at a position, in seconds, as it is."""
        is_elsewhere = not self.started and self.session.cursor > 0  # it was opened for another place
        return self.position_s == position_s and not is_elsewhere

    async def run(self, first: tuple[Peer, Opened] | None) -> None:
        """Stream until the deck is closed; `first` is `Session.run`'s."""
        with self._scope:
            await self.session.run(first)

    def load(self, *, gain_q8_db: int, channels: int | None) -> None:
        """Make the decoder, once; raise MissingLibraryError if its libraries cannot be loaded.

        Args:
            gain_q8_db: the gain, in 1/256 dB.
            channels: of the pieces; None: as the track has.
        """
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
            StreamFailedError: no peer can send the rest of the track.
            BadMessageError: the track is not Ogg Opus that can be played.
        """
        while (piece := next(self._pieces, None)) is None:
            self.in_hand_s = min(self.in_hand_s, 0.0)
            segment = await self.session.next_segment()
            if segment is None:
                return None
            self.in_hand_s += 1.0
            assert self._decoder is not None, "`load` comes first"
            # Otherwise segments that decode to nothing would be fetched as fast as they come, unheard.
            if abs(self._decoder.position_samples - segment.segment * SAMPLE_RATE) > MAX_DRIFT_SAMPLES:
                raise BadMessageError(
                    "the track's segments are not one second long: its publisher made a mistake"
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
            raise BadMessageError("the track is not Ogg Opus: its publisher made a mistake")

    def seek(self, position_s: float) -> None:
        """Go on at a position in seconds; beyond the end means the end."""
        assert self._decoder is not None, "`load` comes first"
        last = max(0, self.track.duration_samples - _END_SAMPLES)
        position = min(round(position_s * SAMPLE_RATE), last)
        segment = min(first_segment(position / SAMPLE_RATE), self.track.segment_count - 1)
        self.session.seek(segment)
        self._pieces, self.in_hand_s = iter(()), segment - position / SAMPLE_RATE
        self._decoder.reset(segment * SAMPLE_RATE)
        self._decoder.discard_until(position)

    def close(self) -> None:
        """Stop streaming, and free the decoder's memory."""
        self._scope.cancel()
        self._pieces = iter(())
        if self._decoder is not None:
            self._decoder.close()
