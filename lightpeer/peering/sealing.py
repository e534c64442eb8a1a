"""Our seals for calls to one peer, by the time that the peer goes by.

A Raspberry Pi has no clock at boot. When a peer answers that our seal is stale, its time is adopted for the
seals of calls to it, and for nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lightpeer.core.trust.seals import NONCE_BYTES, ClientSeals

if TYPE_CHECKING:
    from lightpeer.core.trust.identity import Identity, PeerId
    from lightpeer.errors import RpcError
    from lightpeer.net.network import Network

TIME_METADATA: Final = "loudp2p-time-ms"


class SealClock:
    """The time that goes into seals: the system's, corrected by what the peer said.

    Each peer has one of its own, so that one that lies about the time spoils no other's calls.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._offset_ms = 0

    @property
    def offset_ms(self) -> int:
        """How far the system's clock is behind the peer's; 0 if the peer took our seals as they were."""
        return self._offset_ms

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return max(0, self._system_ms() + self._offset_ms)

    def _system_ms(self) -> int:
        return int(self._network.unix_time() * 1000)

    def adopt_untrusted(self, error: RpcError) -> bool:
        """Adopt the time in a "stale" answer; return whether there was one."""
        for key, value in error.trailing_metadata():
            if key == TIME_METADATA and isinstance(value, str) and value.isascii() and value.isdigit():
                self._offset_ms = int(value[:16]) - self._system_ms()
                return True
        return False


class Sealer:
    """Makes the seals for calls to one peer.

    Args:
        identity: ours.
        network: for the time and entropy.

    Attributes:
        clock: the time that goes into the seals.
    """

    def __init__(self, identity: Identity, network: Network) -> None:
        self.clock = SealClock(network)
        self._identity = identity
        self._network = network

    def seals(self, path: str, recipient: PeerId | None) -> ClientSeals:
        """Return the seals of one call.

        Args:
            path: the full method.
            recipient: the peer, or None if its id is not known yet.
        """
        return ClientSeals(
            self._identity,
            path,
            time_ms=self.clock.now_ms(),
            nonce=self._network.entropy(NONCE_BYTES),
            recipient=recipient,
        )
