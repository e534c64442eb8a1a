"""One file over uTP with libtorrent, its settings as they come; no TCP, no discovery.

python -m bench.links.torrent serve FILE HOST PORT
python -m bench.links.torrent fetch FILE FOLDER PORT HOST...
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import libtorrent

SETTINGS = {
    "enable_outgoing_tcp": False,
    "enable_incoming_tcp": False,
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
    "alert_mask": 0,
}
PIECE_BYTES = 16_384
POLL_S = 0.1


def session(host: str, port: int) -> libtorrent.session:
    return libtorrent.session({**SETTINGS, "listen_interfaces": f"{host}:{port}"})


def information(file: Path) -> libtorrent.torrent_info:
    """Return the torrent of a file that both sides have, as if its .torrent had been got before."""
    made = libtorrent.create_torrent(libtorrent.list_files(str(file)), PIECE_BYTES)
    libtorrent.set_piece_hashes(made, str(file.parent))
    return libtorrent.torrent_info(made.generate())


def add(into: libtorrent.session, info: libtorrent.torrent_info, folder: Path) -> libtorrent.torrent_handle:
    wanted = libtorrent.add_torrent_params()
    wanted.ti, wanted.save_path = info, str(folder)
    return into.add_torrent(wanted)


def serve(file: Path, host: str, port: int) -> None:
    seed = session(host, port)
    torrent = add(seed, information(file), file.parent)
    while not torrent.status().is_seeding:
        time.sleep(POLL_S)
    print("ready", flush=True)
    while True:
        time.sleep(60)


def fetch(file: Path, folder: Path, port: int, hosts: list[str]) -> None:
    leech = session("0.0.0.0", port)
    torrent = add(leech, information(file), folder)
    for host in hosts:
        torrent.connect_peer((host, port))
    while not torrent.status().is_seeding:
        time.sleep(POLL_S)


def main() -> None:
    act, file, where, port, *hosts = sys.argv[1:]
    if act == "serve":
        serve(Path(file), where, int(port))
    else:
        fetch(Path(file), Path(where), int(port), hosts)


if __name__ == "__main__":
    main()
