"""Peers on the local network, found without configuration: DNS-SD over multicast DNS (RFC 6763, RFC 6762).

A serving peer registers `_loudp2p._tcp` with its port, and its id in the TXT record. A peer that is found
this way is only a hint which to contact first: the contact proves the id. Addresses of the internet or of
this computer are skipped, so nobody on the network can send us elsewhere.

zeroconf does the work in its own threads. Without it (the extra `lan`), no peers are found, without a
message.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import trio

from lightpeer.core.addresses import LOOPBACK_SCOPE, PRIVATE_SCOPE, is_host, scope_of
from lightpeer.core.trust.contact import Contact
from lightpeer.core.trust.identity import PeerId, format_peer_id, parse_peer_id
from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

logger = logging.getLogger(__name__)

SERVICE: Final = "_loudp2p._tcp.local."
MAX_FOUND: Final = 32  # more peers than a home has, and at most a view
MAX_ADDRESSES: Final = 4  # of one peer
ANSWER_MS: Final = 1000  # to wait for the addresses of one peer


class Lan:
    """The peers found on the local network so far, as `Network.lan` gives them.

    Attributes:
        is_looking: whether peers can be found at all.
        changed: set, and replaced, when a peer is found or leaves.
    """

    def __init__(self, *, is_looking: bool = True) -> None:
        self.is_looking = is_looking
        self.changed = trio.Event()
        self._found: dict[str, list[Contact]] = {}  # by the name of the service

    @property
    def contacts(self) -> list[Contact]:
        """The addresses of the peers that are there."""
        return [contact for contacts in self._found.values() for contact in contacts]

    def add(self, name: str, contacts: list[Contact]) -> None:
        """Note the addresses of a service."""
        if contacts and (name in self._found or len(self._found) < MAX_FOUND):
            self._found[name] = contacts
            self._tell()

    def remove(self, name: str) -> None:
        """Forget a service that said goodbye."""
        self._found.pop(name, None)
        self._tell()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


class Own(NamedTuple):
    """Our own service; without a host, it is at all addresses of this computer."""

    peer_id: PeerId
    host: str | None
    port: int


@asynccontextmanager
async def on_lan(own: Own | None = None, *, interfaces: Sequence[str] = ()) -> AsyncIterator[Lan]:
    """Look for peers on the local network during a block, and register our own service.

    Args:
        own: our own service, or None to register nothing.
        interfaces: the addresses of the interfaces to use; all if there are none.
    """
    if not find_spec("zeroconf"):
        yield Lan(is_looking=False)
        return
    lan = Lan()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_run, lan, own, interfaces)
        yield lan
        nursery.cancel_scope.cancel()


async def _run(lan: Lan, own: Own | None, interfaces: Sequence[str]) -> None:
    listener = _Listener(lan, own, on_loopback=bool(interfaces))
    try:
        zc = await trio.to_thread.run_sync(partial(_open, own, list(interfaces), listener))
    except OSError as error:
        logger.info("cannot look at the local network: %s", error)
        return
    try:
        await trio.sleep_forever()
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(zc.close)  # this says goodbye


class _Listener:
    """What zeroconf calls, in its own thread; it has the methods of `zeroconf.ServiceListener`."""

    def __init__(self, lan: Lan, own: Own | None, *, on_loopback: bool) -> None:
        self._lan = lan
        self._own = own
        self._on_loopback = on_loopback
        self._token = trio.lowlevel.current_trio_token()

    def add_service(self, zc: Any, type_: str, name: str) -> None:
        import zeroconf

        try:
            info = zc.get_service_info(type_, name, ANSWER_MS)
        except zeroconf.Error:  # it was closed in the meantime
            return
        found = contacts_untrusted(info, on_loopback=self._on_loopback) if info else []
        others = [contact for contact in found if not self._own or contact.peer_id != self._own.peer_id]
        self._tell(self._lan.add, name, others)

    update_service = add_service

    def remove_service(self, _zc: Any, _type: str, name: str) -> None:
        self._tell(self._lan.remove, name)

    def _tell(self, function: Callable[..., None], *args: object) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function, *args)


def _open(own: Own | None, interfaces: list[str], listener: Any) -> Any:
    """Register and browse, which takes a second; return zeroconf's object, to be closed.

    Raises:
        OSError: the network cannot be used.
    """
    import zeroconf

    logging.getLogger("zeroconf").setLevel(logging.CRITICAL)  # a network without multicast is common
    zc = zeroconf.Zeroconf(interfaces or zeroconf.InterfaceChoice.All)
    try:
        zeroconf.ServiceBrowser(zc, SERVICE, listener=listener)
        if own is not None:
            zc.register_service(_service_info(own), cooperating_responders=True)  # nobody else has our id
    except zeroconf.Error as error:
        zc.close()
        raise OSError(str(error)) from error
    return zc


def _service_info(own: Own) -> Any:
    import ifaddr
    import zeroconf

    every = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    name = format_peer_id(own.peer_id)
    return zeroconf.ServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=own.port,
        properties={"id": name},
        server=f"{name}.local.",
        parsed_addresses=[own.host] if own.host else [ip for ip in every if scope_of(ip) == PRIVATE_SCOPE],
    )


def contacts_untrusted(info: Any, *, on_loopback: bool = False) -> list[Contact]:
    """Return the addresses in a service of zeroconf's; none if it makes no sense.

    Args:
        info: a `ServiceInfo`, made from packets that anybody on the network can send.
        on_loopback: whether to accept addresses of this computer itself instead.
    """
    try:
        peer_id = parse_peer_id((info.properties.get(b"id") or b"").decode("ascii"))
    except (UsageError, UnicodeDecodeError):
        return []
    scope = LOOPBACK_SCOPE if on_loopback else PRIVATE_SCOPE
    addresses = [a for a in info.parsed_addresses()[:MAX_ADDRESSES] if is_host(a) and scope_of(a) == scope]
    return [Contact((a, info.port), peer_id) for a in addresses if 0 < (info.port or 0) < 65536]
