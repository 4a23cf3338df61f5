"""One GET: any answer is one, and what keeps it from coming has a name."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from ipaddress import ip_address
from pathlib import Path
from urllib.error import URLError

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shrinkmeister.doctor import http as web
from shrinkmeister.doctor.http import Unreachable, get
from tests.servers.canned import answering
from tests.servers.process import HOST

pytestmark = pytest.mark.outside


@contextmanager
def speaking(say: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a server that lets `say` handle each connection, one after another."""
    with socket.create_server((HOST, 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    say(connection)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"http://{HOST}:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def refused(url: str, kind: type[Exception], timeout: float = 20) -> None:
    """A GET has no answer, for a reason of this class."""
    with pytest.raises(Unreachable) as found:
        get(url, timeout)
    error = found.value.__cause__
    assert isinstance(error.reason if isinstance(error, URLError) else error, kind)
    assert str(found.value)


def certificate(folder: Path) -> ssl.SSLContext:
    """Return a server's TLS context with a self-signed certificate."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]),
    )
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + signed.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 500, 503])
def test_any_status_is_an_answer(status: int) -> None:
    headers = {"Location": "/elsewhere", "Content-Type": "Text/Plain; charset=utf-8"}
    with answering(lambda path: (status, headers, b"" if status == 204 else path.encode())) as url:
        reply = get(f"{url}/path?query", 20)
    assert (reply.status, reply.content_type) == (status, "text/plain")
    assert reply.body == (b"" if status == 204 else b"/path?query")
    assert 0 <= reply.milliseconds == round((reply.received - reply.sent) * 1000)


def test_redirects_are_followed_where_it_is_said() -> None:
    def answers(path: str) -> tuple[int, dict[str, str], bytes]:
        return (302, {"Location": "/there"}, b"") if path == "/here" else (200, {}, b"it")

    with answering(answers) as url:
        assert get(f"{url}/here", 20).status == 302
        followed = get(f"{url}/here", 20, redirects=True)
    assert (followed.status, followed.body, followed.url) == (200, b"it", f"{url}/there")


def test_no_such_name() -> None:
    refused("http://nowhere.invalid", socket.gaierror)
    refused(f"http://{'x' * 64}.example.com", UnicodeError)


def test_a_port_without_a_server() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        refused(f"http://{HOST}:{taken.getsockname()[1]}", ConnectionRefusedError)


def test_a_server_without_an_answer() -> None:
    with socket.create_server((HOST, 0)) as listener:
        refused(f"http://{HOST}:{listener.getsockname()[1]}", TimeoutError, 0.05)


@pytest.mark.parametrize(
    ("begins", "goes_on"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "headers", "before them"],
)
def test_an_answer_that_never_ends_is_cut(begins: bytes, goes_on: bytes) -> None:
    waiting = threading.Event()

    def dribble(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(begins)
        try:
            while not waiting.wait(0.01):
                connection.sendall(goes_on)
        except OSError:
            return

    with speaking(dribble) as url:
        try:
            refused(url, TimeoutError, 0.3)
        finally:
            waiting.set()


def test_an_answer_that_is_too_long_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_BYTES", 100)
    with answering(lambda path: (200, {}, b"x" * int(path[1:]))) as url:
        assert len(get(f"{url}/100", 20).body) == 100
        refused(f"{url}/101", HTTPException)


def test_the_connection_is_closed_without_an_answer() -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(1000)

    with speaking(hang_up) as url:
        refused(url, ConnectionError)


def test_it_does_not_speak_http() -> None:
    def greet(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"220 mail.example.com ESMTP\r\n")

    with speaking(greet) as url:
        refused(url, HTTPException)


def test_it_does_not_speak_tls() -> None:
    with answering(lambda path: (200, {}, b"")) as url:
        refused(url.replace("http:", "https:"), ssl.SSLError)


def test_a_self_signed_certificate(tmp_path: Path) -> None:
    with answering(lambda path: (200, {}, b""), certificate(tmp_path)) as url:
        assert url.startswith("https://")
        refused(url, ssl.SSLCertVerificationError)
