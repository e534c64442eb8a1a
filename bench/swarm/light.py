"""Light clients in a besieged network: the real peer cache, fed as `lightpeer/client/client.py` feeds it.

Each client knows one honest bootstrap peer, and is used once an hour: it exchanges records with the
bootstrap peer, with the best of its cache if the cache has it that too few are known (two peers at most,
as `lightpeer peers` does), and counts their answers. Honest servers tell of a random part of their views;
colluders of as many colluders as a client takes. Records end after an hour, as those of servers do. Whom
hits name does not matter here: a client remembers those only that served it.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

from lightpeer.client.reach import MAX_ASKED
from lightpeer.config import Settings
from lightpeer.core.overlay.peer_cache import PeerCache
from lightpeer.core.trust.bounds import MAX_RECORDS
from lightpeer.core.trust.identity import PeerId
from lightpeer.core.trust.records import PeerRecord
from lightpeer.serve.overlay.own_record import RECORD_LIFETIME_S

if TYPE_CHECKING:
    from bench.swarm.eclipse import Besieged

CLIENTS = 200
USES = 24
HOUR_S = 3600.0
STARTED_S = 1_750_000_000.0
RTT_S = 0.1
NETWORKS_PER_BYTE = 250
PEERS_ASKED: int = Settings.__dataclass_fields__["peers_asked"].default


def share_of_caches(
    swarm: Besieged, seed: int = 1, *, asks_always: bool = False, uses_with_bootstrap: int = USES
) -> float:
    """Return the colluders' share of all places taken in the clients' caches.

    Args:
        swarm: the network.
        seed: of what is drawn.
        asks_always: whether a second peer is asked for records also if enough are known.
        uses_with_bootstrap: how often a client is used until its bootstrap peer is gone.
    """
    rng = Random(seed)
    colluders = total = 0
    for _ in range(CLIENTS):
        cache, bootstrap = PeerCache(), rng.choice(swarm.honest)
        for n in range(USES):
            gone = bootstrap if n >= uses_with_bootstrap else None
            use(swarm, cache, bootstrap, STARTED_S + n * HOUR_S, rng, gone=gone, asks_always=asks_always)
        for entry in cache.entries():
            colluders += swarm.is_colluder[number_of(entry.record)]
            total += 1
    return colluders / max(1, total)


def use(
    swarm: Besieged,
    cache: PeerCache,
    bootstrap: int,
    now: float,
    rng: Random,
    *,
    gone: int | None = None,
    asks_always: bool = False,
) -> None:
    """Let a client exchange records; one peer may be gone."""
    answered = 0
    for asked in dict.fromkeys([bootstrap, *map(number_of, cache.best(MAX_ASKED, now))]):
        if asked == gone:
            cache.on_failure(peer_id(asked), now)
            continue
        host, _ = record_of(swarm, asked, now).endpoints[0]
        for told in told_by(swarm, asked, rng):
            cache.add(record_of(swarm, told, now), peer_id(asked), now, host)
        cache.on_success(peer_id(asked), RTT_S, now)
        answered += 1
        if answered >= PEERS_ASKED or (cache.has_enough(now) and not asks_always):
            break


def told_by(swarm: Besieged, asked: int, rng: Random) -> Iterable[int]:
    """Return what a server answers a light client with: itself, and others."""
    if swarm.is_colluder[asked]:
        return [asked, *rng.sample(swarm.colluders, min(MAX_RECORDS - 1, len(swarm.colluders)))]
    neighbours = swarm.views[asked].neighbours(MAX_RECORDS - 1, rng.randbytes)
    return [asked, *(server.peer_id for server in neighbours)]


def peer_id(number: int) -> PeerId:
    return PeerId(number.to_bytes(20, "big"))


def number_of(record: PeerRecord) -> int:
    return int.from_bytes(record.peer_id, "big")


def record_of(swarm: Besieged, number: int, now: float) -> PeerRecord:
    """Return the record that a server has just made, in an IPv4 /16 of its network."""
    network = swarm.servers[number].network or 0
    first, second = divmod(network % (NETWORKS_PER_BYTE * 180), NETWORKS_PER_BYTE)
    host = f"{11 + first}.{second}.{number // 250 % 250}.{number % 250}"
    return PeerRecord(peer_id(number), ((host, 47474),), 1, int(now), int(now + RECORD_LIFETIME_S), b"")
