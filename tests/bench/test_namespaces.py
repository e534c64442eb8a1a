"""The link in earnest, where this machine allows it; its precision is the self-test's matter."""

import csv
import json
import os
import signal
import subprocess
import sys

import pytest

from bench.lab.link import Direction, Link, constant
from bench.lab.namespaces import CLIENT, SERVERS, Lab, LabError, down, state_file

NAME = f"lab{os.getpid()}"
SEND = "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x' * 72, ('{}', 9))"

CALL_NEIGHBOURS = f"""
import socket
with socket.socket(type=socket.SOCK_DGRAM) as one:
    one.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("{SERVERS[0]}"))
    one.sendto(b"x", ("224.0.0.251", 5353))
"""


def link():
    way = Direction(constant(10_000), delay_s=0.001)
    return Link(down=way, up=way)


@pytest.fixture
def lab(tmp_path):
    try:
        with Lab(link(), name=NAME, report=tmp_path / "report", log=tmp_path / "log") as made:
            yield made
    except (LabError, FileNotFoundError, PermissionError) as error:
        pytest.skip(f"no lab on this machine: {error}")


def send(lab, side, address):
    subprocess.run(lab.command([sys.executable, "-c", SEND.format(address)], side=side), check=True)


def namespaces():
    done = subprocess.run(["ip", "netns"], check=True, capture_output=True, text=True)
    return [line.split()[0] for line in done.stdout.splitlines()]


def test_what_looks_for_neighbours_is_not_carried_and_starts_no_clock(lab, tmp_path):
    subprocess.run(lab.command([sys.executable, "-c", CALL_NEIGHBOURS], side="server"), check=True)
    send(lab, "client", SERVERS[0])
    assert lab.says.readline() == b"first\n"
    lab.down()
    report = json.loads((tmp_path / "report").read_text())
    with (tmp_path / "log").open() as file:
        first = min(csv.DictReader(file), key=lambda row: float(row["came_s"]))
    assert (first["way"], first["bytes"]) == ("up", "100")
    assert report["down"]["packets"]["passed"] <= 1  # nobody listens there


def test_packets_go_both_ways_and_are_counted(lab, tmp_path):
    send(lab, "client", SERVERS[1])
    assert lab.says.readline() == b"first\n"
    send(lab, "server", CLIENT)
    lab.down()
    report = json.loads((tmp_path / "report").read_text())
    # The kernel may answer with ICMP that nobody listens, so there are one or two each way.
    assert report["up"]["packets"]["passed"] >= 1
    assert report["down"]["packets"]["passed"] >= 1
    with (tmp_path / "log").open() as file:
        sizes = {row["way"]: int(row["bytes"]) for row in reversed(list(csv.DictReader(file)))}
    assert sizes["up"] == 100
    assert not [name for name in namespaces() if name.startswith(NAME)]
    assert not state_file(NAME).exists()


def test_what_a_crash_left_is_cleaned_up(lab):
    pid = int(state_file(NAME).read_text())
    os.kill(pid, signal.SIGKILL)
    lab.up()
    send(lab, "client", SERVERS[0])
    assert lab.says.readline() == b"first\n"


def test_a_process_that_is_no_emulator_is_let_alone(lab):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        emulator = int(state_file(NAME).read_text())
        state_file(NAME).write_text(str(other.pid))
        down(NAME)
        assert other.poll() is None
        os.kill(emulator, signal.SIGTERM)
    finally:
        other.kill()
        other.wait()
