"""The player: joins session, decoder and sink, and keeps the queue.

Data flows one way: a session gives verified segments, the decoder turns each into
PCM, the sink takes it when it has room; that wait is the backpressure on all that
comes before. The queue's next track is opened once the current one has been fetched
to its end, so that the change is gapless. Commands (seek, skip) cancel the
pump at whatever it waits for, empty the sink, and let it begin anew.

Audio libraries are imported only after the first packet has left: a Pi Zero
spends that time waiting for the network anyway.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import trio

from lightpeer.core.bandwidth import Bandwidth
from lightpeer.core.manifest import SAMPLE_RATE
from lightpeer.core.uri import is_uri, parse_uri
from lightpeer.errors import LightpeerError
from lightpeer.finding import first_source, source_finder
from lightpeer.session import Session
from lightpeer.stats import PlayStats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lightpeer.audio.decoder import Decoder
    from lightpeer.audio.sinks import Sink
    from lightpeer.config import Settings
    from lightpeer.core.manifest import Track
    from lightpeer.core.opening import Opened
    from lightpeer.discovery import Client
    from lightpeer.wire.peer import Peer

RESTART_BEFORE_S = 3.0  # "previous" later than this goes to the track's own beginning, as players do
MIN_VOLUME_DB = -60.0
MAX_VOLUME_DB = 12.0


@dataclass(frozen=True, slots=True)
class PlayerEvent:
    """Something worth telling: its kind, and what belongs to it."""

    kind: str
    data: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """What a player does now. `state`: opening, buffering, playing, paused or stopped."""

    state: str = "stopped"
    title: str = ""
    artist: str = ""
    uri: str = ""
    position_s: float = 0.0
    duration_s: float = 0.0
    buffer_s: float = 0.0
    bitrate_kbps: int = 0
    goodput_kbps: float = 0.0
    sources: int = 0
    transport: str = ""
    volume_db: float = 0.0


class _Command(Enum):
    SEEK = "seek"
    NEXT = "next"
    PREVIOUS = "previous"
    STOP = "stop"


@dataclass(eq=False, slots=True)
class _Stream:
    """A track that is open: its session, the scope that ends it, and its decoder once sound is due."""

    session: Session
    scope: trio.CancelScope
    decoder: Decoder | None = None
    rendition: int | None = None
    started: bool = False

    @property
    def track(self) -> Track:
        return self.session.track


class Player:
    """Plays a queue of queries and track ids through one sink."""

    def __init__(
        self,
        client: Client,
        sink_factory: Callable[[], Sink],
        settings: Settings,
        *,
        on_event: Callable[[PlayerEvent], None] = lambda _event: None,
    ) -> None:
        """Take the client, how to make the sink when it is needed, and who is told of events."""
        self._client = client
        self._sink_factory = sink_factory
        self._settings = settings
        self._on_event = on_event
        self._bandwidth = Bandwidth()
        self._nursery: trio.Nursery | None = None
        self._sink: Sink | None = None
        self._sink_channels = 0
        self._stream: _Stream | None = None
        self._next: _Stream | None = None
        self._pump_scope: trio.CancelScope | None = None
        self._command: tuple[_Command, float] | None = None
        self._paused = False
        self._opening = False
        self._volume_db = settings.volume_db
        self._stats = PlayStats()

    # Commands.

    def toggle_pause(self) -> None:
        """Pause, or go on."""
        self._paused = not self._paused
        if self._sink is not None:
            self._sink.pause(self._paused)
        self._tell("paused" if self._paused else "unpaused")

    def seek_by(self, seconds: float) -> None:
        """Go forward, or back if negative."""
        self._order(_Command.SEEK, self.status.position_s + seconds)

    def next(self) -> None:
        """Go to the next track; after the last one, end."""
        self._order(_Command.NEXT)

    def previous(self) -> None:
        """Go to the track's beginning, or near it to the track before."""
        self._order(_Command.PREVIOUS)

    def stop(self) -> None:
        """End."""
        self._order(_Command.STOP)

    def change_volume(self, decibels: float) -> None:
        """Turn the volume up, or down if negative."""
        self._volume_db = max(MIN_VOLUME_DB, min(MAX_VOLUME_DB, self._volume_db + decibels))
        if self._stream is not None and self._stream.decoder is not None:
            self._stream.decoder.set_gain(self._gain_q8(self._stream.track))

    def _order(self, command: _Command, value: float = 0.0) -> None:
        self._command = (command, value)
        if self._pump_scope is not None:
            self._pump_scope.cancel()

    # What it does.

    @property
    def status(self) -> Status:
        """What the player does now."""
        stream = self._stream
        if stream is None:
            return Status("opening" if self._opening else "stopped", volume_db=self._volume_db)
        session = stream.session
        state = "playing" if session.playout.playing else "buffering"
        rendition = stream.track.renditions[stream.rendition or 0]
        return Status(
            state="paused" if self._paused else state,
            title=stream.track.title,
            artist=stream.track.artist,
            uri=stream.track.uri,
            position_s=self._position_s(stream),
            duration_s=stream.track.duration_s,
            buffer_s=session.buffer_s,
            bitrate_kbps=round(rendition.bitrate_bps / 1000),
            goodput_kbps=self._bandwidth.rate_bytes_per_s * 8 / 1000,
            sources=session.source_count,
            transport=session.transport,
            volume_db=self._volume_db,
        )

    def _position_s(self, stream: _Stream) -> float:
        if stream.decoder is None or self._sink is None:
            return 0.0
        return max(0.0, stream.decoder.position_samples / SAMPLE_RATE - self._sink.latency_s)

    async def play(self, items: Sequence[str], *, start_s: float = 0.0) -> None:
        """Play queries and track ids in order, the first one from `start_s` on; return at the end.

        Raises LightpeerError: what stopped the playing.
        """
        try:
            async with trio.open_nursery() as self._nursery:
                await self._play_queue(items, start_s)
                self._nursery.cancel_scope.cancel()
        finally:
            self._stream = None
            if self._sink is not None:
                with trio.CancelScope(shield=True):
                    await self._sink.aclose()

    async def _play_queue(self, items: Sequence[str], start_s: float) -> None:
        index = 0
        while 0 <= index < len(items):
            if self._stream is None:
                self._stream = await self._open_interruptibly(items[index], start_s)
            if self._stream is not None:
                following = items[index + 1] if index + 1 < len(items) else None
                await self._play_stream(self._stream, following)
            start_s = 0.0
            command, self._command = self._command, None
            match command:
                case (_Command.STOP, _):
                    return
                case (_Command.PREVIOUS, _):
                    index = max(0, index - 1)
                    await self._leave(None)
                case (_Command.NEXT, _):
                    index += 1
                    self._flush()
                    await self._leave(self._next)
                case _:
                    index += 1
                    await self._leave(self._next)
        if self._sink is not None:
            await self._sink.drain()

    async def _leave(self, following: _Stream | None) -> None:
        """Put the current track away and go on with the following one, if it is open already."""
        current, self._stream = self._stream, following
        if self._next is not None and following is None:
            self._end(self._next)
        self._next = None
        if current is not None:
            self._end(current)
        await trio.lowlevel.checkpoint()

    def _end(self, stream: _Stream) -> None:
        self._stats.add(stream.session)
        stream.scope.cancel()
        if stream.decoder is not None:
            stream.decoder.close()

    # Opening.

    async def _open_interruptibly(self, item: str, start_s: float) -> _Stream | None:
        """Open a track; None if a command came first."""
        self._opening = True
        self._tell("opening", item=item)
        with trio.CancelScope() as self._pump_scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._import_audio)
                stream = await self._open(item, start_s)
            self._opening = False
            return stream
        self._opening = False
        return None

    async def _import_audio(self) -> None:
        """Load what sound needs, once the first packet has left, in a thread: it takes a Pi Zero a second."""
        await self._client.connecting.wait()
        await trio.to_thread.run_sync(_load_audio)
        if self._sink is None:
            self._sink = self._sink_factory()

    async def _open(self, item: str, start_s: float = 0.0) -> _Stream:
        inline = start_s == 0
        if is_uri(item):
            peer, opened = await first_source(self._client.open_track(parse_uri(item), inline=inline))
        else:
            peer, opened = await self._client.open_query(item, inline=inline)
        session = Session(
            opened.track,
            self._client.network,
            self._settings,
            self._bandwidth,
            source_finder(self._client, opened.track.track_id),
            on_event=self._tell_session,
            sink_ahead_s=lambda: self._sink.latency_s if self._sink else 0.0,
        )
        stream = _Stream(session, trio.CancelScope())
        assert self._nursery is not None
        self._nursery.start_soon(self._run_session, stream, peer, opened)
        if start_s > 0:
            self._seek(stream, start_s)
        return stream

    async def _run_session(self, stream: _Stream, peer: Peer, opened: Opened) -> None:
        with stream.scope:
            await stream.session.run(peer, opened)

    # Playing.

    async def _play_stream(self, stream: _Stream, following: str | None) -> None:
        """Play a track until its end or a command that leaves it."""
        stream.session.playout.realtime = self._sink is None or self._sink.realtime
        while True:
            with trio.CancelScope() as self._pump_scope:
                async with trio.open_nursery() as nursery:
                    if following is not None and self._next is None:
                        nursery.start_soon(self._open_following, stream, following)
                    await self._pump(stream)
                    nursery.cancel_scope.cancel()
            if self._command is None:
                return
            command, value = self._command
            if command is _Command.PREVIOUS and self._position_s(stream) > RESTART_BEFORE_S:
                command, value = _Command.SEEK, 0.0
            if command is not _Command.SEEK:
                return
            self._command = None
            self._seek(stream, value)
            self._tell("seeked", position_s=value)

    async def _pump(self, stream: _Stream) -> None:
        while True:
            segment = await stream.session.next_segment()
            if segment is None:
                return
            pcm = b""
            if stream.decoder is None:
                stream.decoder = self._decoder(stream.track)
            if stream.rendition is None:
                pcm = stream.decoder.feed(stream.track.renditions[segment.rendition].header)
            stream.rendition = segment.rendition
            pcm += stream.decoder.feed(segment.data)
            if not pcm:
                continue
            await self._write(stream.decoder.channels, pcm)
            self._stats.played_s += len(pcm) / (2 * stream.decoder.channels * SAMPLE_RATE)
            if not stream.started:
                stream.started = True
                self._tell_playing(stream)

    async def _write(self, channels: int, pcm: bytes) -> None:
        assert self._sink is not None, "the sink is made while the track is opened"
        if not self._sink_channels:
            await self._sink.open(SAMPLE_RATE, channels)
            self._sink_channels = channels
            self._stats.first_audio_at = time.monotonic()
            if self._paused:
                self._sink.pause(True)
        await self._sink.write(pcm)

    def _decoder(self, track: Track) -> Decoder:
        from lightpeer.audio.decoder import Decoder

        return Decoder(gain_q8_db=self._gain_q8(track), channels=self._sink_channels or None)

    def _gain_q8(self, track: Track) -> int:
        gain = track.gain_q8_db if self._settings.normalize else 0
        return round(self._volume_db * 256) + gain

    async def _open_following(self, stream: _Stream, item: str) -> None:
        """Open the next track as soon as the current one has been fetched whole."""
        await stream.session.wait_complete()
        try:
            self._next = await self._open(item)
        except LightpeerError as error:
            self._tell("warning", message=str(error))

    def _seek(self, stream: _Stream, position_s: float) -> None:
        """Go on at a position: one segment of pre-roll is decoded and dropped (RFC 7845 §4.6)."""
        position = int(max(0.0, min(position_s, stream.track.duration_s - 0.1)) * SAMPLE_RATE)
        segment = max(0, position // SAMPLE_RATE - 1)
        stream.session.seek(segment)
        self._flush()
        if stream.decoder is None:
            stream.decoder = self._decoder(stream.track)
        stream.decoder.reset(segment * SAMPLE_RATE)
        stream.decoder.discard_until(position)

    def _flush(self) -> None:
        if self._sink is not None:
            self._sink.flush()

    # Telling.

    def _tell(self, kind: str, **data: object) -> None:
        self._on_event(PlayerEvent(kind, data))

    def _tell_session(self, kind: str, data: dict[str, object]) -> None:
        self._on_event(PlayerEvent(kind, data))

    def _tell_playing(self, stream: _Stream) -> None:
        track = stream.track
        self._tell(
            "playing",
            title=track.title,
            artist=track.artist,
            album=track.album,
            uri=track.uri,
            duration_s=track.duration_s,
            bitrate_kbps=self.status.bitrate_kbps,
            transport=stream.session.transport,
        )

    def stats(self) -> dict[str, object]:
        """Return the measurements so far: the fields of `--stats`."""
        sessions = [stream.session for stream in (self._stream, self._next) if stream is not None]
        self._stats.first_packet_at = self._client.first_packet_at
        return self._stats.report(sessions, self._bandwidth, self._client.network.counters)


def _load_audio() -> None:
    """Import the decoder and load its libraries."""
    from lightpeer.audio.decoder import Decoder

    Decoder().close()
