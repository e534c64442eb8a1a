"""The arguments of `lightpeer-serve`: what they become, and how a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightpeer.core.addresses import DEFAULT_PORT
from lightpeer.core.content.uri import format_uri
from lightpeer.core.trust.contact import Contact
from lightpeer.serve import __main__ as command
from lightpeer.serve.operator.arguments import parser, serve_settings
from lightpeer.serve.operator.settings import DEFAULT_LADDER_KBPS, ServeSettings


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "music").mkdir()
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def parsed(*argv: str) -> ServeSettings:
    return serve_settings(parser().parse_args(argv))


def test_arguments_become_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIGHTPEER_STATE", "/state")
    monkeypatch.setenv("LIGHTPEER_CONFIG", "")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    plain = parsed("music")
    assert plain == ServeSettings(
        music_dir=Path("music"),
        state_dir=Path("/state/serve"),
        listen=("127.0.0.1", DEFAULT_PORT),
        ladder_kbps=DEFAULT_LADDER_KBPS,
    )
    full = parsed(
        *(
            "music",
            "more",
            "much/more",
            "--state",
            "/s",
            "--listen",
            "[::1]:0",
            "--announce",
            "a.example:5",
            "--ladder",
            "96,24",
        ),
        *("--announce", "[2001:db8::5]:5"),
        *("--bootstrap", "b.example", "--bootstrap", "c.example:7", "--no-lan", "--gossip", "5"),
        *("--mirror", "copper rain", "--mirror", format_uri(bytes(32)), "--follow-links", "--on-demand"),
        *("--cache-size", "20G"),
    )
    assert full == ServeSettings(
        music_dir=Path("music"),
        more_music_dirs=(Path("more"), Path("much/more")),
        follow_links=True,
        state_dir=Path("/s"),
        listen=("::1", 0),
        announce=(("a.example", 5), ("2001:db8::5", 5)),
        bootstrap=(Contact(("b.example", DEFAULT_PORT)), Contact(("c.example", 7))),
        ladder_kbps=(24, 96),
        on_demand=True,
        cache_bytes=20_000_000_000,
        lan=False,
        gossip_s=5,
        mirror=("copper rain", format_uri(bytes(32))),
    )


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["music", "--listen", ":x"],
        ["music", "--listen", "99999"],
        ["music", "--listen", "a:99999"],
        ["music", "--cache-size", "much"],
        ["music", "--cache-size", "-5M"],
        ["music", "--cache-size", "5K"],
        ["music", "--cache-size", ""],
        ["music", "--cache-size", "1234567890G"],
        ["music", "--ladder", "high"],
        ["music", "--ladder", "1"],
        ["music", "--announce", "a:0"],
        ["music", "--announce", "a:1", "--announce", "b:2"],
        ["music", "--bootstrap", "a b"],
        ["music", "--bootstrap", "Lx@a:1"],
        ["music", "--gossip", "soon"],
        ["music", "--gossip", "0"],
        ["music", "--mirror", "loud:x"],
        ["music", "--nonsense"],
    ],
)
def test_wrong_usage_is_one_sentence_and_status_2(
    state: Path, capsys: pytest.CaptureFixture, argv: list[str]
) -> None:
    assert command.run([*argv, "--state", str(state)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "named"),
    [
        (["--withdraw", "loud:x"], "loud:x"),
        (["--withdraw", "copper rain"], "copper rain"),
        (["--max-upload", "15"], "kbit/s"),
        (["--max-upload", "10000001"], "kbit/s"),
        (["--max-upload", "-5"], "--max-upload"),
        (["--max-upload", "²"], "kbit/s"),
        (["--gossip", "3601"], "seconds"),
        (["--ladder", "24,high"], "24,48,96"),
        (["--listen", "127.0.0.1:x"], "127.0.0.1:x"),
        (["--listen", "a:b:c"], "'a:b:c' is not HOST:PORT, such as music.example.org:47474"),
        (["--announce", "nowhere:"], "'nowhere:' is not HOST:PORT"),
        (["--ladder", ""], "'' is not bitrates in kbit/s, such as 24,48,96"),
        (["--ladder", "999"], "a ladder is one to eight bitrates from 6 to 256 kbit/s"),
        (["--allow", "none.txt"], "'none.txt' is neither a file nor peer ids"),
        (["--deny", "1.2.3.4/99"], "'1.2.3.4/99' is neither a file nor peer ids, publisher:L…, networks"),
        (["--bootstrap", "x:y"], "--bootstrap is 'x:y', but must be HOST:PORT"),
        (["--mirror", " "], "nothing to search for"),
        (["none"], "none does not exist: give the folder that holds your music"),
        (["--follow-links=x"], "--follow-links"),
        (["--profile", "thrifty"], "unrecognized arguments: --profile thrifty (see lightpeer-serve --help)"),
    ],
)
def test_an_argument_that_cannot_be_is_named(
    state: Path, capsys: pytest.CaptureFixture, argv: list[str], named: str
) -> None:
    assert command.run(["music", "--state", str(state), *argv]) == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_a_cap_in_kilobits_is_one_in_bytes(state: Path) -> None:
    assert parsed("music", "--state", str(state), "--max-upload", "1000").max_upload_bytes_per_s == 125_000


@pytest.mark.parametrize(
    ("size", "in_bytes"),
    [
        ("0", 0),
        ("500", 500_000_000),
        ("500M", 500_000_000),
        ("20g", 20_000_000_000),
        ("2T", 2_000_000_000_000),
    ],
)
def test_a_size_is_in_megabytes_unless_it_says_otherwise(size: str, in_bytes: int) -> None:
    assert parsed("music", "--state", "/s", "--cache-size", size).cache_bytes == in_bytes
