"""Sources by URL: from which addresses they are read, and within which bounds, whatever a host does."""

import gzip
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.utils.timezone import now
from sorl.thumbnail import get_thumbnail

from shrinkmeister.exceptions import (
    SourceNotAllowedError,
    SourceTooLargeError,
    SpecError,
    StorageError,
)
from shrinkmeister.protocol.spec import Source
from shrinkmeister_server.loaders.host_check import is_allowed
from shrinkmeister_server.loaders.http import MAX_HEADER
from shrinkmeister_server.loaders.load import load
from tests.support.pictures import picture, size_of
from tests.support.sides import Server

pytestmark = [pytest.mark.outside, pytest.mark.survives("hosts of sources that lie or are slow")]

NAME = "images.example.com"
PUBLIC = "93.184.216.34"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"

Answer = Callable[[socket.socket, Event], None]


def saying(*parts: bytes) -> Answer:
    def answer(connection: socket.socket, over: Event) -> None:
        for part in parts:
            connection.sendall(part)

    return answer


def trickling(first: bytes, piece: bytes) -> Answer:
    """Never silent, and for long not at an end."""

    def answer(connection: socket.socket, over: Event) -> None:
        connection.sendall(first)
        for _ in range(500):
            if over.wait(0.02):
                break
            connection.sendall(piece)

    return answer


def flooding(first: bytes, piece: bytes) -> Answer:
    """More than any bound, and as fast as it is taken."""
    return saying(first, *[piece] * (20_000_000 // len(piece)))


def silent(connection: socket.socket, over: Event) -> None:
    over.wait(60)


@contextmanager
def hosting(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[str]]]:
    """A host, as `127.0.0.1:port`, which answers each request so; and the requests that it has had."""
    asked: list[str] = []
    over = Event()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            try:
                connection = tls.wrap_socket(self.request, server_side=True) if tls else self.request
                asked.append(connection.recv(65536).decode("latin-1"))
                answer(connection, over)
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the client had enough

    class Web(ThreadingTCPServer):
        daemon_threads = True

    with Web(("127.0.0.1", 0), Handler) as web:
        Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"127.0.0.1:{web.server_address[1]}", asked
        finally:
            over.set()
            web.shutdown()


def list_host(settings: Any, host: str, scheme: str = "http", private: bool = True) -> Source:
    """Allows a host, and says which source of it to ask for."""
    settings.THUMBNAIL_SOURCES = [f"{scheme}://{host}"]
    settings.THUMBNAIL_PRIVATE_HOSTS = [host] if private else []
    return Source(scheme, host, "a.jpg")


class Names:
    """Stands for DNS: each name has several answers, one after the other."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._answers: dict[str, list[list[str]]] = {}

    def set(self, name: str, *answers: list[str]) -> None:
        self._answers[name] = list(answers)

    def look_up(self, name: str, port: int, *args: Any, **options: Any) -> list[tuple[Any, ...]]:
        self.asked.append(name)
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self._answers[name].pop(0)
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.look_up)
    return made


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Where connections were attempted; none succeeds."""
    attempts: list[Any] = []

    def connect(self: socket.socket, address: Any) -> None:
        attempts.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return attempts


class TestReading:
    @pytest.fixture
    def host(self, settings: Any, media: Path) -> Iterator[str]:
        """A web server with a picture, and with a way to it under another name."""

        def answer(connection: socket.socket, over: Event) -> None:
            path = asked[-1].split()[1]
            if path == "/a%20b.jpg?x=1":
                connection.sendall(OK + b"\r\n" + picture((400, 300)))
            elif path == "/away":
                connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /a%20b.jpg?x=1\r\n\r\n")
            else:
                connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")

        with hosting(answer) as (host, asked):
            list_host(settings, host)
            settings.THUMBNAIL_REMOVE_URL_ARGS = False
            yield host

    def ask(self, server: Server, url: str) -> Any:
        return server.get(get_thumbnail(url, "300x200", crop="center").url)

    def test_a_listed_host(self, server: Server, media: Path, settings: Any, host: str) -> None:
        list_host(settings, host)
        answer = self.ask(server, f"http://{host}/a%20b.jpg?x=1")
        assert answer.status_code == 302
        stored = media / answer["Location"].removeprefix("https://example.com/media/")
        assert size_of(stored.read_bytes()) == (300, 200)

    @pytest.mark.parametrize(
        ("path", "most", "private", "status", "logged"),
        [
            ("gone.jpg", 40_000_000, True, 404, "no such file"),
            ("away", 40_000_000, True, 502, "answered 302"),
            ("a%20b.jpg?x=1", 100, True, 413, "more than 100 bytes"),
            ("a%20b.jpg?x=1", 40_000_000, False, 403, "not public"),
        ],
    )
    def test_what_is_answered_otherwise(
        self,
        server: Server,
        settings: Any,
        host: str,
        caplog: Any,
        path: str,
        most: int,
        private: bool,
        status: int,
        logged: str,
    ) -> None:
        list_host(settings, host, private=private)
        settings.THUMBNAIL_MAX_SOURCE_BYTES = most
        assert self.ask(server, f"http://{host}/{path}").status_code == status
        (line,) = (
            one for one in caplog.records if one.name == "shrinkmeister_server.observability.access_log"
        )
        assert logged in line.message
        assert "127.0.0.1" not in caplog.text
        assert "Traceback" not in caplog.text

    def test_a_host_that_does_not_answer(self, settings: Any) -> None:
        source = list_host(settings, "127.0.0.1:1")
        with pytest.raises(StorageError) as failure:
            load(source)
        assert isinstance(failure.value.__cause__, ConnectionRefusedError)

    def test_a_proxy_of_the_environment_is_not_asked(
        self, settings: Any, host: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        list_host(settings, host)
        assert size_of(load(Source("http", host, "a%20b.jpg?x=1"))) == (400, 300)

    @pytest.mark.parametrize(
        "name",
        [
            "a/%2e%2e/b.jpg",
            "a/%2E./b.jpg",
            "a/..%2Fb.jpg",
            "a/../b.jpg",
            "a/..?b.jpg",
            "a/..;/b.jpg",
            "a%3F/../b.jpg",
            "a/..;x%2Fb.jpg",
        ],
    )
    def test_no_way_out_of_a_listed_folder(self, settings: Any, names: Names, name: str) -> None:
        settings.THUMBNAIL_SOURCES = [f"https://{NAME}/a/"]
        with pytest.raises(SourceNotAllowedError, match=r"'\.\.'"):
            load(Source("https", NAME, name))
        assert names.asked == []


# What an intranet has.
PRIVATE = [
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::192.168.1.1",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    # Of an IPv4 address: mapped, translated, NAT64, NAT64 of one's own, 6to4, compatible, Teredo.
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::127.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "::127.0.0.1",
    "::169.254.169.254",
    "::93.184.216.34",
    "2001:0:7f00:1::",
]


class TestAddresses:
    @pytest.mark.parametrize(
        "address", [PUBLIC, "2606:2800:220:1::1", "::ffff:93.184.216.34", "64:ff9b::93.184.216.34"]
    )
    def test_public_ones(self, address: str) -> None:
        assert is_allowed(ip_address(address), private=False)
        assert is_allowed(ip_address(address), private=True)

    @pytest.mark.parametrize("address", PRIVATE)
    def test_private_ones_only_if_it_is_said(self, address: str) -> None:
        assert not is_allowed(ip_address(address), private=False)
        assert is_allowed(ip_address(address), private=True)

    @pytest.mark.parametrize("address", NEVER)
    def test_those_of_no_web_server(self, address: str) -> None:
        assert not is_allowed(ip_address(address), private=False)
        assert not is_allowed(ip_address(address), private=True)

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize("addresses", [["127.0.0.1"], [PUBLIC, "127.0.0.1"], ["127.0.0.1", PUBLIC]])
    def test_through_dns(
        self, settings: Any, names: Names, connected: list[Any], scheme: str, addresses: list[str]
    ) -> None:
        names.set(NAME, addresses)
        with pytest.raises(SourceNotAllowedError) as refused:
            load(list_host(settings, NAME, scheme, private=False))
        assert connected == []
        assert "not public" in str(refused.value)
        assert "127.0.0.1" not in str(refused.value)
        assert NAME not in str(refused.value)

    @pytest.mark.parametrize(
        "address", ["169.254.169.254", "fd00:ec2::254", "fe80::1", "224.0.0.1", "0.0.0.0"]
    )
    def test_through_dns_of_a_private_host(
        self, settings: Any, names: Names, connected: list[Any], address: str
    ) -> None:
        names.set(NAME, [address])
        with pytest.raises(SourceNotAllowedError, match="neither public nor private"):
            load(list_host(settings, NAME))
        assert connected == []

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost"]
    )
    def test_spellings_of_this_machine(self, settings: Any, connected: list[Any], host: str) -> None:
        with pytest.raises(SourceNotAllowedError):
            load(list_host(settings, f"{host}:80", private=False))
        assert connected == []

    def test_brackets_are_no_host(self) -> None:
        with pytest.raises(SpecError):
            Source("http", "[::1]", "a.jpg")

    def test_a_name_is_resolved_once_and_no_other_address_connected_to(
        self, settings: Any, names: Names, connected: list[Any]
    ) -> None:
        names.set(NAME, [PUBLIC], ["127.0.0.1"])
        with pytest.raises(StorageError) as failure:
            load(list_host(settings, NAME, private=False))
        assert isinstance(failure.value.__cause__, ConnectionRefusedError)
        assert connected == [(PUBLIC, 80)]
        assert names.asked == [NAME]

    def test_the_next_address_is_tried(self, settings: Any, names: Names) -> None:
        with hosting(saying(OK, b"\r\nbytes")) as (address, asked):
            host = f"{NAME}:{address.partition(':')[2]}"
            names.set(NAME, ["127.0.0.2", "127.0.0.1"])
            assert load(list_host(settings, host)) == b"bytes"
            assert names.asked == [NAME]
            assert f"\r\nHost: {host}\r\n" in asked[0]

    def test_a_private_host_is_listed_with_its_port(self, settings: Any, names: Names) -> None:
        names.set(NAME, ["127.0.0.1"], ["127.0.0.1"])
        source = list_host(settings, f"{NAME}:8080")
        for listed in ([NAME], f"{NAME}:8080 and more"):
            settings.THUMBNAIL_PRIVATE_HOSTS = listed
            with pytest.raises(SourceNotAllowedError):
                load(source)

    @pytest.mark.parametrize("host", ["nowhere.invalid", "..", f"{'a' * 70}.com", "example.com:99999"])
    def test_names_without_an_address(self, settings: Any, host: str) -> None:
        with pytest.raises(StorageError):
            load(list_host(settings, host))


class TestTime:
    @pytest.fixture(autouse=True)
    def _soon(self, settings: Any) -> None:
        settings.THUMBNAIL_SOURCE_SECONDS = 0.2

    @pytest.mark.parametrize(
        ("scheme", "answer"),
        [
            ("http", silent),
            ("http", trickling(b"", b"H")),
            ("http", trickling(OK + b"X: ", b"x")),
            ("http", trickling(OK, b"X: x\r\n")),
            ("http", trickling(b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
            ("http", trickling(OK + b"Content-Length: 100000\r\n\r\n", b"x")),
            ("http", trickling(OK + b"\r\n", b"x")),
            ("http", trickling(OK + CHUNKED, b"1\r\nx\r\n")),
            ("http", trickling(OK + CHUNKED + b"1;", b"x")),
            ("http", trickling(OK + CHUNKED + b"0\r\n", b"X: x\r\n")),
            ("https", silent),
            # A handshake record of 16 kB.
            ("https", trickling(b"\x16\x03\x03\x40\x00", b"\x02")),
        ],
    )
    def test_a_slow_host(self, settings: Any, scheme: str, answer: Answer) -> None:
        with hosting(answer) as (host, _):
            source = list_host(settings, host, scheme)
            with pytest.raises(StorageError, match=r"^the source's host took more than 0\.2 s$"):
                load(source)

    def test_a_host_that_takes_no_connection(self, settings: Any) -> None:
        """Its queue of connections is full."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as stack:
            for _ in range(3):
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(full.getsockname())
            source = list_host(settings, f"127.0.0.1:{full.getsockname()[1]}")
            with pytest.raises(StorageError, match=r"took more than 0\.2 s"):
                load(source)

    def test_it_is_a_failed_storage(self, server: Server, settings: Any, media: Path, caplog: Any) -> None:
        settings.THUMBNAIL_SOURCE_SECONDS = 0.2
        with hosting(trickling(OK + b"\r\n", b"x")) as (host, _):
            list_host(settings, host)
            answer = server.get(get_thumbnail(f"http://{host}/a.jpg", "300x200", crop="center").url)
        assert answer.status_code == 502
        assert "took more than 0.2 s" in caplog.text


class TestBytes:
    @pytest.fixture(autouse=True)
    def _few(self, settings: Any) -> None:
        settings.THUMBNAIL_MAX_SOURCE_BYTES = 100_000

    @pytest.mark.parametrize(
        "parts",
        [
            (b"\r\n", b"x" * 100_000),
            (b"Content-Length: 100000\r\n\r\n", b"x" * 100_000),
            (CHUNKED, *[b"2710\r\n" + b"x" * 10_000 + b"\r\n"] * 10, b"0\r\n\r\n"),
            # Codings that are none, as storages say them.
            (b"Content-Encoding: identity\r\n\r\n", b"x" * 100_000),
            (b"Content-Encoding: aws-chunked\r\n\r\n", b"x" * 100_000),
        ],
    )
    def test_as_many_as_are_allowed(self, settings: Any, parts: tuple[bytes, ...]) -> None:
        with hosting(saying(OK, *parts)) as (host, asked):
            assert load(list_host(settings, host)) == b"x" * 100_000
        assert "\r\nAccept-Encoding: identity\r\n" in asked[0]

    @pytest.mark.parametrize(
        "answer",
        [
            saying(OK, b"\r\n", b"x" * 100_001),
            # Before a byte of it has come.
            trickling(OK + b"Content-Length: 100001\r\n\r\n", b""),
            flooding(OK + b"\r\n", b"x" * 1000),
            flooding(OK + CHUNKED, b"a\r\n" + b"x" * 10 + b"\r\n"),
            flooding(OK + CHUNKED + b"fffffffffff\r\n", b"x" * 1000),
        ],
    )
    def test_more(self, settings: Any, answer: Answer) -> None:
        with hosting(answer) as (host, _), pytest.raises(SourceTooLargeError):
            load(list_host(settings, host))

    @pytest.mark.parametrize("coding", [b"gzip", b"GZIP", b"br", b"identity, zstd"])
    def test_compressed_ones_are_refused(self, settings: Any, coding: bytes) -> None:
        bomb = gzip.compress(bytes(50_000_000))
        with (
            hosting(saying(OK, b"Content-Encoding: " + coding + b"\r\n\r\n", bomb)) as (host, _),
            pytest.raises(StorageError, match="compressed"),
        ):
            load(list_host(settings, host))


@pytest.mark.parametrize(
    "answer",
    [
        saying(),
        saying(b"\r\n"),
        saying(b"SSH-2.0-OpenSSH_9.6\r\n"),
        saying(b"HTTP/2 200 OK\r\n\r\n"),
        saying(b"HTTP/1.1 two hundred\r\n\r\n"),
        saying(b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        saying(b"HTTP/1.1 204 No Content\r\n\r\n"),
        saying(b"\x00" * 1000),
        saying(OK, b"no header\r\n\r\n"),
        saying(OK, b"X: " + b"x" * MAX_HEADER, b"\r\n\r\n"),
        saying(OK, *[b"X: " + b"x" * 1000 + b"\r\n"] * 80, b"\r\n"),
        saying(OK, *[b"X: x\r\n"] * 200, b"\r\n"),
        flooding(b"", b"x" * 1000),
        flooding(OK + b"X: ", b"x" * 1000),
        flooding(OK, b"X: x\r\n"),
        flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        saying(OK, b"Content-Length: 5, 6\r\n\r\n12345"),
        # Less than was said.
        saying(OK, b"Content-Length: 50\r\n\r\n12345"),
        saying(OK, CHUNKED, b"5\r\n123"),
        saying(OK, CHUNKED, b"5\r\n12345\r\n"),
        saying(OK, CHUNKED, b"five\r\n12345\r\n"),
        # For http.client all that ever comes.
        flooding(OK + CHUNKED + b"-1\r\n", b"x" * 1000),
        flooding(OK + CHUNKED + b"-5\r\n", b"x" * 1000),
        flooding(OK + CHUNKED + b"5;", b"x" * 1000),
        flooding(OK + CHUNKED + b"0\r\nX:", b"x" * 1000),
    ],
)
def test_answers_that_are_none(settings: Any, caplog: Any, answer: Answer) -> None:
    with hosting(answer) as (host, _), pytest.raises(StorageError) as failure:
        load(list_host(settings, host))
    assert "took more" not in str(failure.value)
    assert host not in str(failure.value)
    # urllib3 would name the URL.
    assert caplog.records == []


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of NAME, with its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now() - timedelta(days=1))
        .not_valid_after(now() + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@dataclass(frozen=True)
class SecureHost:
    """names: the host's, as clients have said them when they connected."""

    port: str
    asked: list[str]
    names: list[str]


class TestTls:
    @pytest.fixture
    def host(self, certificate: Path) -> Iterator[SecureHost]:
        said: list[Any] = []
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _, name, __: said.append(name)
        with hosting(saying(OK, b"\r\nbytes"), context) as (host, asked):
            yield SecureHost(host.partition(":")[2], asked, said)

    def test_a_host_is_asked_by_its_name(
        self,
        settings: Any,
        names: Names,
        host: SecureHost,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        names.set(NAME, ["127.0.0.1"])
        assert load(list_host(settings, f"{NAME}:{host.port}", "https")) == b"bytes"
        assert host.names == [NAME]
        assert f"\r\nHost: {NAME}:{host.port}\r\n" in host.asked[0]
        assert names.asked == [NAME]

    @pytest.mark.parametrize(("name", "trusted"), [(NAME, False), ("other.example.com", True)])
    def test_a_host_that_is_not_verified(
        self,
        settings: Any,
        names: Names,
        host: SecureHost,
        certificate: Path,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        trusted: bool,
    ) -> None:
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        names.set(name, ["127.0.0.1"])
        with pytest.raises(StorageError) as failure:
            load(list_host(settings, f"{name}:{host.port}", "https"))
        assert isinstance(failure.value.__cause__, ssl.SSLCertVerificationError)
        assert host.asked == []
