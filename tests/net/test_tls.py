"""gRPC over TLS, with certificates made for the test."""

from __future__ import annotations

import shutil
import ssl
import subprocess

import pytest
import trio
import trio.testing

from lightpeer.core.rpc.limits import Limits
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import RpcError, UsageError
from lightpeer.net.tls import client_context, server_context
from lightpeer.rpc.channel import open_channel
from lightpeer.rpc.server import RpcServer
from lightpeer.tasks.nursery import open_nursery
from tests.rpc.service import MemoryNetwork, Service, run, stream_pair

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=peer"
    subprocess.run(
        [*make.split(), "-addext", "subjectAltName=DNS:peer", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    return cert, key


async def _call(server_tls, client_tls, *, host="peer"):
    network = MemoryNetwork()
    server = RpcServer(Service().handlers, tls=server_tls)
    async with open_nursery() as nursery:
        nursery.start_soon(server.serve, [network.listener])
        try:
            async with open_channel(network, host, 1, tls=client_tls) as channel:
                return await channel.unary_unary("/t/Echo")(bytes(100_000), timeout=30)
        finally:
            nursery.cancel_scope.cancel()


def test_a_call_over_tls(files):
    async def main():
        assert await _call(server_context(*files), client_context(files[0])) == bytes(100_000)

    run(main)


def test_a_certificate_that_is_not_trusted_or_of_another_name_is_refused(files):
    async def main():
        for context, host in ((client_context(), "peer"), (client_context(files[0]), "other")):
            with pytest.raises(RpcError, match="certificate") as caught:
                await _call(server_context(*files), context, host=host)
            assert caught.value.code() is StatusCode.UNAVAILABLE

    run(main)


def test_a_server_of_cleartext_or_of_another_protocol_is_refused(files):
    class OtherContext(ssl.SSLContext):
        def set_alpn_protocols(self, protocols):
            super().set_alpn_protocols(["http/1.1"])

    other = OtherContext(ssl.PROTOCOL_TLS_SERVER)
    other.load_cert_chain(*files)

    async def main():
        with pytest.raises(RpcError, match="HTTP/2"):
            await _call(other, client_context(files[0]))
        with pytest.raises(RpcError, match="TLS handshake failed"):
            await _call(None, client_context(files[0]))

    run(main)


def test_a_client_of_cleartext_is_refused_and_a_silent_one_closed_in_time(files):
    async def main():
        with pytest.raises(RpcError) as caught:
            await _call(server_context(*files), None)
        assert caught.value.code() is StatusCode.UNAVAILABLE
        ours, theirs = stream_pair()
        began_s = trio.current_time()
        server = RpcServer({}, limits=Limits(handshake_s=10), tls=server_context(*files))
        await server.serve_connection(theirs)
        assert trio.current_time() == began_s + 10
        assert server.connection_count == 0
        assert await ours.receive_some() == b""

    run(main)


def test_files_that_cannot_be_used_are_told_of(files, tmp_path):
    cert, _ = files
    with pytest.raises(UsageError, match="cannot use the certificate"):
        server_context(cert, tmp_path / "none.pem")
    with pytest.raises(UsageError, match="cannot use the certificates in"):
        client_context(tmp_path / "none.pem")
