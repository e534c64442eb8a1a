"""Real processes on loopback: how these tests start, watch and end them.

`run` is a command from start to end, `Server` one that serves meanwhile, `OnTerminal` one
that has a terminal of its own. Whatever they say, a traceback on the way fails the
test. Waiting is for a line, a connection or an end, never for time to pass.
"""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple, Self, TypeVar

import lightpeer

T = TypeVar("T")

ROOT = Path(lightpeer.__file__).parents[1]
LIMIT_S = 30.0  # for anything here, on the slowest machine
CLIENT = "import sys; from lightpeer.__main__ import main; sys.exit(main())"
SERVER = "from lightpeer.serve.__main__ import main; main()"


def environment(home: Path, **more: str) -> dict[str, str]:
    """The test's own, less what the person who runs it has set up for lightpeer."""
    ours = ("LIGHTPEER_", "XDG_", "PREFIX", "TERM", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    chosen = {"HOME": str(home), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}
    return kept | chosen | {"LIGHTPEER_LAN": "no"} | more  # a server next door is no part of a test


def clean(text: str) -> str:
    """The text, which must be fit for a person."""
    assert "Traceback" not in text, text
    assert "internal error" not in text, text
    assert "Exception ignored" not in text, text
    return text


class Result(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    out: bytes
    err: str

    @property
    def events(self) -> list[dict]:
        """All of stdout, which must be JSON lines that each name an event."""
        events = [json.loads(line) for line in self.out.splitlines()]
        assert all(isinstance(event.pop("event"), str) for event in map(dict, events))
        return events

    def event(self, kind: str) -> dict:
        """The one event of a kind."""
        (found,) = (event for event in self.events if event["event"] == kind)
        return found

    @property
    def sentence(self) -> str:
        """The only line on stderr, without the program's name."""
        (line,) = self.err.splitlines()
        program, _, sentence = line.partition(": ")
        assert program in {"lightpeer", "lightpeer-serve"}
        return sentence


def run(
    *arguments: object, cwd: Path, code: str = CLIENT, before: str = "", stdout: IO | None = None, **env: str
) -> Result:
    """Run a command to its end, after some Python code that breaks its world."""
    process = subprocess.run(
        [sys.executable, "-c", f"{before}\n{code}", *map(str, arguments)],
        cwd=cwd,
        env=environment(cwd, **env),
        stdin=subprocess.DEVNULL,
        stdout=stdout or subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=LIMIT_S,
        check=False,
    )
    return Result(process.returncode, process.stdout or b"", clean(process.stderr.decode()))


def together(*runs: Callable[[], T]) -> list[T]:
    """Run or start commands side by side, as many at a time as the smallest machine has cores."""
    with ThreadPoolExecutor(2) as pool:
        return [future.result() for future in [pool.submit(run) for run in runs]]


class Process:
    """A command that runs beside the test; its stderr is read at the end. As a context it is killed then."""

    def __init__(
        self, *arguments: object, cwd: Path, code: str = CLIENT, before: str = "", **env: str
    ) -> None:
        cwd.mkdir(parents=True, exist_ok=True)
        self.passed: list[dict] = []
        self._errors = cwd / f"stderr-{time.monotonic_ns()}"
        with self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", f"{before}\n{code}", *map(str, arguments)],
                cwd=cwd,
                env=environment(cwd, **env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        clean(self.err)

    @property
    def err(self) -> str:
        """What it has said on stderr so far."""
        return clean(self._errors.read_text())

    def line(self) -> bytes:
        """Wait for the next line on stdout."""
        line = b""
        while not line.endswith(b"\n"):
            _wait_readable(self.process.stdout, f"a line; it said {line!r}, {self.err!r}")
            byte = self.process.stdout.read(1)
            assert byte, f"it ended without a line: {line!r}, {self.err!r}"
            line += byte
        return line

    def event(self, kind: str) -> dict:
        """Wait for an event of a kind; others are kept in `passed`."""
        while (event := json.loads(self.line()))["event"] != kind:
            self.passed.append(event)
        return event

    def end(self, number: int | None = None) -> Result:
        """Send a signal, if any, and wait for the end; stdout is what `line` has not read."""
        if number is not None:
            self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=LIMIT_S)
        return Result(self.process.returncode, out, self.err)


class Server(Process):
    """A serving peer for a music folder; ready once it is made. With code of its own it may import still."""

    def __init__(
        self,
        folder: Path,
        music: Path,
        *,
        bootstrap: Sequence[Server] = (),
        ladder: str = "24,48",
        more: Sequence[str] = (),
        code: str = SERVER,
        before: str = "",
    ) -> None:
        self.state = folder / "state"
        options = [item for peer in bootstrap for item in ("--bootstrap", peer.rpc)]
        options += ["--listen", "127.0.0.1:0", "--ladder", ladder, "--state", str(self.state), "--json"]
        options += more
        super().__init__(music, *options, cwd=folder, code=code, before=before)
        try:
            listening = self.event("listening")
            if code == SERVER and not before:
                self.tracks = self.event("imported")["tracks"]
        except BaseException:
            self.__exit__()
            raise
        self.rpc: str = listening["rpc"]
        self.peer_id: str = listening["peer_id"]

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens for RPC."""
        host, _, port = self.rpc.rpartition(":")
        return host, int(port)


class OnTerminal:
    """A command on a terminal of its own, as a shell would start it; Ctrl-C is a key there."""

    # The leader of a session gets the first terminal that it opens as the one that controls it.
    _TAKE = "import os; os.close(os.open(os.ttyname(0), os.O_RDWR))"

    def __init__(
        self, *arguments: object, cwd: Path, code: str = CLIENT, columns: int = 80, **env: str
    ) -> None:
        self._master, self._slave = pty.openpty()
        termios.tcsetwinsize(self._slave, (24, columns))
        self._before = termios.tcgetattr(self._slave)
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"{self._TAKE}\n{code}", *map(str, arguments)],
            cwd=cwd,
            env=environment(cwd, **({"TERM": "xterm"} | env)),
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._slave)

    def wait_for(self, text: str) -> None:
        """Wait until the terminal has shown a text since the last key."""
        while text not in self.shown:
            _wait_readable(self._master, f"{text!r} after {self.shown!r}")
            self._read()

    def press(self, keys: str) -> None:
        """Type."""
        self.shown = ""
        os.write(self._master, keys.encode())

    def wait_until_stopped(self) -> None:
        """Wait until Ctrl-Z has stopped it."""
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)

    @property
    def is_restored(self) -> bool:
        """Whether the terminal's modes are what they were before."""
        return termios.tcgetattr(self._slave) == self._before

    def end(self) -> int:
        """Wait for the end, and return the exit status."""
        status = self.process.wait(timeout=LIMIT_S)
        while select.select([self._master], [], [], 0)[0]:
            self._read()
        clean(self.shown)
        return status

    def _read(self) -> None:
        self.shown += os.read(self._master, 65536).decode(errors="replace")


class SilentPeer:
    """A port that takes connections and never says a word."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(LIMIT_S)
        self.rpc = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._connections: list[socket.socket] = []
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._connections):
            sock.close()

    def wait_for_client(self) -> None:
        """Wait until somebody has connected and begun to speak."""
        spoken = b""
        while not spoken:  # as long as they hang up at once
            connection, _ = self._listener.accept()
            self._connections.append(connection)
            connection.settimeout(LIMIT_S)
            spoken = connection.recv(1)


def interrupted_before(module: str) -> str:
    """Code after which Ctrl-C comes as a module is about to be imported."""
    return f"""
import os, signal, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
"""


def without_library(name: str) -> str:
    """Code after which a shared library cannot be found, wherever it is looked for."""
    return f"""
import ctypes
class CDLL(ctypes.CDLL):
    def __init__(self, name, *args, **kwargs):
        if "lib{name}." in str(name):
            raise OSError(name)
        super().__init__(name, *args, **kwargs)
ctypes.CDLL = CDLL
"""


def without_package(name: str) -> str:
    """Code after which a Python package is as if it were not installed."""
    return f"import sys; sys.modules[{name!r}] = None"


def _wait_readable(file: object, what: str) -> None:
    assert select.select([file], [], [], LIMIT_S)[0], f"waited in vain for {what}"
