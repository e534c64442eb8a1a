"""Ogg Opus bytes in, PCM out: push-style, gapless, with few calls into C for each packet.

Granule positions place each sample (RFC 7845, section 4): the stream begins at granule 0, segment k at
granule 48000 k, and a sample's position in the track is its granule position minus the pre-skip. Samples
before the wanted position are decoded and dropped, so one rule serves the pre-skip at the start and the
pre-roll after a seek. The last page's granule says where the end is cut.

The PCM equals that of libopusfile's `op_read` without dither, sample for sample. `opus_decode` yields the
same, except that its soft clip works on whole packets and libopusfile's on the part that is kept. So packets
are decoded to floats, clipped and rounded here while samples are dropped, and then until no clipped peak is
under way. (In a peak that is both clipped and cut by the end, a few samples may differ.)
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

from lightpeer.audio import _native
from lightpeer.audio.ogg import Demuxer, Packet
from lightpeer.audio.opus import OpusHead, packet_samples, parse_opus_head_untrusted
from lightpeer.errors import AudioError, BadMessageError

RATE = 48000  # Hz, of all PCM here and of Opus granule positions
# The longest packet, 120 ms: as much as one call of `opus_decode` can return.
_MAX_PACKET_SAMPLES = 5760
# Two bytes can stand for 120 ms of silence, so the PCM of one feed is bounded.
MAX_SAMPLES_PER_FEED = 60 * RATE
# More than any header and volume ask for: the more a signal clips, the longer libopus takes.
_MAX_GAIN_Q8 = 40 * 256
_NO_END = 1 << 63  # beyond every granule position

# Requests of opus_decoder_ctl, which PyOgg names only where libopusfile is there too.
_RESET_STATE = 4028
_SET_GAIN = 4034


class Decoder:
    """One track's decoder. Feed the header pages, then the segments in their order.

    A segment of another rendition may follow at any time, with or without its own header pages: the decoder's
    state carries over. A packet that cannot be decoded is concealed.

    Attributes:
        channels: of the PCM; 0 before the header was fed.
        concealed: how many packets could not be decoded.
    """

    def __init__(self, *, gain_q8_db: int = 0, channels: int | None = None) -> None:
        """Prepare to decode.

        Args:
            gain_q8_db: gain on top of the header's own, in 1/256 dB.
            channels: 1 or 2, whatever the stream has; None: as the stream has.

        Raises:
            MissingLibraryError: libopus or libogg is not installed.
        """
        self._opus = _Opus()
        self._demuxer = Demuxer(any_serial=True)
        self._pcm = ctypes.create_string_buffer(0)
        self._head: OpusHead | None = None
        self._tags_next = False
        self._settling = True  # samples are being dropped, or a peak of the first packets still clips
        self._granule = 0  # where the next packet begins
        self._wanted_from = 0  # the first sample of the track that is not dropped
        self._typical_samples = 960  # of the last good packet
        self._channels = channels
        self._gain_q8_db = gain_q8_db
        self.channels = 0
        self.concealed = 0

    @property
    def position_samples(self) -> int:
        """The position in the track, in samples at 48 kHz, of the next PCM."""
        pre_skip = self._head.pre_skip if self._head else 0
        return max(self._granule - pre_skip, self._wanted_from)

    def feed(self, data: bytes) -> bytes:
        """Decode the packets that some Ogg bytes complete; return interleaved 16-bit PCM at 48 kHz.

        Raises:
            BadMessageError: the stream is not mono or stereo Opus, changes its channels,
                or decodes to more than MAX_SAMPLES_PER_FEED.
        """
        return b"".join(self.pieces(data, MAX_SAMPLES_PER_FEED))

    def pieces(self, data: bytes, piece_samples: int) -> Iterator[bytes]:
        """Decode as `feed` does, but yield the PCM in pieces, each decoded when it is asked for.

        A piece has `piece_samples` or a part of a packet more; the last one has the rest. A new gain applies
        from the next piece on. Exhaust it, or `reset`, before feeding more. Raises before the first piece.
        """
        self._demuxer.feed(data)
        packets = self._take_packets()
        end = next((p.granule for p in packets if p.eos and p.granule >= 0), _NO_END)
        piece_bytes = piece_samples * 2 * self.channels
        output = bytearray()
        for packet in packets:
            self._decode(packet.data, end, output)
            if len(output) >= piece_bytes:
                yield bytes(output)
                output.clear()
        if output:
            yield bytes(output)

    def _take_packets(self) -> list[Packet]:
        """Return the audio packets that are complete, after applying the headers before them."""
        packets = []
        samples = 0
        for packet in self._demuxer.packets():
            if packet.bos:
                self._begin(packet.data)
            elif self._tags_next:
                self._tags_next = False
            elif self._head:
                packets.append(packet)
                samples += packet_samples(packet.data) or _MAX_PACKET_SAMPLES
                if samples > MAX_SAMPLES_PER_FEED:
                    raise BadMessageError("a segment decodes to far more than its second of audio")
        return packets

    def _begin(self, data: bytes) -> None:
        head = parse_opus_head_untrusted(data)
        if head.mapping_family != 0:
            raise BadMessageError("the track has more than two channels")
        self._tags_next = True
        if self._head:
            if head.channels != self._head.channels:
                raise BadMessageError("a rendition has another number of channels than the one before it")
            return
        self._head = head
        self.channels = self._channels or head.channels
        self._pcm = ctypes.create_string_buffer(_MAX_PACKET_SAMPLES * self.channels * 2)
        self._opus.open(self.channels)
        self.set_gain(self._gain_q8_db)

    def _decode(self, data: bytes, end: int, output: bytearray) -> None:
        """Append the wanted part of a packet: from `_wanted_from` on, and before granule `end`."""
        assert self._head
        decode = self._opus.decode_unclipped if self._settling else self._opus.decode
        # To libopus an empty packet means: conceal as much as there is room for.
        samples = decode(data, self._pcm, _MAX_PACKET_SAMPLES) if data else 0
        if samples <= 0:
            samples = self._conceal(data)
        begin = self._granule
        self._granule = min(begin + samples, end)
        first = max(self._wanted_from + self._head.pre_skip - begin, 0)
        last = self._granule - begin
        if first >= last:
            return
        if self._settling:
            self._settling = self._opus.clip(self._pcm, first, last)
        frame_bytes = 2 * self.channels
        output += memoryview(self._pcm)[first * frame_bytes : last * frame_bytes]
        self._typical_samples = samples

    def _conceal(self, data: bytes) -> int:
        """Conceal a packet that cannot be decoded, for its stated duration or that of the one before."""
        self.concealed += 1
        self._settling = False
        samples = packet_samples(data) or self._typical_samples
        return max(self._opus.decode(None, self._pcm, samples), 0)

    def finish(self) -> bytes:
        """Return the rest at the end: nothing, as every packet is decoded once it is complete."""
        return b""

    def reset(self, granule: int = 0) -> None:
        """Go on elsewhere: the next segment fed begins at `granule`, which is 48000 times its number.

        To seek, reset to the segment before the wanted one, if there is one, so that the decoder converges
        (RFC 7845, section 4.6), then call `discard_until`.
        """
        self._demuxer.reset()
        self._granule = granule
        self._wanted_from = 0
        self._settling = True
        if self._head:
            self._opus.reset()

    def discard_until(self, position_samples: int) -> None:
        """Drop the PCM before a position in the track, in samples at 48 kHz."""
        self._wanted_from = max(position_samples, 0)

    def set_gain(self, gain_q8_db: int) -> None:
        """Set the gain on top of the header's own, in 1/256 dB, from the next packet on.

        The sum is limited to 40 dB.
        """
        self._gain_q8_db = gain_q8_db
        if self._head:
            total = self._head.gain_q8 + gain_q8_db
            self._opus.set_gain(max(-32768, min(total, _MAX_GAIN_Q8)))

    def close(self) -> None:
        """Free the libraries' memory. May be called again."""
        self._demuxer.close()
        self._head = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()


class _Opus:
    """libopus's decoder, in memory that we own, with prototypes that take bytes without a copy."""

    def __init__(self) -> None:
        lib = _native.opus().libopus
        size, int32, pointer, data = ctypes.c_int, ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p
        # Indexing, unlike an attribute, makes a new function object, so PyOgg's prototypes stay unchanged.
        self._size = _prototype(lib["opus_decoder_get_size"], size)
        self._init = _prototype(lib["opus_decoder_init"], pointer, int32, size)
        self._ctl = _prototype(lib["opus_decoder_ctl"], pointer, size)  # and variable arguments
        self._decode = _prototype(lib["opus_decode"], pointer, data, int32, pointer, size, size)
        self._decode_float = _prototype(lib["opus_decode_float"], pointer, data, int32, pointer, size, size)
        self._soft_clip = _prototype(lib["opus_pcm_soft_clip"], pointer, size, size, pointer)
        self._soft_clip.restype = None
        self._channels = 0
        self._state = ctypes.create_string_buffer(0)
        self._floats = (ctypes.c_float * 0)()
        self._clip_memory = (ctypes.c_float * 2)()

    def open(self, channels: int) -> None:
        """Begin to decode to 1 or 2 channels at 48 kHz."""
        self._channels = channels
        self._state = ctypes.create_string_buffer(self._size(channels))
        self._floats = (ctypes.c_float * (_MAX_PACKET_SAMPLES * channels))()
        if self._init(self._state, RATE, channels) != 0:
            raise AudioError("libopus could not start a decoder: reinstall it")

    def reset(self) -> None:
        """Forget the earlier packets."""
        self._ctl(self._state, _RESET_STATE)
        ctypes.memset(self._clip_memory, 0, ctypes.sizeof(self._clip_memory))

    def set_gain(self, gain_q8_db: int) -> None:
        """Set the gain, -32768 to 32767 in 1/256 dB."""
        self._ctl(self._state, _SET_GAIN, ctypes.c_int32(gain_q8_db))

    def decode(self, data: bytes | None, pcm: ctypes.Array[ctypes.c_char], max_samples: int) -> int:
        """Decode one packet; return the samples of each channel, or a negative error.

        Args:
            data: the packet; None conceals a lost one.
            pcm: where the PCM goes.
            max_samples: how many samples of each channel fit there.
        """
        samples: int = self._decode(self._state, data, len(data or b""), pcm, max_samples, 0)
        return samples

    def decode_unclipped(self, data: bytes, _pcm: object, max_samples: int) -> int:
        """Decode into floats, which `clip` turns into PCM."""
        samples: int = self._decode_float(self._state, data, len(data), self._floats, max_samples, 0)
        return samples

    def clip(self, pcm: ctypes.Array[ctypes.c_char], first: int, end: int) -> bool:
        """Clip the floats from sample `first` to `end` into `pcm`; return whether a clipped peak goes on."""
        begin = first * self._channels
        at = ctypes.addressof(self._floats) + begin * ctypes.sizeof(ctypes.c_float)
        self._soft_clip(at, end - first, self._channels, self._clip_memory)
        floats = self._floats[begin : end * self._channels]
        # The order of min and max turns NaN into a number.
        rounded = array("h", [round(max(-32768.0, min(value * 32768.0, 32767.0))) for value in floats])
        ctypes.memmove(ctypes.addressof(pcm) + 2 * begin, rounded.tobytes(), 2 * len(rounded))
        return any(self._clip_memory)


def _prototype(function: Any, *argtypes: type) -> Any:
    function.restype = ctypes.c_int
    function.argtypes = argtypes
    return function
