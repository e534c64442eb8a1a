"""Liars that answer every query by words: whose song is played, how often, and what that costs others.

Twelve servers, of which one lies and another has the song. The liar answers at once, whatever is searched
for, and serves what it names. Either its hits are false (its manifest says something else), or it makes a
manifest for each query, which nobody can tell from another's; then only what listeners did tells of it.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from statistics import median

import trio

from lightpeer.client.client import open_client
from lightpeer.client.start import Start
from lightpeer.client.stream import INLINE_BYTES
from lightpeer.pb.loudp2p.v1 import loudp2p_pb2 as pb
from lightpeer.rpc.server import Context
from lightpeer.serve.services.search import Search
from lightpeer.testing.network import SimInternet, simulate
from tests.pair import MadeTrack, Serving, made_track, settings
from tests.sim.swarm import introduce, replace_search, swarm

PHONE = "10.9.0.1"
SERVERS, DEGREE, PLAYS = 12, 4, 20
SONG = made_track(3, title="Song", seed=1)
SPAM = made_track(3, title="Buy this", artist="A liar", seed=2)
FORGED = made_track(3, title="Song", seed=2)


def poison(liar: Serving, track: MadeTrack) -> None:
    """Have a server answer every query at once: with this track, under the name that is looked for."""
    liar.shelf.tracks = {track.track.track_id: track}

    async def lying(own: Search, data: bytes, context: Context) -> None:
        call = own._calls.begin(context)
        request = call.open(data, pb.SearchRequest)
        hit = pb.Hit(track_id=track.track.track_id, title="Song", artist="Somebody", holders=[0])
        reply = pb.SearchReply(hits=[hit], peers=[liar.gossip.own.current()])
        if request.HasField("open"):
            request.open.track_id = track.track.track_id
            reply.open.CopyFrom(await own._open_track(request.open, call.peer_id, context))
        await context.write(call.seal(reply))

    replace_search(liar, lying)


def know_each_other(servers: list[Serving], random: Random) -> None:
    """Each knows some others, and they it."""
    for server in servers:
        for other in random.sample([s for s in servers if s is not server], DEGREE):
            introduce(other, server)
            introduce(server, other)


def played(
    tmp_path: Path, seed: int, track: MadeTrack | None = None, *, plays: int = 1, liar_at: int = 0
) -> list[tuple[bool, float]]:
    """Play so often, as somebody who knew nobody but one server; return what was the liar's, and how soon.

    Args:
        tmp_path: where to keep what was learnt.
        seed: of the network.
        track: the liar's; without one nobody lies.
        plays: how often the song is looked for; what is not it is skipped, the song is listened to.
        liar_at: which server lies; 0: one at random that the asked one knows, and that is near.
    """
    outcome: list[tuple[bool, float]] = []

    async def main(net: SimInternet) -> None:
        random = Random(seed)
        holder, liar = random.sample(range(1, SERVERS), 2)
        liar = liar_at or liar
        async with swarm(net, *([SONG] if n == holder else [] for n in range(SERVERS))) as servers:
            know_each_other(servers, random)
            if track is not None:
                poison(servers[liar], track)
                introduce(servers[liar], servers[0])
                servers[liar].host.up.delay_s = servers[liar].host.down.delay_s = 0.001
            for number in range(plays):
                if number:
                    await trio.sleep(60)
                phone = net.hosts.get(PHONE) or net.host(PHONE)
                async with open_client(settings(tmp_path / str(seed), servers[0]), phone) as client:
                    began_s = trio.current_time()
                    peer, opened = await client.open_query("song", Start(inline_bytes=INLINE_BYTES))
                    is_liars = peer.peer_id == servers[liar].identity.peer_id
                    outcome.append((is_liars, trio.current_time() - began_s))
                    assert opened.track == (track if is_liars else SONG).track
                    (client.on_skipped if is_liars else client.on_listened)(peer)

    simulate(main, seed=seed)
    return outcome


def test_a_liar_whose_hits_are_false_has_nothing_played(tmp_path: Path) -> None:
    plays = [played(tmp_path, seed, SPAM)[0] for seed in range(PLAYS)]
    assert sum(is_liars for is_liars, _ in plays) == 0
    honest = [played(tmp_path / "honest", seed)[0] for seed in range(PLAYS)]
    assert median(s for _, s in plays) <= 2 * median(s for _, s in honest)


def test_a_liar_that_makes_a_track_for_each_query_is_heard_once(tmp_path: Path) -> None:
    """Nobody can tell its track from the song but by listening; the next time that is known."""
    plays = played(tmp_path, 1, FORGED, plays=PLAYS)
    assert sum(is_liars for is_liars, _ in plays) <= 1
