"""The two commands that the README begins with, among stand-ins for all that they call."""

from __future__ import annotations

import os
import pty
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import lightpeer

ROOT = Path(lightpeer.__file__).parents[1]
SCRIPTS = ("install", "demo", "test")
REAL = ("sh", "dirname", "cat", "cksum", "grep", "tail", "mkdir", "env", "cp", "touch")
LIBRARIES = ("libogg.so.0", "libopus.so.0", "libopusfile.so.0", "libopusenc.so.0", "libebur128.so.1")
BASE = ["python3-venv", "libogg0", "libopus0", "libopusfile0", "libopusenc0", "libebur128-1", "libportaudio2"]
PIP = "python -m pip install -q --retries 2 -e"

# Each notes how it was called in $WORLD/calls; files in $WORLD say what there is.
STAND_INS = {
    "dpkg-query": 'grep -qx "$4" "$WORLD/installed" && printf installed',
    "apt-get": """
        echo "apt-get $*" >>"$WORLD/calls"
        [ ! -e "$WORLD/offline" ] || { echo "E: Unable to fetch some archives" >&2; exit 100; }
        for word; do echo "$word" >>"$WORLD/installed"; done""",
    "pkg": 'echo "pkg $*" >>"$WORLD/calls"',
    "sudo": """
        [ "$1" != -n ] || { [ -e "$WORLD/sudo" ]; exit; }
        [ -e "$WORLD/sudo" ] || [ -e "$WORLD/password" ] || exit 1
        "$@" """,
    "id": 'cat "$WORLD/uid"',
    "python3": """
        case "$*" in
          -V) echo Python 3.12.1 ;;
          "-m venv .venv") mkdir -p .venv/bin && cp "$BIN/python" "$BIN/lightpeer" .venv/bin ;;
          *version_info*) [ ! -e "$WORLD/old" ] ;;
          *CDLL*) grep -qx "$3" "$WORLD/libraries" ;;
          *"import ensurepip"*) [ ! -e "$WORLD/no-venv" ] ;;
        esac""",
    "python": """
        echo "python $*" >>"$WORLD/calls"
        case "$*" in *pytest*) exit ;; esac
        [ ! -e "$WORLD/offline" ] || { echo "ERROR: No matching distribution" >&2; exit 1; }""",
    "lightpeer": 'echo "lightpeer $*"; exit 6',
}


class World:
    """A fresh machine: Debian, root, a network, and a checkout."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self._bin, self._folder = folder / "bin", folder / "world"
        for made in (self.checkout / ".ci", self._bin, self._folder):
            made.mkdir(parents=True)
        for name in SCRIPTS:
            shutil.copy(ROOT / ".ci" / name, self.checkout / ".ci")
        (self.checkout / "pyproject.toml").write_text("[project]\n")
        for name in REAL:
            (self._bin / name).symlink_to(shutil.which(name))
        for name, code in STAND_INS.items():
            (self._bin / name).write_text(f"#!/bin/sh\n{code}\n")
            (self._bin / name).chmod(0o755)
        self.has(uid="0", installed="", calls="", libraries="")

    def has(self, **files: str) -> None:
        """Put something into this world."""
        for name, text in files.items():
            (self._folder / name.replace("_", "-")).write_text(text)

    def lacks(self, *programs: str) -> None:
        """Take programs away."""
        for name in programs:
            (self._bin / name).unlink()

    def run(
        self, script: str = "demo", *arguments: str, stdin: int = subprocess.DEVNULL, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script, as `sh .ci/SCRIPT` in the checkout."""
        places = {"PATH": str(self._bin), "BIN": str(self._bin), "WORLD": str(self._folder)}
        return subprocess.run(
            ["sh", f".ci/{script}", *arguments],
            cwd=self.checkout,
            env=places | env,
            stdin=stdin,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What was called since the last time."""
        noted = (self._folder / "calls").read_text().splitlines()
        self.has(calls="")
        return noted


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def as_user(world: World) -> None:
    world.has(uid="1000")


def test_a_fresh_machine_gets_what_is_missing_and_is_told_first(world):
    world.has(installed="libogg0\nlibopus0\n")
    done = world.run("demo", "--json")
    assert (done.stdout, done.returncode) == ("lightpeer demo --json\n", 6), "as the demo ends"
    assert done.stderr == (
        "Installing by apt-get: python3-venv libopusfile0 libopusenc0 libebur128-1 libportaudio2\n"
        "Installing by pip in .venv: lightpeer from here, and what pyproject.toml names for the demo\n"
    )
    update, install, pip = world.calls()
    assert update == "apt-get -qq -o DPkg::Lock::Timeout=120 update"
    assert install.startswith("apt-get install -y ")
    assert install.endswith(" python3-venv libopusfile0 libopusenc0 libebur128-1 libportaudio2")
    assert pip == f"{PIP} .[serve]"


@pytest.mark.parametrize("script", ["demo", "test"])
def test_the_second_time_nothing_is_installed_nor_said(world, script):
    world.run(script)
    world.calls()
    again = world.run(script, "-x")
    assert again.stderr == ""
    assert world.calls() == (["python -m pytest -n 2 --dist loadfile -x"] if script == "test" else [])


def test_the_tests_need_more_and_the_demo_then_nothing(world):
    world.run("demo")
    world.calls()
    tested = world.run("test", "tests/core")
    assert "by apt-get: libvorbisfile3 flac libsecp256k1-dev libspeexdsp1\n" in tested.stderr
    assert world.calls()[2:] == [f"{PIP} .[test]", "python -m pytest -n 2 --dist loadfile tests/core"]
    (world.checkout / ".venv" / "installed-demo").unlink()
    assert (world.run("demo").stderr, world.calls()) == ("", [])


def test_other_dependencies_or_another_place_are_installed_anew(world):
    world.run()
    world.calls()
    (world.checkout / "pyproject.toml").write_text("[project]\ndependencies = []\n")
    world.run()
    assert world.calls() == [f"{PIP} .[serve]"]
    world.checkout = world.checkout.rename(world.checkout.with_name("moved"))
    world.run()
    assert world.calls() == [f"{PIP} .[serve]"]


def test_a_user_with_sudo_becomes_root_for_the_packages_alone(world):
    as_user(world)
    world.has(sudo="")
    assert world.run().returncode == 6
    assert len(world.calls()) == 3


@pytest.fixture
def terminal() -> Iterator[int]:
    """A terminal, at which nobody types."""
    ends = pty.openpty()
    yield ends[1]
    for end in ends:
        os.close(end)


def test_sudo_asks_at_a_terminal_alone_and_it_is_said_what_for(world, terminal):
    as_user(world)
    world.has(installed="\n".join(BASE[:-1]), no_venv="")
    said = "To install libportaudio2, sudo wants your password:\n"
    refused = world.run(stdin=terminal)
    assert refused.stderr.startswith(f"{said}Installing by pip")
    assert world.calls() == [f"{PIP} .[serve]"], "what is missing is not needed"
    world.has(password="")
    assert "password" not in world.run().stderr
    assert world.run(stdin=terminal).stderr == f"{said}Installing by apt-get: libportaudio2\n"
    assert world.calls()[1].endswith(" libportaudio2")


def test_without_sudo_no_password_is_asked_for(world, terminal):
    as_user(world)
    world.lacks("sudo")
    assert world.run(stdin=terminal).stderr.startswith("These packages are missing")


@pytest.mark.parametrize("lacking", [["sudo"], ["apt-get"], []])
def test_who_cannot_install_is_told_what_and_goes_on_where_it_is_there(world, lacking):
    as_user(world)
    world.lacks(*lacking)
    world.has(libraries="\n".join(LIBRARIES[1:]))
    stopped = world.run()
    told = "These packages are missing, and have to be installed by hand: libogg0\n"
    assert (stopped.stderr, stopped.returncode, stopped.stdout) == (told, 1, "")
    assert world.calls() == []
    world.has(libraries="\n".join(LIBRARIES))
    assert world.run().returncode == 6
    assert world.calls() == [f"{PIP} .[serve]"]


def test_so_is_who_lacks_what_the_tests_need_or_a_venv(world):
    as_user(world)
    world.has(no_venv="")
    stopped = world.run("test")
    missing = [*BASE[:6], "libvorbisfile3", "flac", "libsecp256k1-dev"]  # the rest is for sound devices
    assert stopped.stderr.rpartition(": ")[2].split() == missing
    world.has(
        libraries="\n".join([*LIBRARIES, "libvorbisfile.so.3", "libsecp256k1.so"]),
        installed="flac\npython3-venv",
    )
    world.run("test")
    assert world.calls()[0] == f"{PIP} .[test]"


def test_without_a_network_one_sentence_says_so(world):
    world.has(offline="")
    stopped = world.run()
    assert stopped.returncode == 1
    reason, by_hand = stopped.stderr.splitlines()[1:]
    assert reason == "It failed: E: Unable to fetch some archives (all that was said is in build/install.txt)"
    assert by_hand.endswith(": " + " ".join(BASE[1:6]))
    world.has(installed="\n".join(BASE))
    stopped = world.run()
    assert stopped.returncode == 1
    assert stopped.stderr.splitlines()[1] == (
        "It failed: ERROR: No matching distribution (all that was said is in build/install.txt). "
        "Is there a network, and room on the disk?"
    )
    world._folder.joinpath("offline").unlink()
    assert world.run().returncode == 6, "no stamp was left"


def test_a_python_that_is_too_old_is_named(world):
    world.has(old="")
    stopped = world.run()
    assert stopped.returncode == 1
    assert stopped.stderr.endswith(
        "Python 3.11 or later has to be installed; python3 here is: Python 3.12.1\n"
    )


def test_termux_has_its_own_packages_and_no_tests(world):
    as_user(world)
    termux = {"PREFIX": "/data/data/com.termux/files/usr"}
    assert world.run(**termux).returncode == 6
    packages = "python libogg libopus opusfile libopusenc portaudio libsecp256k1 libebur128 pulseaudio"
    assert world.calls() == [f"pkg install -y {packages}", f"{PIP} .[serve]"]
    assert world.run("test", **termux).stderr.startswith("The tests run on Debian")
    assert world.calls() == []


def test_what_is_to_be_installed_for_must_be_named(world):
    assert (world.run("install").returncode, world.run("install", "all").returncode) == (2, 2)


def test_who_only_uses_it_is_told_of_the_same_packages():
    readme, install = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "install").read_text()
    lists = dict(
        re.findall(
            r"^(?:sudo (apt-get) install --no-install-recommends|pkg install)( .*)$", readme, re.MULTILINE
        )
    )
    assert lists["apt-get"].split() == ["pipx", *BASE[1:]]
    assert f"packages='{lists[''].strip()}'" in install
    assert f"packages='{' '.join(BASE)}'" in install


def test_the_readme_begins_with_these_commands_and_the_check_runs_them():
    readme = (ROOT / "README.md").read_text()
    pastes = re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert [line.split("#")[0].strip() for line in pastes[0].splitlines()] == ["sh .ci/demo", "sh .ci/test"]
    run = (ROOT / ".ci" / "run").read_text()
    assert "$(paste demo)" in run
    assert "$(paste test)" in run
    assert all((ROOT / ".ci" / name).stat().st_mode & stat.S_IXUSR for name in SCRIPTS)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
