"""What happens in one run: who is there, over which links, what they do, and what goes wrong.

A plan is plain data. It is drawn from a seed, replayed exactly, cut down by the shrinker, and printed as
Python that builds it again. All faults end: from `quiet_at` on the network is healthy, and then the music
has to go on to the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

LONG_S = 3600.0  # the longest outage


@dataclass(frozen=True)
class Access:
    """A host's access link, the same both ways but for the rate."""

    down_bytes_per_s: float
    up_bytes_per_s: float
    delay_s: float
    loss: float = 0.0
    queue_bytes: int = 64 * 1024


@dataclass(frozen=True)
class Command:
    """A key that is pressed: pause, seek, next, previous, stop, search or exchange; `value` is of a seek."""

    at_s: float
    kind: str
    value: float = 0.0


@dataclass(frozen=True)
class Phone:
    """A listener: its link, the tracks it queues (by number), and what it does."""

    access: Access
    queue: tuple[int, ...]
    commands: tuple[Command, ...] = ()
    by_words: bool = False  # it asks for titles, not ids
    transport: str = "auto"
    bitrate_kbps: int | None = None
    start_s: float = 0.0
    both_families: bool = False
    buffer_bytes: int = 2_000_000


@dataclass(frozen=True)
class Server:
    """A server, which holds all tracks or those with these numbers."""

    access: Access
    holds: tuple[int, ...] | None = None
    cap_bytes_per_s: int | None = None


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong for a while; `phone` or `server` is who it befalls."""

    kind: str
    at_s: float
    for_s: float
    phone: int | None = None
    server: int | None = None
    value: float = 0.0

    @property
    def ends_s(self) -> float:
        """When it is over."""
        return self.at_s + self.for_s


@dataclass(frozen=True)
class Plan:
    """A run. Phones know server 0 by its name, which never lies and holds everything."""

    seed: int
    phones: tuple[Phone, ...]
    servers: tuple[Server, ...]
    tracks_s: tuple[int, ...]  # their lengths
    ladder_kbps: tuple[int, ...] = (24, 48)
    faults: tuple[Fault, ...] = field(default=())

    @property
    def quiet_at(self) -> float:
        """When the last fault has ended."""
        return max((fault.ends_s for fault in self.faults), default=0.0)

    @property
    def wanted_bytes_per_s(self) -> float:
        """What all phones may want at once, to hear their music at its best."""
        kbps = (phone.bitrate_kbps or max(self.ladder_kbps) for phone in self.phones)
        return sum(kbps) * 1000 / 8


PHONE_FAULTS = (
    "partition",
    "held",
    "held up",
    "udp blocked",
    "udp blocked in",
    "udp blocked out",
    "udp policed",
    "rate",
    "loss",
    "loss runs",
    "reorder",
    "duplicate",
    "corrupt",
    "mtu",
    "move",
    "move, sockets dead",
    "rebind",
    "no route",
    "names fail",
    "names hang",
    "wall clock",
    "suspend",
    "disk full",
    "tcp reset",
    "tcp hangs",
)
FAMILY_FAULTS = ("ipv4 lost", "ipv4 silent")
SERVER_FAULTS = (
    "partition",
    "one way to",
    "one way from",
    "udp blocked",
    "rate",
    "loss",
    "kill",
    "kill, new key",
    "unplug",
    "suspend",
    "wall clock",
    "disk fails",
    "tcp reset",
    "tcp hangs",
)
LIES = (
    "flipped bits",
    "wrong sizes",
    "wrong tables",
    "wrong manifest",
    "empty data",
    "keeps back",
    "mute",
    "mute grpc",
    "wrong chunks",
    "holds",
    "floods",
    "repeats",
    "paths",
    "refuses",
    "not here",
    "busy",
    "bad seals",
    "stale",
    "dead ends",
    "no inline",
    "bad inline",
)
COMMANDS = ("pause", "seek", "next", "previous", "stop", "search", "exchange")


def draw(seed: int) -> Plan:
    """Return the plan of a seed."""
    random = Random(f"faults {seed}")
    ladder = random.choice([(24, 48), (24, 48, 96), (48,)])
    tracks = tuple(random.randint(6, 45) for _ in range(random.randint(2, 4)))
    servers = tuple(_server(random, n, len(tracks)) for n in range(random.choice([1, 1, 2, 2, 3, 4])))
    phones = tuple(_phone(random, ladder, len(tracks)) for _ in range(random.choice([1] * 16 + [2, 2, 3, 4])))
    return Plan(seed, phones, servers, tracks, ladder, _faults(random, phones, servers))


def _phone(random: Random, ladder: tuple[int, ...], tracks: int) -> Phone:
    least = ladder[0] * 125 * 2.0
    down = least * 10 ** random.uniform(0.0, 1.5)
    queue = tuple(random.randrange(tracks) for _ in range(random.randint(1, 3)))
    transport = random.choice(["auto"] * 8 + ["grpc"])
    return Phone(
        Access(
            down_bytes_per_s=round(down),
            up_bytes_per_s=round(max(6_000, down * random.choice([0.2, 0.5, 1.0]))),
            delay_s=random.choice([0.01, 0.03, 0.1, 0.2, 0.6]),
            loss=random.choice([0.0, 0.0, 0.01, 0.03 if transport == "auto" else 0.0]),
            queue_bytes=random.choice([16, 64, 256]) * 1024,
        ),
        queue,
        _commands(random),
        by_words=random.random() < 0.5,
        transport=transport,
        bitrate_kbps=random.choice([None, None, None, 24, 48]),
        start_s=random.choice([0.0, 0.0, 0.0, float(random.randint(1, 30))]),
        both_families=random.random() < 0.3,
        buffer_bytes=random.choice([60_000, 150_000, 500_000, 2_000_000]),
    )


def _server(random: Random, number: int, tracks: int) -> Server:
    holds = None
    if number and random.random() < 0.3:
        holds = tuple(sorted(random.sample(range(tracks), random.randint(0, tracks - 1))))
    access = Access(
        down_bytes_per_s=1_000_000,
        up_bytes_per_s=random.choice([15_000, 50_000, 200_000, 1_000_000]),
        delay_s=random.choice([0.002, 0.01, 0.05]),
        queue_bytes=256 * 1024,
    )
    return Server(access, holds, random.choice([None, None, None, None, 30_000]))


def _commands(random: Random) -> tuple[Command, ...]:
    commands: list[Command] = []
    for _ in range(random.choice([0, 0, 1, 2, 4])):
        at_s, kind = random.uniform(0.0, 90.0), random.choice(COMMANDS)
        storm = random.choice([1, 1, 1, 3, 6])
        if kind == "pause":
            commands.append(Command(round(at_s, 2), "pause"))
            at_s += random.choice([0.1, 5.0, 30.0, 90.0])
            commands.append(Command(round(at_s, 2), "pause"))
            continue
        for _ in range(storm):
            commands.append(Command(round(at_s, 2), kind, round(random.uniform(-40.0, 40.0), 1)))
            at_s += random.choice([0.05, 0.3, 0.5, 1.0])
    return tuple(sorted(commands, key=lambda command: command.at_s))


def _faults(random: Random, phones: tuple[Phone, ...], servers: tuple[Server, ...]) -> tuple[Fault, ...]:
    faults = []
    together_s = random.uniform(0.0, 60.0)  # where some of them meet
    for _ in range(random.choice([1, 2, 2, 3, 4, 6, 9])):
        at_s = random.choice([random.uniform(0.0, 90.0), together_s + random.uniform(0.0, 10.0)])
        at_s, for_s = round(at_s, 2), _length_s(random)
        value = round(random.random(), 3)
        if random.random() < 0.6:
            number = random.randrange(len(phones))
            kinds = PHONE_FAULTS + (FAMILY_FAULTS if phones[number].both_families else ())
            faults.append(Fault(random.choice(kinds), at_s, for_s, phone=number, value=value))
        else:
            number = random.randrange(len(servers))
            kinds = SERVER_FAULTS + (LIES if number else ())
            faults.append(Fault(random.choice(kinds), at_s, for_s, server=number, value=value))
    return tuple(sorted(faults, key=lambda fault: fault.at_s))


def _length_s(random: Random) -> float:
    """Seconds mostly, then the length of a tunnel, and now and then up to an hour."""
    longest = random.choice([3.0, 8.0, 8.0, 20.0, 60.0, 60.0, 200.0])
    if random.random() < 0.03:
        longest = LONG_S
    return round(random.uniform(0.0, longest), 2)
