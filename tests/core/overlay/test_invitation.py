"""What an operator is told of the way to the server."""

from __future__ import annotations

from lightpeer.core.overlay.invitation import MAX_TOLD, UNHEARD_S, Invitation
from lightpeer.core.trust.contact import format_invite
from lightpeer.core.trust.identity import PeerId

ME = PeerId(bytes(20))
NEAR, FAR = ("192.168.1.2", 47474), ("198.51.100.7", 47474)


def test_an_invite_is_told_when_it_changes():
    invitation = Invitation(ME, 0.0)
    assert invitation.offer([]) is None
    assert invitation.offer([NEAR, NEAR]) == format_invite(ME, [NEAR])
    assert invitation.offer([NEAR]) is None
    assert invitation.offer([FAR, NEAR]) == format_invite(ME, [FAR, NEAR])
    assert invitation.offer([]) is None, "the network is away, and the old one may be true again"


def test_each_address_that_works_is_told_once():
    invitation = Invitation(ME, 0.0)
    assert not invitation.reached("127.0.0.1", "127.0.0.1")
    assert not invitation.reached("192.168.1.2", "192.168.1.2"), "that is ourselves"
    assert invitation.reached("192.168.1.2", "192.168.1.3")
    assert not invitation.reached("192.168.1.2", "192.168.1.4")
    assert invitation.reached("2001:db8::2", "2001:db8::3")
    told = sum(invitation.reached(f"10.0.0.{n}", "10.0.1.1") for n in range(2 * MAX_TOLD))
    assert told == MAX_TOLD - 2


def test_that_nobody_came_is_told_once():
    invitation = Invitation(ME, 5.0)
    assert not invitation.is_unheard(UNHEARD_S)
    assert invitation.is_unheard(5.0 + UNHEARD_S)
    assert not invitation.is_unheard(6.0 + UNHEARD_S)
    other = Invitation(ME, 0.0)
    other.reached("192.168.1.2", "192.168.1.3")
    assert not other.is_unheard(UNHEARD_S)
