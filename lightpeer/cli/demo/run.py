"""`lightpeer demo`: a network of three serving peers and a light client, all on this machine.

The peers are separate processes that share the demo's tracks, two of the three each. The client starts with
one peer's address. It finds the others, searches, and plays a track from start to end, to the sound device
or, where there is none, to a WAV file. A missing library, or a folder that cannot take that file, is reported
before anything starts. Everything else
lives in one temporary folder and ends with the command.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import trio

from lightpeer.audio import _native
from lightpeer.audio.device import ELSEWHERE
from lightpeer.cli.doctor import Verdict, check_sound
from lightpeer.cli.play import Performance
from lightpeer.client.client import Client, open_client
from lightpeer.client.models import Hit
from lightpeer.config import Settings
from lightpeer.console.output import Output
from lightpeer.console.signals import run_async
from lightpeer.console.text import clock
from lightpeer.core.trust._secp256k1 import load_backend
from lightpeer.core.trust.contact import parse_contact
from lightpeer.errors import NoPeerError, NothingFoundError, StateError, StreamFailedError
from lightpeer.net.system import SystemNetwork

PEERS = 3
QUERY = "lightpeer"  # the artist of all tracks
WAV_FILE = "lightpeer-demo.wav"
START_LIMIT_S = 20.0  # for a peer to import its two tracks, on a Pi Zero
GOSSIP_LIMIT_S = 5.0  # for the peers to know each other
GOSSIP_WAIT_S = 0.2
DEMO_LIMIT_S = 120.0  # longer means that something hangs
_MAX_LINE_BYTES = 4096  # of a peer's first output


class _Serving(NamedTuple):
    """A serving peer that is ready: its RPC address and its id."""

    rpc: str
    peer_id: str


def demo(output: Output) -> int:
    """Run the demo; return its exit status.

    Raises:
        MissingLibraryError: a library that its peers or its player need is not installed.
    """
    load_backend()
    _native.opusenc()  # needs all libraries of playing
    _native.require_library("ebur128")  # as its peers do
    _native.require_package("mutagen")
    wav = Path(WAV_FILE).resolve()
    return run_async(lambda: _demo(output, wav))


async def _demo(output: Output, wav: Path) -> int:
    with tempfile.TemporaryDirectory(prefix="lightpeer-demo-") as folder:
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(DEMO_LIMIT_S) as limit:
                await _run(Path(folder), nursery, output, wav)
            nursery.cancel_scope.cancel()  # ends the peers, and waits until they have ended
    if limit.cancelled_caught:
        raise StreamFailedError(f"the demo did not end within {DEMO_LIMIT_S:.0f} s: try lightpeer doctor")
    return 0


async def _run(folder: Path, nursery: trio.Nursery, output: Output, wav: Path) -> None:
    sound = await check_sound("")
    audible = sound.verdict is Verdict.OK
    if not audible:
        _check_writable(wav)
    serving = await _start_peers(folder, nursery, output)
    settings = Settings(
        state_dir=folder / "client",
        bootstrap=(parse_contact(serving[0].rpc),),
        output="" if audible else f"wav:{folder / WAV_FILE}",
    )
    await _listen(settings, output)
    if not audible:
        await trio.to_thread.run_sync(shutil.move, folder / WAV_FILE, wav)
        reason = sound.text.removesuffix(ELSEWHERE)
        output.result("wrote", f"the track is in {wav}: {reason}", path=str(wav), reason=reason)


def _check_writable(wav: Path) -> None:
    """Raise StateError if the WAV file could not be put where it belongs."""
    if wav.is_dir() or not os.access(wav.parent, os.W_OK | os.X_OK):
        raise StateError(
            wav, f"there is no sound device, and {wav} cannot be written: run it in another folder"
        )


async def _listen(settings: Settings, output: Output) -> None:
    async with open_client(settings, SystemNetwork()) as client:
        await _find_peers(client, output)
        hit = await _find_track(client, output)
        await _play(client, settings, hit, output)


async def _start_peers(folder: Path, nursery: trio.Nursery, output: Output) -> list[_Serving]:
    """Start the serving peers, the first one before the others, which need its address."""
    libraries = _share_tracks(folder)
    first = await _start_peer(libraries[0], [], nursery)
    serving = [first]

    async def start_another(library: Path) -> None:
        serving.append(await _start_peer(library, ["--bootstrap", first.rpc], nursery))

    async with trio.open_nursery() as starting:
        for library in libraries[1:]:
            starting.start_soon(start_another, library)
    places = ", ".join(peer.rpc for peer in serving)
    output.remark("started", f"started {PEERS} serving peers: {places}", peers=[p._asdict() for p in serving])
    return serving


def _share_tracks(folder: Path) -> list[Path]:
    """Make a folder for each peer, with all tracks but one."""
    libraries = [folder / f"peer-{number}" for number in range(1, PEERS + 1)]
    with resources.as_file(resources.files("lightpeer.cli.demo") / "tracks") as tracks:
        for number, library in enumerate(libraries):
            library.mkdir()
            for index, track in enumerate(sorted(tracks.glob("*.opus"))):
                if index % PEERS != number:
                    shutil.copy(track, library)
    return libraries


async def _start_peer(library: Path, options: list[str], nursery: trio.Nursery) -> _Serving:
    """Start `lightpeer-serve` for a folder; return once it is ready."""
    state = library.with_suffix(".state")
    command = [sys.executable, "-m", "lightpeer.serve", str(library), "--state", str(state)]
    command += ["--listen", "127.0.0.1:0", "--ladder", "48", "--json", *options]
    log = library.with_suffix(".log")
    with log.open("wb") as errors:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                check=False,
                start_new_session=True,  # Ctrl-C on the terminal is for us, and we end the peers
            )
        )
    with trio.move_on_after(START_LIMIT_S):
        with contextlib.suppress(ValueError, KeyError):
            listening = json.loads(await _first_line(process))
            return _Serving(listening["rpc"], listening["peer_id"])
    said = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
    raise NoPeerError(f"a serving peer did not start: {said[-1].removeprefix('lightpeer-serve: ')}")


async def _first_line(process: trio.Process) -> bytes:
    assert process.stdout is not None
    line = b""
    while b"\n" not in line and len(line) < _MAX_LINE_BYTES:
        data = await process.stdout.receive_some()
        if not data:
            break
        line += data
    return line.partition(b"\n")[0]


async def _find_peers(client: Client, output: Output) -> None:
    """Ask the one known peer for the others, until the network has formed."""
    began = trio.current_time()
    peers = await client.peers()
    while len(peers) < PEERS and trio.current_time() - began < GOSSIP_LIMIT_S:
        await trio.sleep(GOSSIP_WAIT_S)
        peers = await client.peers()
    ids = [peer.peer_id for peer in peers]
    output.remark("peers", f"from one address found {len(ids)} peers: {', '.join(ids)}", peer_ids=ids)


async def _find_track(client: Client, output: Output) -> Hit:
    """Search, and return the shortest hit."""
    began = trio.current_time()
    hits = [hit async for hit in client.search(QUERY)]
    if not hits:
        raise NothingFoundError(
            "the demo's peers do not find its tracks: lightpeer doctor says what they lack"
        )
    search_ms = round((trio.current_time() - began) * 1000, 1)
    titles = ", ".join(f"{hit.title} ({clock(hit.duration_s)})" for hit in hits)
    text = f"searched for {QUERY!r}: {len(hits)} hits in {search_ms:.0f} ms: {titles}"
    output.remark("search", text, query=QUERY, hits=[hit.uri for hit in hits], search_ms=search_ms)
    return min(hits, key=lambda hit: hit.duration_s)


async def _play(client: Client, settings: Settings, hit: Hit, output: Output) -> None:
    """Play the track to its end, and print the measurements."""
    performance = Performance(client, settings, output)
    await performance.run([hit.uri])
    stats = performance.player.stats()
    first_sound_ms = round((performance.first_sound_s or 0.0) * 1000)
    text = (
        f"played {stats['played_s']:.1f} s by {stats['transport']}: {stats['audio_bytes']} bytes of audio, "
        f"{stats['rx_bytes']} received in all, first sound after {first_sound_ms} ms"
    )
    output.remark("played", text, uri=hit.uri, first_sound_ms=first_sound_ms, stats=stats)
