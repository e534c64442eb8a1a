"""One file over QUIC with aioquic: a raw stream, as HTTP/3 would only add to it.

python -m bench.links.quic serve FILE HOST PORT CONGESTION
python -m bench.links.quic fetch FILE HOST PORT CONGESTION
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
import sys
import tempfile
from pathlib import Path

from aioquic.asyncio import QuicConnectionProtocol, connect, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import QuicEvent, StreamDataReceived
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def configuration(*, is_client: bool, congestion: str) -> QuicConfiguration:
    return QuicConfiguration(
        is_client=is_client,
        alpn_protocols=["bench"],
        congestion_control_algorithm=congestion,
        verify_mode=ssl.CERT_NONE,
        idle_timeout=600.0,
    )


def load_new_certificate(configuration: QuicConfiguration) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bench")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    with tempfile.TemporaryDirectory() as folder:
        certificate_file, key_file = Path(folder) / "certificate", Path(folder) / "key"
        certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        configuration.load_cert_chain(certificate_file, key_file)


async def run_server(file: Path, host: str, port: int, congestion: str) -> None:
    class Server(QuicConnectionProtocol):
        def quic_event_received(self, event: QuicEvent) -> None:
            if isinstance(event, StreamDataReceived) and event.end_stream:
                self._quic.send_stream_data(event.stream_id, file.read_bytes(), end_stream=True)
                self.transmit()

    settings = configuration(is_client=False, congestion=congestion)
    load_new_certificate(settings)
    await serve(host, port, configuration=settings, create_protocol=Server)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def fetch(file: Path, host: str, port: int, congestion: str) -> None:
    settings = configuration(is_client=True, congestion=congestion)
    async with connect(host, port, configuration=settings) as connection:
        reader, writer = await connection.create_stream()
        writer.write(b"x")
        writer.write_eof()
        with file.open("wb") as out:
            while data := await reader.read(65536):
                out.write(data)


def main() -> None:
    act = {"serve": run_server, "fetch": fetch}[sys.argv[1]]
    asyncio.run(act(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), sys.argv[5]))


if __name__ == "__main__":
    main()
