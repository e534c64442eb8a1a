"""A switch between renditions does not click: real music at three bitrates, decoded across many seams.

A click is a jump of the waveform, which the second difference of the samples shows. Within 10 ms of a seam
the greatest one may be 1.5 times that of its neighbourhood: the median of the maxima of the 10 ms windows
within 200 ms on either side. A note that begins at a seam is no click, so where it is greater, what the
renditions have at that place without a switch counts instead.
"""

from __future__ import annotations

import math
import statistics
from array import array
from importlib import resources
from itertools import pairwise

import pytest

from lightpeer.audio.decoder import Decoder
from lightpeer.cli.demo import compose
from tests.audio.material import SECOND, reference_pcm, segmented

KBPS = (24, 48, 96)
ORDER = (0, 1, 2, 1, 0, 2, 0, 1, 2)  # the rendition of each second: every switch there can be
PRE_SKIP = 312  # samples
WINDOW = SECOND // 100
AROUND = SECOND // 5
MOST = 1.5  # times its neighbourhood

Rendition = tuple[bytes, list[bytes]]


def renditions(pcm: array[int], monkeypatch: pytest.MonkeyPatch) -> list[Rendition]:
    made = []
    for kbps in KBPS:
        monkeypatch.setattr(compose, "BITRATE_BPS", 1000 * kbps)
        made.append(segmented(compose.encode(array("h", pcm), {"TITLE": "Seams"})))
    return made


def heard(made: list[Rendition], order: tuple[int, ...], *, forgets: bool = False) -> array[int]:
    """What a decoder makes of seconds of some renditions; `forgets`: it begins anew at each seam."""
    with Decoder() as decoder:
        pcm = decoder.feed(made[order[0]][0])
        for second, number in enumerate(order):
            if forgets:
                decoder.reset(second * SECOND)
            pcm += decoder.feed(made[number][1][second])
        return array("h", pcm)


def maxima(samples: array[int], begin: int, end: int) -> list[int]:
    """The greatest second difference of each window."""
    return [
        max(abs(samples[k - 1] - 2 * samples[k] + samples[k + 1]) for k in range(at, at + WINDOW))
        for at in range(begin, end, WINDOW)
    ]


def excess(spliced: array[int], plain: list[array[int]], second: int) -> float:
    """How many times its neighbourhood's the second difference at a seam is, in the worse channel."""
    at, worst = second * SECOND - PRE_SKIP, 0.0
    for channel in (0, 1):
        samples, *others = (pcm[channel::2] for pcm in (spliced, *plain))
        around = maxima(samples, at - AROUND, at - WINDOW) + maxima(samples, at + WINDOW, at + AROUND)
        without = (max(maxima(other, at - WINDOW, at + WINDOW)) for other in others)
        allowed = max(statistics.median(around), *without, 1)
        worst = max(worst, max(maxima(samples, at - WINDOW, at + WINDOW)) / allowed)
    return worst


@pytest.mark.parametrize("name", ["copper-rain", "northern-windows", "pocket-arcade"])
def test_music_does_not_click_at_any_switch(name: str, monkeypatch: pytest.MonkeyPatch):
    file = (resources.files("lightpeer.cli.demo") / "tracks" / f"{name}.opus").read_bytes()
    made = renditions(array("h", reference_pcm(file))[: 2 * len(ORDER) * SECOND], monkeypatch)
    spliced = heard(made, ORDER)
    plain = [heard(made, (number,) * len(ORDER)) for number in range(len(KBPS))]
    for second, (before, after) in enumerate(pairwise(ORDER), 1):
        assert excess(spliced, [plain[before], plain[after]], second) <= MOST, (second, before, after)


def chord(seconds: int) -> array[int]:
    """A steady sound, which hides nothing."""
    tones = [(220.0, 5000), (277.2, 4000), (329.6, 4000), (1318.5, 1500)]
    mono = [
        round(sum(level * math.sin(2 * math.pi * hertz * k / SECOND) for hertz, level in tones))
        for k in range(seconds * SECOND)
    ]
    return array("h", [sample for sample in mono for _ in (0, 1)])


def test_a_steady_sound_does_not_click_and_would_if_the_decoder_began_anew(monkeypatch: pytest.MonkeyPatch):
    order = ORDER[:6]
    made = renditions(chord(len(order)), monkeypatch)
    seams = range(1, len(order))
    spliced, cut = heard(made, order), heard(made, order, forgets=True)
    assert max(excess(spliced, [], second) for second in seams) <= MOST
    assert min(excess(cut, [], second) for second in seams) > 2 * MOST, "the measure sees a click"
