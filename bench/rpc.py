"""gRPC: lightpeer's two halves beside grpcio, grpclib and purerpc, over loopback, in one run.

    python -m bench.rpc [--runs 5] [--calls 2000] [--purerpc-python PYTHON]

Each implementation talks to itself: a server process and a fresh client process,
turn by turn; every figure is the median of the runs. CPU is the kernel's count for each
process over the calls alone. Messages are plain bytes, so that no protobuf runtime is
measured. purerpc pins an h2 of its own: give the Python of an environment where it
is installed. What is not installed is left out of the table, and said so.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from socket import SHUT_WR, create_connection, create_server, socket
from types import SimpleNamespace

HOST = "127.0.0.1"
UNARY = "/bench.Echo/Unary"
STREAM = "/bench.Echo/Stream"
HOLD = "/bench.Echo/Hold"  # one message, and then nothing until the client ends the call
REQUEST = bytes(200)
CHUNK = bytes(16 * 1024)
CHUNKS = 1024  # 16 MiB
STREAMS = 4  # of them one after another, since CPU time is counted in hundredths of a second
AT_ONCE = 1000  # streaming calls on one connection
STARTS = 15  # of each fresh process that makes one call
ONE_CALL = {
    "lightpeer": f"""
import sys, trio
from lightpeer.net.network import SystemNetwork
from lightpeer.rpc.channel import open_channel
async def main():
    async with open_channel(SystemNetwork(), "{HOST}", int(sys.argv[1])) as channel:
        await channel.unary_unary("{UNARY}")(bytes(200))
trio.run(main)
""",
    "grpcio": f"""
import sys, asyncio, grpc
async def main():
    async with grpc.aio.insecure_channel("{HOST}:" + sys.argv[1]) as channel:
        await channel.unary_unary("{UNARY}")(bytes(200))
asyncio.run(main())
""",
    "import trio alone": "import trio",
}
IMPLEMENTATIONS = ("lightpeer", "grpcio", "grpclib", "purerpc")


class Raw:
    """Bytes that pass for a message class, for the libraries that want one."""

    DESCRIPTOR = SimpleNamespace(full_name="bench.Raw")

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        return self.data

    def ParseFromString(self, data: bytes) -> None:  # noqa: N802 - protobuf's name
        self.data = data

    @classmethod
    def FromString(cls, data: bytes) -> Raw:  # noqa: N802 - protobuf's name
        return cls(data)


def free_port() -> int:
    """Return a port for those that cannot tell which one they were given."""
    with create_server((HOST, 0)) as listener:
        return listener.getsockname()[1]


# Servers: each prints its port and serves until it is killed.


def serve_lightpeer() -> None:
    import trio

    from lightpeer.core.rpc.limits import Limits
    from lightpeer.net.network import listener_address
    from lightpeer.net.system import SystemNetwork
    from lightpeer.rpc.server import RpcServer, ServerBounds, unary_stream, unary_unary

    async def unary(request: bytes, _context: object) -> bytes:
        return request

    async def stream(_request: bytes, context) -> None:
        for _ in range(CHUNKS):
            await context.write(CHUNK)

    async def hold(request: bytes, context) -> None:
        await context.write(request)
        await trio.sleep_forever()

    async def main() -> None:
        listener = await SystemNetwork().listen_tcp(HOST, 0)
        print(listener_address(listener)[1], flush=True)
        handlers = {UNARY: unary_unary(unary), STREAM: unary_stream(stream), HOLD: unary_stream(hold)}
        limits = Limits(concurrent_calls=AT_ONCE)  # ten times what a peer may, so that it holds more too
        bounds = ServerBounds(held_bytes_per_connection=math.inf)
        await RpcServer(handlers, limits=limits, bounds=bounds).serve([listener])

    trio.run(main)


def serve_grpcio() -> None:
    import asyncio

    import grpc

    async def unary(request: bytes, _context: object) -> bytes:
        return request

    async def stream(_request: bytes, _context: object) -> AsyncIterator[bytes]:
        for _ in range(CHUNKS):
            yield CHUNK

    async def main() -> None:
        server = grpc.aio.server()
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Stream": grpc.unary_stream_rpc_method_handler(stream),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Echo", handlers),))
        print(server.add_insecure_port(f"{HOST}:0"), flush=True)
        await server.start()
        await server.wait_for_termination()

    asyncio.run(main())


def serve_grpclib() -> None:
    import asyncio

    from grpclib.const import Cardinality, Handler
    from grpclib.server import Server

    async def unary(stream) -> None:
        await stream.send_message(await stream.recv_message())

    async def chunks(stream) -> None:
        await stream.recv_message()
        for _ in range(CHUNKS):
            await stream.send_message(Raw(CHUNK))

    class Echo:
        def __mapping__(self) -> dict[str, Handler]:
            return {
                UNARY: Handler(unary, Cardinality.UNARY_UNARY, Raw, Raw),
                STREAM: Handler(chunks, Cardinality.UNARY_STREAM, Raw, Raw),
            }

    async def main() -> None:
        server, port = Server([Echo()]), free_port()
        await server.start(HOST, port)  # asyncio sets TCP_NODELAY only on sockets that it made
        print(port, flush=True)
        await server.wait_closed()

    asyncio.run(main())


def serve_purerpc() -> None:
    from purerpc import Server, Service
    from purerpc.rpc import Cardinality, RPCSignature

    async def unary(request: Raw) -> Raw:
        return request

    async def chunks(_request: Raw) -> AsyncIterator[Raw]:
        for _ in range(CHUNKS):
            yield Raw(CHUNK)

    port = free_port()
    service = Service("bench.Echo")
    service.add_method("Unary", unary, RPCSignature(Cardinality.UNARY_UNARY, Raw, Raw))
    service.add_method("Stream", chunks, RPCSignature(Cardinality.UNARY_STREAM, Raw, Raw))
    server = Server(port)
    server.add_service(service)
    print(port, flush=True)
    server.serve(backend="trio")


# Clients: each makes `calls` unary calls, or reads one stream, and reports what that took.


class Meter:
    """Wall and CPU time of this process, from one moment to another."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu_s()

    def read(self) -> dict[str, float]:
        return {"wall_s": time.perf_counter() - self._wall, "cpu_s": _cpu_s() - self._cpu}


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def call_lightpeer(port: int, calls: int) -> dict[str, float]:
    import trio

    from lightpeer.net.system import SystemNetwork
    from lightpeer.rpc.channel import open_channel

    async def main() -> dict[str, float]:
        async with open_channel(SystemNetwork(), HOST, port) as channel:
            unary = channel.unary_unary(UNARY)
            await unary(REQUEST)
            meter = Meter()
            for _ in range(calls):
                await unary(REQUEST)
            for _ in range(0 if calls else STREAMS):
                async for _ in channel.unary_stream(STREAM)(REQUEST):
                    pass
            return meter.read()

    return trio.run(main)


def hold_lightpeer(port: int, server_pid: int) -> list[tuple[int, float, float]]:
    """Open many streaming calls and end them; return (calls, client's MB, server's MB) of each step."""
    import gc

    import trio

    from lightpeer.core.rpc.limits import Limits
    from lightpeer.net.system import SystemNetwork
    from lightpeer.rpc.channel import open_channel

    steps, limits = [], Limits(concurrent_calls=AT_ONCE)

    def note(calls: int) -> None:
        gc.collect()
        steps.append((calls, resident_mb(os.getpid()), resident_mb(server_pid)))

    async def main() -> None:
        async with open_channel(SystemNetwork(), HOST, port, limits=limits) as channel:
            unary, hold = channel.unary_unary(UNARY), channel.unary_stream(HOLD)
            await unary(REQUEST)
            note(0)
            for marks in (range(250, AT_ONCE + 1, 250), (AT_ONCE,)):  # the second time shows what is left
                held = []
                while len(held) < AT_ONCE:
                    held.append(hold(REQUEST))
                    await held[-1].read()
                    if len(held) in marks:
                        note(len(held))
                while held:
                    held.pop().cancel()
                    await unary(REQUEST)  # a thousand resets at once would be an attack
                note(0)

    trio.run(main)
    return steps


def call_grpcio(port: int, calls: int) -> dict[str, float]:
    import asyncio

    import grpc

    async def main() -> dict[str, float]:
        async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
            unary = channel.unary_unary(UNARY)
            await unary(REQUEST)
            meter = Meter()
            for _ in range(calls):
                await unary(REQUEST)
            for _ in range(0 if calls else STREAMS):
                async for _ in channel.unary_stream(STREAM)(REQUEST):
                    pass
            return meter.read()

    return asyncio.run(main())


def call_grpclib(port: int, calls: int) -> dict[str, float]:
    import asyncio

    from grpclib.client import Channel, UnaryStreamMethod, UnaryUnaryMethod

    async def main() -> dict[str, float]:
        async with Channel(HOST, port) as channel:
            unary = UnaryUnaryMethod(channel, UNARY, Raw, Raw)
            await unary(Raw(REQUEST))
            meter = Meter()
            for _ in range(calls):
                await unary(Raw(REQUEST))
            for _ in range(0 if calls else STREAMS):
                async with UnaryStreamMethod(channel, STREAM, Raw, Raw).open() as stream:
                    await stream.send_message(Raw(REQUEST), end=True)
                    async for _ in stream:
                        pass
            return meter.read()

    return asyncio.run(main())


def call_purerpc(port: int, calls: int) -> dict[str, float]:
    import purerpc
    from purerpc.client import Client
    from purerpc.rpc import Cardinality, RPCSignature

    async def main() -> dict[str, float]:
        async with purerpc.insecure_channel(HOST, port) as channel:
            client = Client("bench.Echo", channel)
            unary = client.get_method_stub("Unary", RPCSignature(Cardinality.UNARY_UNARY, Raw, Raw))
            await unary(Raw(REQUEST))
            meter = Meter()
            for _ in range(calls):
                await unary(Raw(REQUEST))
            for _ in range(0 if calls else STREAMS):
                stub = client.get_method_stub("Stream", RPCSignature(Cardinality.UNARY_STREAM, Raw, Raw))
                async for _ in stub(Raw(REQUEST)):
                    pass
            return meter.read()

    return purerpc.run(main, backend="trio")


# The parent.


class Server:
    """A server process."""

    def __init__(self, python: str, name: str) -> None:
        command = [python, str(Path(__file__).resolve()), "--serve", name]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment())
        assert self._process.stdout is not None
        self.pid = self._process.pid
        self.port = int(self._process.stdout.readline())
        self._await_listening()

    def _await_listening(self) -> None:
        for _ in range(100):
            try:
                create_connection((HOST, self.port)).close()
            except OSError:
                time.sleep(0.05)
            else:
                return

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}


def client(python: str, name: str, port: int, calls: int) -> dict[str, float]:
    command = [
        python,
        str(Path(__file__).resolve()),
        "--call",
        name,
        "--port",
        str(port),
        "--calls",
        str(calls),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=_environment())
    return json.loads(done.stdout)


class CountingProxy:
    """Passes one connection on and counts what goes by."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.carried = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            near, _ = self._listener.accept()
            far = create_connection((HOST, self._target))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket, sink: socket) -> None:
        try:
            while data := source.recv(65536):
                self.carried += len(data)
                sink.sendall(data)
            sink.shutdown(SHUT_WR)
        except OSError:
            pass


def wire_bytes_per_call(python: str, name: str, port: int) -> float:
    """Return the bytes of the second and later unary calls on a connection, both ways."""
    carried = []
    for calls in (100, 300):  # what is not of the calls is the same in both, and drops out
        proxy = CountingProxy(port)
        client(python, name, proxy.port, calls)
        carried.append(proxy.carried)
    return (carried[1] - carried[0]) / 200


def measure(python: str, name: str, calls: int) -> dict[str, float]:
    server = Server(python, name)
    try:
        before = server.cpu_s()
        unary = client(python, name, server.port, calls)
        server_cpu = server.cpu_s() - before
        before = server.cpu_s()
        stream = client(python, name, server.port, 0)
        stream_cpu = stream["cpu_s"] + server.cpu_s() - before
        one = client(python, name, server.port, 1)
        mib = STREAMS * len(CHUNK) * CHUNKS / 2**20
        return {
            "calls_per_s": calls / unary["wall_s"],
            "client_us": unary["cpu_s"] / calls * 1e6,
            "server_us": server_cpu / calls * 1e6,
            "mib_per_s": mib / stream["wall_s"],
            "mib_per_cpu_s": mib / stream_cpu,
            "one_call_mb": one["peak_mb"],
            "bytes_per_call": wire_bytes_per_call(python, name, server.port),
        }
    finally:
        server.end()


COLUMNS = {
    "calls_per_s": "unary calls/s",
    "client_us": "client µs",
    "server_us": "server µs",
    "mib_per_s": "stream MiB/s",
    "mib_per_cpu_s": "MiB per CPU s",
    "bytes_per_call": "bytes per call",
    "one_call_mb": "one call, MB",
}


def installed(python: str, name: str) -> bool:
    module = {"grpcio": "grpc"}.get(name, name)
    if python == sys.executable:
        return importlib.util.find_spec(module) is not None
    return (
        subprocess.run([python, "-c", f"import {module}"], check=False, capture_output=True).returncode == 0
    )


def compare(runs: int, calls: int, pythons: dict[str, str]) -> None:
    names = [name for name in IMPLEMENTATIONS if installed(pythons[name], name)]
    for name in set(IMPLEMENTATIONS) - set(names):
        print(f"{name} is not installed and left out", file=sys.stderr)
    rounds = [{name: measure(pythons[name], name, calls) for name in names} for _ in range(runs)]
    print(f"Medians of {runs} runs in turns; {calls} sequential unary calls of {len(REQUEST)} bytes,")
    print(f"{STREAMS} server streams of {CHUNKS} messages of {len(CHUNK)} bytes; CPU per call.\n")
    print("| | " + " | ".join(COLUMNS.values()) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for name in names:
        medians = [statistics.median(one[name][column] for one in rounds) for column in COLUMNS]
        print(f"| {name} | " + " | ".join(f"{value:.0f}" for value in medians) + " |")


def start_up() -> None:
    """Print how long fresh processes take that make one call and nothing else."""
    taken: dict[str, list[float]] = {name: [] for name in ONE_CALL}
    servers = {name: Server(sys.executable, name) for name in ("lightpeer", "grpcio")}
    try:
        for _ in range(STARTS):
            for name, code in ONE_CALL.items():
                port = servers[name].port if name in servers else 0
                started = time.perf_counter()
                subprocess.run([sys.executable, "-c", code, str(port)], check=True, env=_environment())
                taken[name].append(1000 * (time.perf_counter() - started))
    finally:
        for server in servers.values():
            server.end()
    print(f"\nA fresh process that makes one call, from its start to its end; medians of {STARTS}.\n")
    print("| | ms |\n|---|---|")
    for name, times in taken.items():
        print(f"| {name} | {statistics.median(times):.0f} |")


def hold_many() -> None:
    """Print what streaming calls cost both sides while they are open, and what is left of it."""
    server = Server(sys.executable, "lightpeer")
    try:
        command = [
            sys.executable,
            str(Path(__file__).resolve()),
            "--hold",
            str(server.pid),
            "--port",
            str(server.port),
        ]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=_environment())
    finally:
        server.end()
    steps = json.loads(done.stdout)
    (_, client_start, server_start), *_ = steps
    print("\nStreaming calls open at once on one connection, lightpeer to lightpeer.\n")
    print("| calls | client MB | server MB | KiB per call, client + server |")
    print("|---|---|---|---|")
    for calls, client_mb, server_mb in steps:
        growth = (client_mb - client_start, server_mb - server_start)
        per_call = " + ".join(f"{mb * 1024 / calls:.1f}" for mb in growth) if calls else ""
        print(f"| {calls} | {client_mb:.1f} | {server_mb:.1f} | {per_call} |")


def resident_mb(pid: int) -> float:
    return status_kb(pid, "VmRSS:") / 1024


def peak_mb() -> float:
    return status_kb(os.getpid(), "VmHWM:") / 1024


def status_kb(pid: int, name: str) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition(name)[2].split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--purerpc-python", default=sys.executable, metavar="PYTHON")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--call", help=argparse.SUPPRESS)
    parser.add_argument("--hold", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        globals()[f"serve_{options.serve}"]()
    elif options.call:
        result = globals()[f"call_{options.call}"](options.port, options.calls)
        print(json.dumps({**result, "peak_mb": peak_mb()}))
    elif options.hold:
        print(json.dumps(hold_lightpeer(options.port, options.hold)))
    else:
        pythons = {**dict.fromkeys(IMPLEMENTATIONS, sys.executable), "purerpc": options.purerpc_python}
        compare(options.runs, options.calls, pythons)
        if installed(sys.executable, "grpcio"):
            start_up()
        hold_many()


if __name__ == "__main__":
    main()
