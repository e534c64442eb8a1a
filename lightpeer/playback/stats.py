"""The measurements that `--stats` reports, of the process and of the tracks that it played."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lightpeer.core.rate.bandwidth import Bandwidth
    from lightpeer.download.session import Session
    from lightpeer.net.network import Counters

_IMPORTED_AT = time.monotonic()


@dataclass(slots=True)
class PlayStats:
    """Collects measurements over all tracks of a player.

    Attributes:
        first_packet_at: `time.monotonic()` when the first packet left.
        first_audio_at: likewise for the first PCM.
        played_s: seconds of sound that the sink was given.
    """

    first_packet_at: float | None = None
    first_audio_at: float | None = None
    played_s: float = 0.0
    _totals: dict[str, float] = field(default_factory=dict)
    _transports: set[str] = field(default_factory=set)

    def on_pcm(self, seconds: float, now: float) -> None:
        """Count PCM that is given to the sink, at `time.monotonic()` `now`."""
        self.played_s += seconds
        if self.first_audio_at is None:
            self.first_audio_at = now

    def add(self, session: Session) -> None:
        """Add the counts of a session that has ended."""
        for name, value in _counts(session).items():
            self._totals[name] = (max if name == "sources" else float.__add__)(
                float(self._totals.get(name, 0)), float(value)
            )
        self._transports |= session.stats.transports

    def report(
        self, sessions: Iterable[Session], bandwidth: Bandwidth, counters: Counters
    ) -> dict[str, object]:
        """Return the measurements.

        Args:
            sessions: those that still run; they are included.
            bandwidth: the downlink's rate control.
            counters: the bytes of the process.
        """
        total = PlayStats(_totals=dict(self._totals), _transports=set(self._transports))
        for session in sessions:
            total.add(session)
        sums = total._totals
        segments = sums.get("segments", 0)
        fetching_s = sums.get("fetching_s", 0.0)
        audio_bytes = sums.get("audio_bytes", 0)
        start = _process_start()
        return {
            "time_to_first_audio_ms": _ms_since(start, self.first_audio_at),
            "startup_ms": _ms_since(start, self.first_packet_at),
            "rebuffers": int(sums.get("rebuffers", 0)),
            "rebuffer_s": round(sums.get("rebuffer_s", 0.0), 3),
            "played_s": round(self.played_s, 3),
            "audio_bytes": int(audio_bytes),
            "kept_bytes": int(sums.get("kept_bytes", 0)),
            "rx_bytes": counters.rx_bytes(),
            "tx_bytes": counters.tx_bytes(),
            "bitrate_mean_kbps": round(sums.get("bitrate_seconds", 0.0) / segments, 1) if segments else 0.0,
            "bitrate_switches": int(sums.get("bitrate_switches", 0)),
            "replaced_bytes": int(sums.get("replaced_bytes", 0)),
            "transport": "+".join(sorted(total._transports)) or "-",
            "sources": int(sums.get("sources", 0)),
            "retransmitted_units": int(sums.get("retransmitted_units", 0)),
            "duplicate_units": int(sums.get("duplicate_units", 0)),
            "wasted_bytes": int(sums.get("wasted_bytes", 0)),
            "queue_delay_p95_ms": round(bandwidth.queue_delay_p95_s() * 1000, 1),
            "goodput_kbps": round(sums.get("fetched_bytes", 0) * 8 / 1000 / fetching_s, 1)
            if fetching_s
            else 0.0,
            "cpu_s": round(sum(os.times()[:4]), 3),
            "max_rss_kb": _max_rss_kb(),
        }


def _counts(session: Session) -> dict[str, float]:
    stats = session.stats
    return {
        "rebuffers": session.playout.rebuffers,
        "rebuffer_s": session.playout.rebuffered_s(trio.current_time()),
        "audio_bytes": stats.audio_bytes,
        "fetched_bytes": stats.fetched_bytes,
        "kept_bytes": stats.kept_bytes,
        "replaced_bytes": stats.replaced_bytes,
        "fetching_s": stats.fetching_s,
        "segments": stats.segments,
        "bitrate_seconds": stats.bitrate_seconds,
        "bitrate_switches": stats.switches,
        "retransmitted_units": stats.retransmitted_units,
        "duplicate_units": stats.duplicate_units,
        "wasted_bytes": session.download.scheduler.wasted_bytes,
        "sources": stats.sources,
    }


def _ms_since(start: float, moment: float | None) -> int | None:
    return None if moment is None else round((moment - start) * 1000)


def _process_start() -> float:
    """Return the `time.monotonic()` at which the process started; to 10 ms where the kernel says."""
    if sys.platform == "linux":
        try:
            fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            booted = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
            return int(fields[19]) / os.sysconf("SC_CLK_TCK") - booted  # field 22, proc(5)
        except (OSError, ValueError, IndexError):
            pass
    return _IMPORTED_AT


def _max_rss_kb() -> int:
    """Return the peak of resident memory."""
    if sys.platform == "linux":  # where getrusage includes our parent, from before its exec
        try:
            status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
            return int(status.partition("VmHWM:")[2].split()[0])
        except (OSError, ValueError, IndexError):
            pass
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
