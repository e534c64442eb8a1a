"""How a track is to begin: from where on, and with what, so that sound comes soon.

As much comes with the Open as sound needs until UDP has been tried, in a rendition whose first second comes
soon over what is known of the link. More would delay it; the rest comes sooner by UDP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from lightpeer.config import Settings
    from lightpeer.core.budget.profile import Limits
    from lightpeer.core.content.manifest import Track
    from lightpeer.peering.opener import Wanted

INLINE_BYTES: Final = 16 * 1024  # what a manifest, a table and INLINE_SEGMENTS take at 48 kbit/s
INLINE_SEGMENTS: Final = 2
LOWEST_KBPS: Final = 6  # libopus encodes nothing below
FIRST_SHARE: Final = 0.25  # of the link's rate: the first second of sound comes in a quarter of one


class Start(NamedTuple):
    """How a track is to begin.

    Attributes:
        first_segment: the segment to begin with.
        inline_bytes: how many bytes of the first tables and segments come with the Open.
        bitrate_kbps: the greatest rendition wanted of these; None: as the settings say, or the lowest.
        inline_segments: how many segments may come; 0 for as many as fit.
    """

    first_segment: int = 0
    inline_bytes: int = INLINE_BYTES
    bitrate_kbps: int | None = None
    inline_segments: int = 0

    def wanted(self, kbps: int, track: Track | None) -> Wanted:
        """Return what an Open is to bring.

        Args:
            kbps: the greatest rendition, if none is named here.
            track: its manifest, if it is known already.
        """
        from lightpeer.peering.opener import Wanted

        bitrate_kbps = self.bitrate_kbps or kbps
        return Wanted(bitrate_kbps, self.inline_bytes, self.first_segment, track, self.inline_segments)


def first_kbps(settings: Settings, limits: Limits | None, known_bytes_per_s: float = 0.0) -> int:
    """Return the greatest rendition to begin with.

    Args:
        settings: the rendition that the listener wants, if one.
        limits: what the data budget leaves; None: it has no say.
        known_bytes_per_s: the rate of the link; 0 if it is not known.
    """
    known_kbps = round(FIRST_SHARE * known_bytes_per_s * 8 / 1000)
    kbps = settings.bitrate_kbps or max(LOWEST_KBPS, known_kbps)
    return kbps if limits is None else limits.at_most_kbps(kbps)
