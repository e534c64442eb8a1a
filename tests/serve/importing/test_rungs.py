from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightpeer.serve.importing.rungs import rungs_for_opus


@pytest.mark.parametrize(
    ("mean_bps", "lower_bps", "source_bps"),
    [
        (510_000, (24000, 48000, 96000), None),
        (130_000, (24000, 48000, 96000), None),
        (128_000, (24000, 48000), 128_000),
        (103_000, (24000, 48000), 96_000),
        (80_000, (24000, 48000), 80_000),
        (50_000, (24000,), 48_000),
        (36_000, (24000,), 36_000),
        (30_000, (), 30_000),
        (23_000, (), 24_000),
        (12_345, (), 12_000),
        (90, (), 1000),
    ],
)
def test_rungs(mean_bps, lower_bps, source_bps):
    assert rungs_for_opus(mean_bps, (24, 48, 96)) == (lower_bps, source_bps)


@given(st.integers(1, 600_000), st.sets(st.integers(6, 256), min_size=1, max_size=8))
def test_rungs_rise_and_promise_no_more_than_the_source_has(mean_bps, ladder):
    lower_bps, source_bps = rungs_for_opus(mean_bps, sorted(ladder))
    offered = [*lower_bps, *([source_bps] if source_bps else [])]
    assert offered == sorted(set(offered))
    assert offered
    assert all(bps < mean_bps for bps in lower_bps)
    assert not source_bps or source_bps <= max(1000, mean_bps * 1.12 + 500)
