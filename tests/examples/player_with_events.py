"""Play words or tracks, and say what happens: `python player_with_events.py HOST:PORT null "copper rain"`.

The second argument is an output, as the command's `--output`: `sounddevice`, `wav:FILE`, `null`, …
"""

from __future__ import annotations

import sys

import trio

import lightpeer


async def main(bootstrap: str, output: str, *items: str) -> None:
    async with (
        lightpeer.open_client(bootstrap=[bootstrap]) as client,
        client.player(output=output) as player,
    ):
        await player.play(items)
        async for event in player.events:
            print(described(event))


def described(event: lightpeer.PlayerEvent) -> str:
    match event:
        case lightpeer.Playing(title=title, bitrate_kbps=kbps, transport=transport):
            return f"playing {title}, {kbps} kbit/s by {transport}"
        case lightpeer.Waiting(message=message):
            return f"waiting for the network: {message}"
        case lightpeer.Rebuffering():
            return "waiting for data"
        case lightpeer.SourceLost(peer_id=peer_id, reason=reason):
            return f"lost {peer_id}: {reason}"
        case lightpeer.NotPlayed(item=item, message=message):
            return f"left out {item}: {message}"
        case lightpeer.Ended(uri=uri):
            return f"ended {uri}"
    return type(event).__name__


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    try:
        trio.run(main, *sys.argv[1:])
    except lightpeer.LightpeerError as error:
        sys.exit(str(error))  # a sentence for people
    except KeyboardInterrupt:
        sys.exit(130)
