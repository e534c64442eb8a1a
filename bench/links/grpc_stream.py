"""One file over a gRPC server stream with grpcio: chunks of bytes, no protobuf runtime.

python -m bench.links.grpc_stream serve FILE HOST PORT
python -m bench.links.grpc_stream fetch FILE HOST PORT
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

METHOD = "/bench.Files/Pull"
CHUNK = 16 * 1024


class Files(grpc.GenericRpcHandler):  # type: ignore[misc] # grpcio has no types
    """Answers any call with the file."""

    def __init__(self, file: Path) -> None:
        self._data = file.read_bytes()

    def service(self, _details: object) -> Any:
        return grpc.unary_stream_rpc_method_handler(self._pull)

    def _pull(self, _request: bytes, _context: object) -> Iterator[bytes]:
        for at in range(0, len(self._data), CHUNK):
            yield self._data[at : at + CHUNK]


def serve(file: Path, address: str) -> None:
    server = grpc.server(ThreadPoolExecutor(1), handlers=[Files(file)])
    server.add_insecure_port(address)
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


def fetch(file: Path, address: str) -> None:
    with grpc.insecure_channel(address) as channel, file.open("wb") as out:
        for chunk in channel.unary_stream(METHOD)(b""):
            out.write(chunk)


def main() -> None:
    act, file, host, port = sys.argv[1:]
    {"serve": serve, "fetch": fetch}[act](Path(file), f"{host}:{port}")


if __name__ == "__main__":
    main()
