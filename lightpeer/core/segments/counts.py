"""What a download counts of itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class DownloadStats:
    """What a download counts."""

    audio_bytes: int = 0  # verified and taken
    fetched_bytes: int = 0  # verified
    fetching_s: float = 0.0
    segments: int = 0  # taken
    bitrate_seconds: float = 0.0  # kbit/s x seconds over the segments taken
    retransmitted_units: int = 0
    duplicate_units: int = 0
    sources: int = 0  # at most at a time
    transports: set[str] = field(default_factory=set)
