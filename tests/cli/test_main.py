"""The command: exit statuses, one sentence for each error, no traceback, Ctrl-C anywhere."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from lightpeer import errors
from lightpeer.cli import commands, options
from lightpeer.cli import main as cli
from lightpeer.cli.main import run
from lightpeer.console.report import first_cause
from lightpeer.core.content.manifest import MAX_SEGMENTS
from lightpeer.core.trust.identity import format_peer_id
from lightpeer.state.files import LIBRARY_LOCK, load_or_create_identity
from lightpeer.version import VERSION

LIGHTPEER = [sys.executable, "-m", "lightpeer"]


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """Keep the person's own settings and key out of it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in [name for name in os.environ if name.startswith(("LIGHTPEER_", "XDG_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(cli.Path(cli.__file__).parents[2]))


@pytest.fixture
def failing(monkeypatch):
    """Let every networked command fail with a given error."""

    def fail_with(error):
        def raise_it(*_):
            raise error

        monkeypatch.setattr(commands, "run", raise_it)

    return fail_with


@pytest.fixture
def silent_peer():
    """A TCP address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def address(listener):
    return "{}:{}".format(*listener.getsockname())


# Start.


def test_version_answers_before_anything_is_imported():
    code = (
        f"import sys; sys.path.append({os.environ['PYTHONPATH']!r}); sys.argv = ['lightpeer', '--version']\n"
        "from lightpeer.__main__ import main\n"
        "status = main(); print(status, *sys.modules)"
    )
    # -I -S: no site-packages, whose startup files import things of their own.
    argv = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    version, rest = done.stdout.split("\n", 1)
    status, *modules = rest.split()
    assert (version, status) == (f"lightpeer {VERSION}", "0")
    assert not {"argparse", "typing", "enum", "trio", "lightpeer.cli.main", "lightpeer.errors"} & set(modules)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_a_reader_that_has_gone_is_no_error(argument, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    argv = [sys.executable, "-m", "lightpeer", argument]
    environ = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(argv, stdout=writing, stderr=subprocess.PIPE, env=environ, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_files_that_were_closed_are_opened_before_a_socket_takes_their_place():
    code = (
        "import os; os.close(0); os.close(2)\n"
        "from lightpeer.__main__ import open_standard_files\n"
        "open_standard_files(); print(os.fstat(2).st_rdev == os.stat(os.devnull).st_rdev, os.dup(2) > 2)"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "True True\n"


def test_version_beside_other_flags(capsys):
    assert run(["-q", "--version"]) == 0
    assert capsys.readouterr().out == f"lightpeer {VERSION}\n"


def test_help_lists_the_commands_and_statuses(capsys):
    assert run(["--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for word in (
        "search",
        "play",
        "fetch",
        "peers",
        "id",
        "usage",
        "doctor",
        "demo",
        "7 a cap",
        "130 interrupted",
    ):
        assert word in out


# Usage.


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["sing"], "there is no command 'sing': there are search, play, "),
        (["serch", "x"], "there is no command 'serch': did you mean search?"),
        (["search", "x" * 513], "the query is too long: give 512 characters at most, not 513"),
        (["play", "x", "--stats", "~nosuchuser/s"], "no such user"),
        (["play", "x", "--output", "wav:~nosuchuser/s"], "no such user"),
        (["id", "--state", "~nosuchuser/s"], "a user that exists"),
        (["id", "--server"], "start it once"),
        (["join", "loudp2p:x"], "'loudp2p:x' is not an invite, loudp2p:L…@HOST:PORT"),
        (["join", "--remove", "a:1"], "'a:1' was not joined"),
        (["search"], "required: QUERY"),
        (["search", " "], "nothing to search for"),
        (["search", "\udcff"], "not UTF-8"),
        (["search", "x", "--limit", "0"], "a whole number from 1 to 50, not '0'"),
        (["search", "x", "--limit", "٣"], "a whole number"),
        (["search", "x", "--bootstrap", "a:b"], "--bootstrap is 'a:b', but must be HOST:PORT"),
        (["play"], "nothing is named: give words"),
        (["play", "--pick", "x"], "--pick asks on a terminal"),
        (["play", "3"], "nothing was listed that 3 could be taken from"),
        (["play", "none.m3u8"], "cannot read the playlist none.m3u8"),
        (["play", "x", "--repeat", "--output", "wav:x"], "--repeat never ends"),
        (["search", "x", "--m3u", "--json"], "--m3u and --json"),
        (["search", "loud:zzz"], "'loud:zzz' is not a track id"),
        (["play", "loud:xyz"], "'loud:xyz' is not a track id"),
        (["play", "x", "loud:"], "is not a track id"),
        (["play", "x", "--bitrate", "fast"], "--bitrate is 'fast', but must be a whole number"),
        (["play", "x", "--transport", "tcp"], "auto, udp or grpc"),
        (["play", "x", "--volume", "99"], "from -60 to 20 (decibels)"),
        (
            ["play", "x", "--start", "nan"],
            "a number of seconds from 0 to 65536, or a time as 1:30, not 'nan'",
        ),
        (
            ["play", "x", "--start", "1e300"],
            "a number of seconds from 0 to 65536, or a time as 1:30, not '1e300'",
        ),
        (["play", "x", "--start", "-1"], "a number of seconds from 0 to 65536, or a time as 1:30, not '-1'"),
        (["play", "x", "--output", "tape"], "tape"),
        (["play", "x", "--output", "pipe", "--json"], "both need stdout"),
        (["play", "x", "--stats", "none/s.json"], "a folder that exists"),
        (["play", "x", "--stats", "/dev/null"], "an ordinary file"),
        (["play", "x", "--config", "none.toml"], "there is no configuration file"),
        (["play", "x", "--outptu", "null"], "there is no option --outptu: did you mean --output?"),
        (["search", "x", "--limt=3"], "there is no option --limt: did you mean --limit?"),
        (["play", "x", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["play", "x", "-z"], "unrecognized arguments: -z"),
        (["fetch", "loud:x", "-o", "y"], "'loud:x' is not a track id"),
        (["fetch", "x", "--name", "{song}"], "--name has no field {song}: there are {title}"),
        (["fetch", "x", "--name", "../{title}"], "is no name within a folder"),
        (["fetch", "x", "--name", "{artist"], "--name '{artist' has braces without a field"),
        (["fetch", "x", "-o", "{artist"], "names one file, and fills in nothing: give --name '{artist'"),
        (["fetch", "x", "-o", "mine.txt"], "mine.txt is there already, and is something else"),
        (["cache", "--pinned"], "--pinned says what --clear removes: give both"),
        (["fetch", "x", "--dir", "none"], "there is no folder none"),
        (["fetch", "x", "-o", "-", "--json"], "--json and -o - both need stdout"),
        (["fetch", "x", "--all", "-o", "y"], "-o names the file of one track"),
        (["favourite", "--remove", "x"], "no words"),
        (["fetch", "loud:4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi", "-o", "."], "cannot write to ."),
        (
            ["fetch", "loud:4vJ9JU1bJJE96FWSJKvHsmmFADCg4gpZQff4P3bkLKi", "-o", "/dev/null"],
            "an ordinary file",
        ),
        (["peers", "extra"], "unrecognized arguments: extra"),
    ],
)
def test_wrong_usage_is_one_sentence_and_two(argv, says, capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("a letter")
    assert run(argv) == 2
    out, err = capsys.readouterr()
    assert ('"exit_status": 2' in out) if "--json" in argv else not out
    assert err.startswith("lightpeer: ")
    assert err.count("\n") == 1
    assert says in err
    assert not list(tmp_path.rglob("key")), "refused before a key was made"


def test_options_stand_before_and_after_the_command(capsys, tmp_path):
    assert run(["--state", str(tmp_path / "s"), "--json", "id"]) == 0
    before = json.loads(capsys.readouterr().out)
    assert run(["id", "--json", "--state", str(tmp_path / "s")]) == 0
    assert json.loads(capsys.readouterr().out) == before
    assert before["event"] == "id"
    assert before["peer_id"].startswith("L")


def test_output_may_be_closed(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert run(["id"]) == 0
    assert run(["play", "x", "--output", "pipe"]) == 2
    assert capsys.readouterr().err == "lightpeer: --output pipe needs stdout, which is closed\n"


def test_what_stands_before_the_command_holds_after_it():
    arguments = cli._parse(
        ["-vv", "-q", "--json", "--config", "c", "--bootstrap", "a", "search", "x", "--bootstrap", "b"]
    )
    assert (arguments.verbose, arguments.quiet, arguments.json) == (2, True, True)
    assert arguments.config == "c"
    assert arguments.bootstrap == ["a", "b"]


def test_what_is_not_given_is_off():
    arguments = cli._parse(["id"])
    assert (arguments.verbose, arguments.quiet, arguments.json) == (0, False, False)
    assert arguments.config is None
    assert "bootstrap" not in arguments


def test_without_a_command_there_is_help(capsys):
    assert run([]) == 0
    assert "play the best hit of a query" in capsys.readouterr().out


def test_the_id_of_a_server_with_a_state_of_its_own_is_told(capsys, tmp_path):
    own_id = format_peer_id(load_or_create_identity(tmp_path).peer_id)
    assert run(["--state", str(tmp_path), "id", "--server"]) == 2, "it is a player's"
    assert f"lightpeer-serve has made no key in {tmp_path} yet" in capsys.readouterr().err
    (tmp_path / LIBRARY_LOCK).touch()
    for command in (["id", "--server"], ["id"]):
        assert run(["--state", str(tmp_path), *command, "--json"]) == 0
        out, err = capsys.readouterr()
        assert (json.loads(out), err) == ({"event": "id", "peer_id": own_id, "role": "server"}, "")


def test_the_ids_of_the_player_and_the_server_are_told_apart(capsys, tmp_path):
    served = load_or_create_identity(tmp_path / "serve").peer_id
    assert run(["--state", str(tmp_path), "id"]) == 0
    own, note = capsys.readouterr()
    assert "lightpeer-serve here has another" in note
    assert run(["--state", str(tmp_path), "id", "--server"]) == 0
    assert capsys.readouterr() == (f"{format_peer_id(served)}\n", "")
    assert own.strip() != format_peer_id(served)


def test_id_for_people(capsys):
    assert run(["id"]) == 0
    assert run(["id"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


def test_a_corrupt_key_is_kept_and_told(capsys, tmp_path):
    (tmp_path / "key").write_text("junk")
    assert run(["id", "--state", str(tmp_path)]) == 1
    assert f"mv {tmp_path}/key {tmp_path}/key.corrupt" in capsys.readouterr().err
    assert (tmp_path / "key").read_text() == "junk"


def test_a_state_directory_that_cannot_be(capsys, tmp_path):
    (tmp_path / "file").touch()
    assert run(["id", "--state", str(tmp_path / "file/state")]) == 1
    assert str(tmp_path / "file/state") in capsys.readouterr().err


# Failure.


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.LightpeerError("a"), 1),
        (errors.StateError("p", "a"), 1),
        (errors.CapReachedError("a"), 7),
        (errors.ConfigError("a"), 2),
        (errors.NoPeerError("a"), 3),
        (errors.NothingFoundError("a"), 4),
        (errors.StreamFailedError("a"), 5),
        (errors.VerificationError("a"), 5),
        (errors.AudioError("a"), 6),
        (errors.MissingLibraryError("opus", "a"), 6),
    ],
)
def test_each_error_has_its_status(failing, capsys, error, status):
    failing(BaseExceptionGroup("outer", [ExceptionGroup("inner", [OSError("no"), error])]))
    assert run(["peers"]) == status
    assert capsys.readouterr() == ("", "lightpeer: a\n")
    assert run(["peers", "--json"]) == status
    assert json.loads(capsys.readouterr().out) == {"event": "error", "message": "a", "exit_status": status}


def test_what_was_not_foreseen_is_one_sentence_too(failing, capsys):
    failing(ValueError("bad\x1b thing"))
    assert run(["peers"]) == 1
    err = capsys.readouterr().err
    assert err == "lightpeer: internal error (ValueError: bad  thing); run again with -vv for the traceback\n"
    assert run(["peers", "-vv"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_the_first_cause():
    interrupt, ours, other = KeyboardInterrupt(), errors.NoPeerError("a"), OSError()
    assert first_cause(BaseExceptionGroup("", [other, ours, interrupt])) is interrupt
    assert first_cause(ExceptionGroup("", [other, ExceptionGroup("", [ours])])) is ours
    assert first_cause(ExceptionGroup("", [other])) is other
    assert first_cause(other) is other


def test_nobody_known(capsys):
    assert run(["search", "x"]) == 3
    assert "--bootstrap HOST:PORT" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["search", "x"], ["play", "x", "--output", "null"], ["peers"]])
def test_nobody_there(capsys, silent_peer, command):
    unused = address(silent_peer)
    silent_peer.close()
    assert run([*command, "--bootstrap", unused, "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["exit_status"] == 3
    assert "Traceback" not in err


# Ends.


def test_a_reader_who_has_gone_is_no_error(tmp_path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*LIGHTPEER, "id"], stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", [["search", "x"], ["play", "x", "--output", "null"]])
def test_a_signal_while_waiting_for_a_peer(silent_peer, command, number, status):
    argv = [*LIGHTPEER, *command, "--bootstrap", address(silent_peer)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        connection, _ = silent_peer.accept()
        connection.recv(1)  # it is past its start
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        connection.close()
    assert (process.returncode, out, err) == (status, "" if command[0] == "search" else out, "")


def test_ctrl_c_during_imports():
    code = (
        "import os, signal\n"
        "from lightpeer.cli import main as cli\n"
        "cli._dispatch = lambda *_: os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.run(['id'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_ctrl_c_before_that(monkeypatch):
    import lightpeer.__main__ as start

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", interrupted)
    monkeypatch.setattr(sys, "argv", ["lightpeer", "id"])
    assert start.main() == 130


def test_interrupts_are_as_before_afterwards():
    run(["id"])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_track_may_be_begun_anywhere_in_the_longest_there_is():
    assert options.MAX_TRACK_S == MAX_SEGMENTS
