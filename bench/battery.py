"""What a phone's radio spends on steady listening: the real client and server beside a trickle.

One track in one bitrate is played over a link of a steady rate, in virtual time. The trickle is what a player
does that fetches each second of sound a second before it is heard: the same bytes, in packets of 1400. The
radio is the model of 3G in `lightpeer/playback/radio.py`. Half an hour, since the first minutes fetch little
ahead, so that skipping wastes little.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from bench.traces.heard import Packet
from bench.traces.metrics import radio_of
from bench.traces.network import play
from bench.traces.trace import Trace, Window
from lightpeer.playback.radio import UMTS

PACKET_BYTES = 1400
MOST_ON, MOST_OF_TRICKLE, MOST_WIRE = 0.15, 0.12, 1.06


def trickle(seconds: int, bytes_per_s: float) -> Iterator[Packet]:
    """Yield the packets of a second of sound in each second."""
    for second in range(seconds):
        left = bytes_per_s
        while left > 0:
            yield Packet(float(second), int(min(PACKET_BYTES, left)), is_down=True)
            left -= PACKET_BYTES


def main() -> None:
    """Print a table, with the goals."""
    parser = argparse.ArgumentParser(prog="python -m bench.battery", description=__doc__.partition("\n")[0])
    parser.add_argument("--kbps", type=int, default=48, help="of the music (48)")
    parser.add_argument("--link-kbit-s", type=float, default=1000.0, help="rate of the link (1000)")
    parser.add_argument("--minutes", type=int, default=30, help="of listening (30)")
    chosen = parser.parse_args()
    seconds = 60 * chosen.minutes
    link = Trace("steady", ((float(seconds), chosen.link_kbit_s),))
    heard = play(Window(link, 1.0, 0.0, float(seconds)), (chosen.kbps,))
    assert heard.packets is not None, "they came over a network"
    on, joules_per_h = radio_of(heard.packets, UMTS, heard.end_s)
    _, trickled = radio_of(list(trickle(seconds, chosen.kbps * 125)), UMTS, float(seconds))
    wire = sum(packet.size for packet in heard.packets if packet.is_down) / (seconds * chosen.kbps * 125)
    print("| figure | measured | to reach | reached |\n|---|---|---|---|")
    for name, measured, most in (
        ("radio on", on, MOST_ON),
        (
            f"J/h ({joules_per_h:.0f}) / a trickle's ({trickled:.0f})",
            joules_per_h / trickled,
            MOST_OF_TRICKLE,
        ),
        ("wire bytes per byte heard", wire, MOST_WIRE),
    ):
        print(f"| {name} | {measured:.3f} | {most} | {'yes' if measured <= most else 'NO'} |")


if __name__ == "__main__":
    main()
