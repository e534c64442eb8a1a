"""Serve a folder of music from within a program: `python embedded_server.py MUSIC STATE`, until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from lightpeer import LightpeerError
from lightpeer.serve import LibraryTrouble, ServerEvent, ServeSettings, Trouble, open_server


async def main(music: str, state: str, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED) -> None:
    settings = ServeSettings(
        music_dir=Path(music),
        state_dir=Path(state),
        listen=("127.0.0.1", 0),  # ("::", 47474) for all addresses of this machine
        lan=False,
        ladder_kbps=(48,),
    )
    async with open_server(settings, on_event=tell) as server:
        print("importing")
        await server.wait_imported()
        print(f"listening: give clients {server.contact}")
        task_status.started(server.contact)  # for those who run this in a nursery
        await trio.sleep_forever()


def tell(event: ServerEvent) -> None:
    if isinstance(event, Trouble | LibraryTrouble):
        print(event.message, file=sys.stderr)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        trio.run(main, *sys.argv[1:])
    except LightpeerError as error:
        sys.exit(str(error))  # a sentence for people
    except KeyboardInterrupt:
        pass
