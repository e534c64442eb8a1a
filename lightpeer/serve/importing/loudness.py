"""How loud a track is, measured cheaply while it is imported.

The measure is that of ITU-R BS.1770-4 and EBU R128: K-weighted power, gated first
at -70 LUFS and then 10 LU below the mean. In plain Python the filter costs about
as much time as an encoder, so it runs over a tenth of a second out of every
`_STRIDE` seconds only. On music this comes within about 1 dB of the whole
measure, which is enough to level a playlist. It is the same on every server, and so
are the manifest and the track id.
"""

from __future__ import annotations

import math

REFERENCE_LUFS = -18.0  # ReplayGain 2's
_MIN_GAIN_DB, _MAX_GAIN_DB = -24.0, 12.0  # silence and noise lie beyond, and are not levelled
_STRIDE = 2  # every second block of a second is measured
_SETTLE_S, _WINDOW_S = 0.05, 0.1
_ABSOLUTE_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0

_Biquad = tuple[float, float, float, float, float]


class LoudnessMeter:
    """Feed it a track in blocks of about a second, then ask for the gain."""

    def __init__(self, rate: int, channels: int) -> None:
        """Begin; `rate` in Hz, samples come interleaved."""
        self._channels = channels
        self._shelf = _high_shelf(rate)
        self._pass = _high_pass(rate)
        self._settle = round(rate * _SETTLE_S)
        self._frames = self._settle + round(rate * _WINDOW_S)
        self._blocks = 0
        self._powers: list[float] = []

    def add(self, pcm: memoryview[float], full_scale: float) -> None:
        """Measure the next block; `full_scale` is the sample value of 0 dBFS."""
        self._blocks += 1
        if (self._blocks - 1) % _STRIDE or len(pcm) < self._frames * self._channels:
            return
        window = pcm[: self._frames * self._channels]
        power = sum(self._power(list(window[c :: self._channels])) for c in range(self._channels))
        self._powers.append(power / full_scale**2)

    def gain_q8_db(self) -> int:
        """Return the gain to REFERENCE_LUFS in 1/256 dB; 0 for silence."""
        loud = [p for p in self._powers if _lufs(p) > _ABSOLUTE_GATE_LUFS]
        if not loud:
            return 0
        gate = _lufs(_mean(loud)) + _RELATIVE_GATE_LU
        loudness = _lufs(_mean([p for p in loud if _lufs(p) > gate]))
        return round(256 * min(_MAX_GAIN_DB, max(_MIN_GAIN_DB, REFERENCE_LUFS - loudness)))

    def _power(self, samples: list[float]) -> float:
        """Return the mean K-weighted power of one channel's samples, the filters' settling left out."""
        b0, b1, b2, a1, a2 = self._shelf
        d0, d1, d2, c1, c2 = self._pass
        s1 = s2 = t1 = t2 = total = 0.0
        for number, x in enumerate(samples, -self._settle):
            y = b0 * x + s1
            s1 = b1 * x - a1 * y + s2
            s2 = b2 * x - a2 * y
            z = d0 * y + t1
            t1 = d1 * y - c1 * z + t2
            t2 = d2 * y - c2 * z
            if number >= 0:
                total += z * z
        return total / (len(samples) - self._settle)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _lufs(power: float) -> float:
    return -0.691 + 10 * math.log10(power) if power > 0 else -math.inf


# The two filters of BS.1770 for any sample rate. The standard tabulates them at 48 kHz;
# these are the analogue prototypes that give that table, as in libebur128.


def _high_shelf(rate: int) -> _Biquad:
    q, k = 0.7071752369554196, math.tan(math.pi * 1681.974450955533 / rate)
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    return (
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    )


def _high_pass(rate: int) -> _Biquad:
    q, k = 0.5003270373238773, math.tan(math.pi * 38.13547087602444 / rate)
    a0 = 1 + k / q + k * k
    return (1.0, -2.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0)
