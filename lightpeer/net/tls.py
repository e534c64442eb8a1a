"""TLS under HTTP/2: the handshake, and a check that both sides chose HTTP/2 (RFC 9113 section 3.3).

The caller brings its own context, with its trust and certificates; `server_context` and `client_context`
make ordinary ones from files. trio imports Python's ssl, but OpenSSL does nothing until a context is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import trio

from lightpeer.errors import UsageError

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

ALPN_H2: Final = "h2"


def client_context(ca_file: Path | str | None = None) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, or only those in a PEM file.

    Raises:
        UsageError: the file cannot be used.
    """
    import ssl

    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(f"cannot use the certificates in {ca_file}: {error}") from error


def server_context(cert_file: Path | str, key_file: Path | str) -> ssl.SSLContext:
    """Return a context with the certificate chain and the private key in two PEM files.

    Raises:
        UsageError: a file cannot be used.
    """
    import ssl

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert_file, key_file)
    except OSError as error:
        raise UsageError(f"cannot use the certificate {cert_file} with {key_file}: {error}") from error
    return context


TlsStream: TypeAlias = "trio.SSLStream[trio.abc.Stream]"


def wrap_tls(
    stream: trio.abc.Stream, context: ssl.SSLContext, *, server_hostname: str | None = None
) -> TlsStream:
    """Return a TLS stream on a stream, to be started by `shake_hands`.

    Args:
        stream: the transport.
        context: the trust and certificates; ALPN is added to it.
        server_hostname: the name to verify; None makes us the server.
    """
    context.set_alpn_protocols([ALPN_H2])
    return trio.SSLStream(
        stream,
        context,
        server_hostname=server_hostname,
        server_side=server_hostname is None,
        https_compatible=True,  # HTTP/2 has its own end, so close_notify is not awaited
    )


async def shake_hands(tls: TlsStream) -> None:
    """Do the handshake, and close the stream if it fails or is cancelled.

    Raises:
        ConnectionError: it fails, or the other side does not choose HTTP/2.
    """
    try:
        await tls.do_handshake()
        _check_alpn(tls)
    except BaseException as error:
        await trio.aclose_forcefully(tls.transport_stream)
        if isinstance(error, trio.BrokenResourceError):
            reason = error.__cause__ or "the connection broke"
            raise ConnectionError(f"the TLS handshake failed: {reason}") from error
        raise


def _check_alpn(tls: TlsStream) -> None:
    if tls.selected_alpn_protocol() != ALPN_H2:
        raise ConnectionError("the other side of the TLS handshake does not choose HTTP/2")
