"""What a process may have open, and who has how much of it."""

from __future__ import annotations

import resource

import pytest

from lightpeer.rpc.limits import ServeLimits
from lightpeer.serve.library.descriptors import OWN, raise_descriptor_limit, shares
from lightpeer.serve.overlay.walkers import TERMS


@pytest.mark.parametrize(
    ("soft", "connections", "renditions"),
    [
        (256, 96, 96),
        (1024, 384, 384),
        (4096, 512, 3328),
        (8192, 512, 4096),
        (resource.RLIM_INFINITY, 512, 4096),
    ],
)
def test_connections_and_renditions_leave_descriptors_to_each_other_and_to_us(
    monkeypatch, soft, connections, renditions
):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, resource.RLIM_INFINITY))
    assert shares() == (connections, renditions)
    assert connections <= ServeLimits.connections
    assert soft == resource.RLIM_INFINITY or soft - connections - renditions >= min(OWN, 64)
    assert 2 * TERMS.capacity < OWN


@pytest.mark.parametrize(
    ("soft", "hard", "after"),
    [
        (1024, 1 << 20, 8192),
        (1024, 4096, 4096),
        (1024, resource.RLIM_INFINITY, 8192),
        (1 << 16, 1 << 20, None),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None),
    ],
)
def test_the_limit_of_descriptors_is_raised_and_never_lowered(monkeypatch, soft, hard, after):
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    raise_descriptor_limit()
    assert limits == ([] if after is None else [(after, hard)])
