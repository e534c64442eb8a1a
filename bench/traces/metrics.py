"""What was heard, in figures: a row of the results for each window and policy.

`qoe` is the linear quality of experience of X. Yin et al., "A control-theoretic approach for dynamic adaptive
video streaming over HTTP", SIGCOMM 2015, with their balanced weights: the sum of the bitrates of all seconds,
less the sum of all changes of bitrate from one second to the next, less the top rendition's bitrate for each
second of silence and for each until the first sound. Here a bitrate is in kbit/s, and all is divided by the
seconds of music, so that the top rendition without a break or a start-up is worth its bitrate. Music that was
given up counts as silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.traces.heard import Heard, Packet
from bench.traces.optimum import first_sound_s
from bench.traces.trace import WINDOW_S, Window
from lightpeer.playback.radio import LTE, UMTS, Radio, RadioModel

TOP_KBPS = 96.0


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the results; None where a policy has no such thing."""

    trace: str
    scale: float
    offset_s: float
    policy: str
    first_sound_s: float | None
    first_sound_ideal_s: float | None  # for the rendition that was heard first
    silence_s: float
    breaks: int
    unheard_s: float
    bitrate_kbps: float
    switches: int | None
    wasted_bytes: int | None
    wire_bytes: int | None
    radio_on_share: float | None
    joules_per_h: float | None
    radio_on_share_lte: float | None
    joules_per_h_lte: float | None
    qoe: float

    @property
    def heard_bytes(self) -> float:
        """The bytes of the music that was heard, about."""
        return max(1.0, self.bitrate_kbps * 125 * (WINDOW_S - self.unheard_s))


def row(window: Window, policy: str, heard: Heard) -> Row:
    """Judge what was heard.

    Args:
        window: the link.
        policy: who played.
        heard: what was heard.
    """
    on_3g, joules_3g = radio(heard, UMTS)
    on_lte, joules_lte = radio(heard, LTE)
    ideal_s = first_sound_s(window, heard.kbps[0]) if heard.kbps else None
    changes = sum(a != b for a, b in pairwise(heard.kbps))
    return Row(
        trace=window.trace.name,
        scale=window.scale,
        offset_s=window.offset_s,
        policy=policy,
        first_sound_s=_rounded(heard.first_sound_s),
        first_sound_ideal_s=_rounded(ideal_s),
        silence_s=round(heard.silence_s, 3),
        breaks=len(heard.gaps),
        unheard_s=round(heard.unheard_s, 3),
        bitrate_kbps=round(sum(heard.kbps) / max(1, len(heard.kbps)), 3),
        switches=None if heard.packets is None else changes,
        wasted_bytes=heard.wasted_bytes,
        wire_bytes=heard.wire_bytes,
        radio_on_share=_rounded(on_3g, 4),
        joules_per_h=_rounded(joules_3g, 1),
        radio_on_share_lte=_rounded(on_lte, 4),
        joules_per_h_lte=_rounded(joules_lte, 1),
        qoe=round(qoe(heard), 3),
    )


def qoe(heard: Heard, top_kbps: float = TOP_KBPS) -> float:
    """Return the linear quality of experience; see the module's docstring.

    What never sounded has no start-up: all of it is silence.
    """
    changes = sum(abs(a - b) for a, b in pairwise(heard.kbps))
    waited_s = heard.silence_s + (heard.first_sound_s or 0.0)
    return (sum(heard.kbps) - changes - top_kbps * waited_s) / heard.length_s


def radio(heard: Heard, model: RadioModel) -> tuple[float | None, float | None]:
    """Return the share of the listening that a radio was awake, and joules an hour; None without packets."""
    if heard.packets is None:
        return None, None
    return radio_of(heard.packets, model, heard.end_s)


def radio_of(packets: Sequence[Packet], model: RadioModel, end_s: float) -> tuple[float, float]:
    """Return a radio's share of time awake and joules an hour, from 0 to an end in seconds."""
    state = Radio(model)
    for packet in packets:
        state.on_packet(packet.at_s, packet.size, is_down=packet.is_down)
    used = state.usage(end_s)
    return used.on_share(end_s), used.joules_per_h(end_s)


def _rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
