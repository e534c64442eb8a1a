"""A server as its parts know it."""

from __future__ import annotations

import pytest

from lightpeer.core.guard.rules import Rules
from lightpeer.core.trust.identity import Identity
from lightpeer.serve.access.node import Node
from lightpeer.testing import simulate

ME = Identity(b"m" * 32)


def test_a_node_that_is_open_to_all_refuses_nobody() -> None:
    async def main(net):
        host = net.host("10.0.0.1")
        node = Node.open_to_all(ME, host)
        assert node.peer_id == ME.peer_id
        assert node.network is host
        assert node.access.rules.own == ME.peer_id
        assert node.access.rules.refusal(Identity(b"o" * 32).peer_id, "203.0.113.1") is None
        assert not node.access.rules.is_private

    simulate(main)


def test_its_rules_change_for_all_who_have_it_and_nothing_else_does() -> None:
    node = Node.open_to_all(ME, object())
    node.access.rules = Rules(ME.peer_id, allow=())
    assert node.access.rules.is_private
    with pytest.raises(AttributeError):
        node.access = None
