"""What is wrong in the arguments of a command: a sentence that names it and the way out, and no packet."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from lightpeer.cli.main import run
from lightpeer.core.content.uri import format_uri
from lightpeer.net.system import SystemNetwork

NOTHING_NAMED = "nothing is named: give words, a loud: id, a number of the last search, or --album"
SECONDS = "must be a number of seconds, or forever"
START = "a number of seconds from 0 to 65536, or a time as 1:30, not"
TIMEOUT = "a number of seconds, or 0 to wait for ever, not"
MEGABYTES = "a whole number of megabytes, or 0, not"
BITRATE = "must be a whole number from 6 to 510 (kbit/s, or auto)"
PICK = "--pick asks on a terminal: give the number of a hit instead"
KEPT = "nothing was listed that 9 could be taken from: search first, or write title:9"
NO_ID = "is not a track id: copy it whole"
PROFILE = "there are thrifty, normal, unmetered, and auto"
CASES = {
    # Lists.
    "favourite 9": KEPT,
    "favourite 3-1": "3-1 names no track: give the smaller number first",
    "favourite --remove": NOTHING_NAMED,
    "favourite --all": NOTHING_NAMED,
    "favourite --pick": NOTHING_NAMED,
    "favourite x --pick": PICK,
    "favourite --remove words": "--remove takes numbers of the list and loud: ids, no words",
    "favourite loud:xyz": NO_ID,
    "favourite --album ''": "--album names nothing: give the name of an album",
    "favourite none.m3u8": "cannot read the playlist none.m3u8: No such file or directory",
    "history x": "unrecognized arguments: x (see lightpeer history --help)",
    "history --shuffle": "unrecognized arguments: --shuffle",
    # Networks.
    "join nonsense": "is not an invite, loudp2p:L…@HOST:PORT, nor HOST:PORT",
    "join a:1 nonsense": "'nonsense' is not an invite",
    "join http://example.org": "is not HOST:PORT",
    "join host:99999": "is not HOST:PORT with a port from 1 to 65535",
    "join ''": "'' is not HOST:PORT",
    "join L123@host:1": "'L123' is not a peer id: copy it whole, it begins with L",
    "join --remove": "--remove needs an invite or an id to forget (lightpeer join lists what was joined)",
    "join --remove L123": "'L123' was not joined (lightpeer join lists what was)",
    # The cache.
    "cache x": "unrecognized arguments: x",
    "cache --cache-size lots": f"{MEGABYTES} 'lots'",
    "pin": NOTHING_NAMED,
    "pin 9": KEPT,
    "pin --remove": NOTHING_NAMED,
    "pin --remove 9": KEPT,
    "pin --remove words": f"'words' {NO_ID}",
    "pin --favourites": "there are no favourites yet: add some with lightpeer favourite",
    "pin x --bitrate lots": f"--bitrate is 'lots', but {BITRATE}",
    "pin x --timeout soon": f"{TIMEOUT} 'soon'",
    "pin x --timeout -1": f"{TIMEOUT} '-1'",
    "pin x --cache-size 1e3": f"{MEGABYTES} '1e3'",
    # Playing.
    "play --favourites": "there are no favourites yet",
    "play --shuffle": NOTHING_NAMED,
    "play --repeat": NOTHING_NAMED,
    "play --album": "argument --album: expected one argument (see lightpeer play --help)",
    "play x --album ''": "--album names nothing: give the name of an album",
    "play --artist ' '": "--artist names nothing: give the name of an artist",
    "play x --pick": PICK,
    "play x --wait soon": f"--wait is 'soon', but {SECONDS}",
    "play x --wait nan": f"--wait is 'nan', but {SECONDS}",
    "play x --give-up -1": f"--give-up is '-1', but {SECONDS}",
    "play x --start soon": f"{START} 'soon'",
    "play x --start 1:99": f"{START} '1:99'",
    "play x --cache-size 99999999": f"{MEGABYTES} '99999999'",
    "play x --profile nosuch": f"there is no profile 'nosuch'; {PROFILE}",
    "play folder.m3u8": "folder.m3u8 is not an ordinary file",
    "play binary.m3u8": "binary.m3u8 is a playlist that is not UTF-8 text",
    "play foreign.m3u8": "the playlist foreign.m3u8 has no loud: ids",
    "play x --output wav:": "'wav:' is not an output: choose one of sounddevice[:DEVICE], wav:FILE, pipe",
    "play x --output command:": "'command:' is not an output",
    # Fetching.
    "fetch": NOTHING_NAMED,
    "fetch x --name ''": "--name '' is no name within a folder: use --dir for another folder",
    "fetch x --name '{artist'": "--name '{artist' has braces without a field: fields are",
    "fetch x --name /{title}": "is no name within a folder",
    "fetch x -o y --dir .": "-o names the whole file: give it without --dir and --name",
    "fetch x -o y --name {title}": "-o names the whole file",
    "fetch x -d binary.m3u8": "there is no folder binary.m3u8: make it, or name another with --dir",
    "fetch x y.m3u8 -o z": "cannot read the playlist y.m3u8",
    f"fetch {format_uri(bytes(32))} x -o y": "-o names the file of one track: for several, give --dir",
    "fetch x --timeout inf": f"{TIMEOUT} 'inf'",
    "fetch x --bitrate 9999": f"--bitrate is '9999', but {BITRATE}",
    # All.
    "usage --profile nosuch": f"there is no profile 'nosuch'; {PROFILE}",
    "peers --profile": "argument --profile: expected one argument",
    "peers --config .": "cannot read the configuration file .: . is not an ordinary file",
    "peers --config binary.m3u8": "binary.m3u8 is not a TOML file",
    "peers --state ''": "--state is '', but must be the path of a folder",
    "--nonsense": "unrecognized arguments: --nonsense (see lightpeer --help)",
    "doctor x": "unrecognized arguments: x",
    "demo x": "unrecognized arguments: x",
}


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with files of the wrong kinds, nothing of the person's own, and no network."""
    for variable in [name for name in os.environ if name.startswith(("LIGHTPEER_", "XDG_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("folder.m3u8").mkdir()
    Path("binary.m3u8").write_bytes(b"\xff\0")
    Path("foreign.m3u8").write_text("http://example.org/x\n")

    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(SystemNetwork, "__init__", refuse)


@pytest.mark.parametrize("command", CASES)
def test_it_is_one_sentence_and_status_2(command: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(shlex.split(command)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("lightpeer: ")
    assert err.count("\n") == 1
    assert CASES[command] in err
    kinds = {"binary.m3u8", "folder.m3u8", "foreign.m3u8"}
    assert {path.name for path in tmp_path.rglob("*")} == kinds, "nothing was made"
