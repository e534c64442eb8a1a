"""Search for words, and save the best hit: `python search_and_fetch.py HOST:PORT "copper rain" FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

import lightpeer


async def main(bootstrap: str, words: str, folder: str) -> None:
    async with lightpeer.open_client(bootstrap=[bootstrap]) as client:
        hits = [hit async for hit in client.search(words)]
        for hit in hits:
            print(f"{hit.uri}  {hit.title}, {hit.duration_s:.0f} s, {len(hit.holders)} peers")
        if not hits:
            sys.exit(f"nothing found for {words!r}")
        best = hits[0]
        done = await client.fetch(best.uri, Path(folder) / f"{best.uri.removeprefix('loud:')}.opus")
        print(f"{done.path}: {done.size_bytes} bytes, {done.bitrate_kbps} kbit/s, by {done.transport}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        trio.run(main, *sys.argv[1:])
    except lightpeer.LightpeerError as error:
        sys.exit(str(error))  # a sentence for people
    except KeyboardInterrupt:
        sys.exit(130)
