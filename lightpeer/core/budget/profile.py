"""Profiles: how much data playing may use on a network, and which profile a network gets.

Three are built in. A configuration may change them and name others. Unless one is chosen by name, it follows
from the network: as the configuration says for its SSID or its interface, else by the kind of interface. A
network of an unknown kind may cost money, so it gets `thrifty`, as a radio network does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTO: Final = "auto"  # the name that leaves the choice to the network
LOWEST_KBPS: Final = 1  # below every rendition, so that the lowest is taken
LEAST_BUFFER_KB: Final = 256  # 85 s at 24 kbit/s
MOST_BUFFER_KB: Final = 64_000

MOST_NAME_CHARS: Final = 32

_HOME: Final = ("eth", "en", "wl", "br", "bond")  # cable and wireless LAN, as Linux and systemd name them


class WayOut(NamedTuple):
    """The interface that leads to the internet, and the wireless network's name; empty where unknown."""

    interface: str = ""
    ssid: str = ""


class Limits(NamedTuple):
    """What playing keeps to; it may change meanwhile.

    Attributes:
        top_kbps: the greatest rendition, in kbit/s; None: any.
        buffer_bytes: the most that is fetched ahead.
        waste_share: of all bytes, those that may be fetched again in a better rendition.
    """

    top_kbps: int | None
    buffer_bytes: int
    waste_share: float

    def at_most_kbps(self, kbps: int) -> int:
        """Return a bitrate in kbit/s, or the greatest that there may be."""
        return kbps if self.top_kbps is None else min(kbps, self.top_kbps)


@dataclass(frozen=True, slots=True)
class Profile:
    """How much data playing may use. The fields are the keys of a `[profile.NAME]` table.

    Attributes:
        name: what the caps' bytes are counted under.
        top_kbps: the greatest rendition, in kbit/s; None: as the link allows.
        buffer_kb: the most that is fetched ahead, in kB.
        waste_share: of all bytes, those that may be fetched again in a better rendition.
        day_mb: the most in a day, in MB; None: no cap.
        month_mb: likewise in a calendar month.
    """

    name: str
    top_kbps: int | None = None
    buffer_kb: int = 2_000
    waste_share: float = 0.10
    day_mb: float | None = None
    month_mb: float | None = None


THRIFTY: Final = Profile("thrifty", top_kbps=48, buffer_kb=1_000, waste_share=0.0)
NORMAL: Final = Profile("normal")
UNMETERED: Final = Profile("unmetered", buffer_kb=8_000)
BUILT_IN: Final = (THRIFTY, NORMAL, UNMETERED)


def is_name(text: str) -> bool:
    """Return whether a profile may have this name: ASCII letters and digits, - and _, and not `auto`."""
    is_word = text.replace("-", "").replace("_", "").isalnum() and text.isascii()
    return is_word and len(text) <= MOST_NAME_CHARS and text != AUTO


def limits_of(profile: Profile) -> Limits:
    """Return what playing keeps to while no cap is near."""
    return Limits(profile.top_kbps, profile.buffer_kb * 1000, profile.waste_share)


def all_profiles(own: tuple[Profile, ...]) -> dict[str, Profile]:
    """Return all profiles by name; those of a configuration replace the built-in ones."""
    return {profile.name: profile for profile in (*BUILT_IN, *own)}


def name_for(way: WayOut, networks: Mapping[str, str]) -> str:
    """Return the name of the profile for a network; `networks` has names by SSID and by interface."""
    for known in (way.ssid, way.interface):
        if known in networks:
            return networks[known]
    return NORMAL.name if way.interface.startswith(_HOME) else THRIFTY.name
