"""An entry of the peer cache: a peer's record, how it served us, and the file format of both.

Counts of success, failure, misbehaviour and delivered bytes decay with a half-life of a day, so that a peer
is judged by its recent behaviour. `peer_cache.py` says how they are used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lightpeer.core.addresses import PRIVATE_SCOPE, network_group
from lightpeer.core.trust.records import PeerRecord, restore_record_untrusted
from lightpeer.errors import BadMessageError

HALF_LIFE_S: Final = 86_400.0
BACKOFF_S: Final = 10.0  # doubles with each failure in a row
MAX_BACKOFF_S: Final = 3600.0
DEAD_AFTER_FAILURES: Final = 3
BANNED_AT: Final = 2.5  # misbehaviour, after decay: three times in a day
KEEP_TRIED_S: Final = 30 * 86_400.0  # an expired record of a peer that has answered beats having none
KEEP_TOLD_S: Final = 86_400.0  # likewise one of a peer that we were told of, for a day
CLOCK_ERROR_S: Final = 86_400.0  # of a clock that is set: a time zone, or a battery that was empty
NOT_BEFORE_S: Final = 1_735_689_600  # 2025: a clock behind this is not set, and any peer's is better

_RTT_SCALE_S = 0.3  # a peer this far away counts half
_GOODPUT_SCALE_BYTES_PER_S = 12_000.0  # twice a good rendition
_VERIFIED_SCALE_BYTES = 256_000.0  # a minute of music: a peer that delivered it has nearly proven itself
_MIN_MEASURED_BYTES = 32_000  # with less, a rate measures round trips rather than the peer
_HEAD = struct.Struct(">HBB")  # sizes of record and source in bytes, and whether tried
_STATS = struct.Struct(">12d")
_MAX_STAT = 1e12  # far above any time, count or rate


@dataclass(slots=True)
class PeerEntry:
    """A known peer. Its counts decay; `updated_s` is the time of the last decay."""

    record: PeerRecord
    source: str  # the network group of the peer that told us
    tried: bool = False
    successes: float = 0.0
    failures: float = 0.0
    misbehaviour: float = 0.0
    updated_s: float = 0.0
    failures_in_row: int = 0
    last_failure_s: float = 0.0
    last_success_s: float = 0.0
    rtt_s: float | None = None  # smoothed
    goodput_bytes_per_s: float | None = None  # smoothed
    verified_bytes: float = 0.0  # of music
    listened: float = 0.0  # tracks that a query found there and the person listened to
    skipped: float = 0.0  # tracks that a query found there and the person skipped at once

    @property
    def group(self) -> str:
        """The network group of its best address."""
        return network_group(self.record.endpoints[0][0])

    @property
    def scope(self) -> int:
        """How narrow a network a name in its record may lead into: only the internet, if a stranger told us.

        The source is the network group of the peer that told us, or the id of a peer at home.
        """
        is_of_the_internet = "." in self.source or ":" in self.source
        return 0 if is_of_the_internet else PRIVATE_SCOPE

    def succeed(self, now: float, rtt_s: float | None) -> None:
        """Count an answer, and smooth its round trip if that is known."""
        self.bring_up_to_date(now)
        self.successes += 1
        self.failures_in_row = 0
        self.last_success_s = now
        self.rtt_s = _smooth(self.rtt_s, rtt_s)

    def deliver(self, size: int, seconds: float, now: float) -> None:
        """Count verified bytes of music.

        Args:
            size: how many.
            seconds: how long it took to fetch them.
            now: Unix time in seconds.
        """
        self.bring_up_to_date(now)
        self.verified_bytes += size
        if size >= _MIN_MEASURED_BYTES and seconds > 0:
            self.goodput_bytes_per_s = _smooth(self.goodput_bytes_per_s, size / seconds)

    def fail(self, now: float) -> None:
        """Count a call that was not answered."""
        self.bring_up_to_date(now)
        self.failures += 1
        self.failures_in_row += 1
        self.last_failure_s = now

    def fade(self, now: float) -> float:
        """Return the share that is left now of a count that was correct at `updated_s`.

        It is 0 if that time is far ahead, as the clock was wrong then. A clock that is not set now changes
        nothing.
        """
        age_s = now - self.updated_s
        if now >= NOT_BEFORE_S and age_s < -KEEP_TRIED_S:
            return 0.0
        return float(0.5 ** (max(0.0, age_s) / HALF_LIFE_S))

    def bring_up_to_date(self, now: float) -> None:
        """Let the counts decay, before one is changed."""
        left = self.fade(now)
        self.successes *= left
        self.failures *= left
        self.misbehaviour *= left
        self.verified_bytes *= left
        self.listened *= left
        self.skipped *= left
        self.updated_s = max(now, self.updated_s) if left else now

    def score(self, now: float) -> float:
        """Return how good a choice the peer is, from 0 to 1; an untried one has a sixteenth."""
        left = self.fade(now)
        successes, failures = self.successes * left, self.failures * left
        reached = (successes + 0.5) / (successes + failures + 1)
        rtt = 0.5 if self.rtt_s is None else _RTT_SCALE_S / (_RTT_SCALE_S + self.rtt_s)
        goodput = self.goodput_bytes_per_s
        speed = 0.5 if goodput is None else goodput / (goodput + _GOODPUT_SCALE_BYTES_PER_S)
        verified = self.verified_bytes * left
        proven = (verified + _VERIFIED_SCALE_BYTES) / (verified + 2 * _VERIFIED_SCALE_BYTES)
        return float(reached * rtt * speed * proven * 0.5 ** (self.misbehaviour * left))

    def taste(self, now: float) -> float:
        """Return how many more of its tracks were listened to than skipped at once."""
        return (self.listened - self.skipped) * self.fade(now)

    def waits(self, now: float) -> bool:
        """Return whether the peer failed so recently that others come first."""
        if not self.failures_in_row:
            return False
        wait = min(MAX_BACKOFF_S, BACKOFF_S * 2.0 ** min(self.failures_in_row - 1, 16))
        return self.last_failure_s <= now < self.last_failure_s + wait

    def is_banned(self, now: float) -> bool:
        """Return whether it has misbehaved too often to be asked."""
        return self.misbehaviour * self.fade(now) >= BANNED_AT

    def is_dead(self, now: float) -> bool:
        """Return whether its place may be taken."""
        if self.tried:
            return now >= self.record.expires_s and now - self.last_success_s > KEEP_TRIED_S
        return now >= self.record.expires_s or self.failures_in_row >= DEAD_AFTER_FAILURES

    def is_last_resort(self, now: float) -> bool:
        """Return whether it is dead only because its record ended, and not long ago."""
        has_ended = self.record.expires_s <= now < self.record.expires_s + KEEP_TOLD_S
        return has_ended and not self.tried and self.failures_in_row < DEAD_AFTER_FAILURES


def _smooth(old: float | None, new: float | None) -> float | None:
    if old is None or new is None:
        return new if old is None else old
    return old + (new - old) / 4


def record_time(own_unix_s: float, peer_unix_s: float) -> float:
    """Return the Unix time by which a peer's records are judged.

    It is the peer's where the two differ a little, for ours may well be wrong. But a clock that is set is not
    wrong by days, and by any other time a peer could have old records taken for new.

    Args:
        own_unix_s: our clock.
        peer_unix_s: the peer's.
    """
    if own_unix_s < NOT_BEFORE_S:
        return peer_unix_s
    return min(max(peer_unix_s, own_unix_s - CLOCK_ERROR_S), own_unix_s + CLOCK_ERROR_S)


def pack_entry(entry: PeerEntry) -> bytes:
    """Return an entry for the file: sizes, the record, the source, twelve numbers."""
    source, record = entry.source.encode(), entry.record.data
    stats = _STATS.pack(
        entry.successes,
        entry.failures,
        entry.misbehaviour,
        entry.updated_s,
        entry.failures_in_row,
        entry.last_failure_s,
        entry.last_success_s,
        -1 if entry.rtt_s is None else entry.rtt_s,
        -1 if entry.goodput_bytes_per_s is None else entry.goodput_bytes_per_s,
        entry.verified_bytes,
        entry.listened,
        entry.skipped,
    )
    return b"".join((_HEAD.pack(len(record), len(source), entry.tried), record, source, stats))


def unpack_entries_untrusted(data: bytes) -> Iterator[PeerEntry]:
    """Yield the entries that `pack_entry` packed; raise BadMessageError if the bytes are invalid."""
    position = 0
    while position < len(data):
        try:
            record_bytes, source_bytes, tried = _HEAD.unpack_from(data, position)
            middle = position + _HEAD.size + record_bytes
            end = middle + source_bytes
            source = data[middle:end].decode()
            stats = _STATS.unpack_from(data, end)
        except (struct.error, UnicodeDecodeError) as error:
            raise BadMessageError("the peer cache is cut short") from error
        record = restore_record_untrusted(data[position + _HEAD.size : middle])
        yield _entry_untrusted(record, source, bool(tried), stats)
        position = end + _STATS.size


def _entry_untrusted(record: PeerRecord, source: str, tried: bool, stats: tuple[float, ...]) -> PeerEntry:
    successes, failures, misbehaviour, updated_s, in_row, failure_s, success_s, rtt_s, goodput = stats[:9]
    verified, listened, skipped = stats[9:]
    known = [value for value in (rtt_s, goodput) if value != -1]
    if not all(0 <= value <= _MAX_STAT for value in (*stats[:7], *known, *stats[9:])):
        raise BadMessageError("the peer cache has impossible numbers")
    return PeerEntry(
        record=record,
        source=source,
        tried=tried,
        successes=successes,
        failures=failures,
        misbehaviour=misbehaviour,
        updated_s=updated_s,
        failures_in_row=int(in_row),
        last_failure_s=failure_s,
        last_success_s=success_s,
        rtt_s=None if rtt_s == -1 else rtt_s,
        goodput_bytes_per_s=None if goodput == -1 else goodput,
        verified_bytes=verified,
        listened=listened,
        skipped=skipped,
    )
