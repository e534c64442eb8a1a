"""The names of `lightpeer.testing`."""

from __future__ import annotations

import lightpeer.testing
from lightpeer.testing import clock, faults, link, network


def test_the_public_names_are_these():
    assert lightpeer.testing.__all__ == ["Faults", "Link", "SimHost", "SimInternet", "simulate"]
    assert lightpeer.testing.simulate is network.simulate
    assert lightpeer.testing.Link is link.Link
    assert lightpeer.testing.Faults is faults.Faults
    assert issubclass(lightpeer.testing.SimHost, clock.Machine)
