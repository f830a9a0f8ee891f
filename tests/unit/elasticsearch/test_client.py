"""The door to the network, against a double on loopback:

what is sent, what comes back, and what is said when nothing does.
"""

from __future__ import annotations

import gzip
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import warnings
from contextlib import closing, suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from otel_asayer.config import Config
from otel_asayer.elasticsearch.client import Client, Response, UnreachableError
from otel_asayer.elasticsearch.nodes import _LONGEST_ANSWER
from otel_asayer.testing import IDENTITY, ElasticsearchDouble, Exchange, Fault, status
from otel_asayer.version import __version__

from patience import HANG_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Connect = Callable[..., Client]

AT_THE_END = """
import atexit, sys
from otel_asayer.config import Config
from otel_asayer.elasticsearch.client import Client, UnreachableError

def ask():
    try:
        print(client.request("HEAD", "/", timeout=60).status)
    except UnreachableError:
        print("unreachable")
    client.close()

client = Client(Config.from_environment({{}}, endpoint=sys.argv[1]))
atexit.register(ask)
{}
"""
"""A script whose first request is made while its interpreter ends."""
PATCHED_BEFORE_THE_END = AT_THE_END.format("from gevent import monkey; monkey.patch_all()")
BODY = b'{"create":{"_index":"traces-generic.otel-default","_id":"1"}}\n{"name":"GET /cart"}\n'
DEAD = "http://127.0.0.1:9"
UNAUTHORIZED = status(401, {"error": {"type": "security_exception", "reason": "no"}})


class _Ssh(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        self.connection.shutdown(socket.SHUT_WR)
        # To its end: a connection that is closed before is reset, and what was written may be lost
        self.rfile.read()


class _Once(socketserver.StreamRequestHandler):
    """Answers as Elasticsearch does when it is asked to close: it does not say that it will."""

    def handle(self) -> None:
        length = 0
        while line := self.rfile.readline().strip().lower():
            if line.startswith(b"content-length:"):
                length = int(line.removeprefix(b"content-length:"))
        self.rfile.read(length)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nx-elastic-product: Elasticsearch\r\n")
        self.wfile.write(b"content-length: 2\r\n\r\n{}")
        self.wfile.flush()
        self.rfile.read(1)  # a next request is not answered


@pytest.fixture
def double() -> Iterator[ElasticsearchDouble]:
    with ElasticsearchDouble() as double:
        yield double


@pytest.fixture
def connect(double: ElasticsearchDouble) -> Iterator[Connect]:
    """Makes clients of the double, with more settings."""
    clients = []

    def connect(**settings: Any) -> Client:
        clients.append(Client(Config.from_environment({}, **{"endpoint": double.url, **settings})))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture(autouse=True)
def _a_request_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a request end by its own timeout, on whatever machine, before anybody stops waiting."""
    monkeypatch.setattr("otel_asayer.elasticsearch.client._GRACE", HANG_SECONDS)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def post(client: Client, body: bytes | Sequence[bytes] = BODY) -> int:
    return client.request("POST", "/_bulk", body, timeout=HANG_SECONDS).status


def run(code: str, *arguments: str) -> tuple[str, str]:
    """Run a script of its own; return what it prints, and what it complains of."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=HANG_SECONDS,
    )
    return done.stdout, done.stderr


def reason(client: Client, timeout: float = HANG_SECONDS) -> str:
    with pytest.raises(UnreachableError) as caught:
        client.request("POST", "/_bulk", BODY, timeout=timeout)
    return caught.value.reason


def answer_for_ever(server: socket.socket) -> None:
    """Answer the first request until the other side closes the connection."""
    connection, _ = server.accept()
    with connection, suppress(OSError):
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


class TestRequests:
    def test_a_body_arrives_compressed_byte_for_byte(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        post(connect())
        assert gzip.decompress(double.exchanges[0].body) == BODY
        assert double.exchanges[0].headers["content-encoding"] == "gzip"

    def test_a_body_arrives_as_it_is_where_compression_is_off(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        post(connect(compression="none"))
        assert double.exchanges[0].body == BODY
        assert double.exchanges[0].headers.get("content-encoding") is None

    @pytest.mark.parametrize("compression", ["gzip", "none"])
    def test_a_body_in_pieces_arrives_as_one(
        self, connect: Connect, double: ElasticsearchDouble, compression: str
    ) -> None:
        post(connect(compression=compression), [BODY[:5], BODY[5:]])
        assert double.exchanges[0].content == BODY

    def test_plain_json_is_sent_and_asked_for(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        post(connect())
        headers = double.exchanges[0].headers
        assert {
            name: headers[name] for name in ("accept", "content-type", "user-agent", "connection")
        } == {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": f"otel-asayer/{__version__}",
            "connection": "keep-alive",
        }

    def test_no_connection_is_kept_where_gevent_patches_late(
        self, connect: Connect, double: ElasticsearchDouble, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("_thread.start_new_thread", lambda *_: None)
        post(connect())
        assert double.exchanges[0].headers["connection"] == "close"

    def test_a_server_that_closes_as_asked_and_does_not_say_so_loses_no_later_request(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("_thread.start_new_thread", lambda *_: None)
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Once) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            client = connect(endpoint=f"http://127.0.0.1:{server.server_address[1]}")
            answers = [post(client), post(client)]
            server.shutdown()
        assert answers == [200, 200]

    def test_method_and_target_arrive_as_given(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        connect().request("GET", "/_index_template?filter_path=a.*.b,c", timeout=HANG_SECONDS)
        assert double.exchanges[0].method == "GET"
        assert double.exchanges[0].target == "/_index_template?filter_path=a.*.b,c"
        assert double.exchanges[0].body == b""

    def test_the_endpoints_path_goes_before_the_target(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        connect(endpoint=f"{double.url}/proxy/es/").request("GET", "/_bulk", timeout=HANG_SECONDS)
        assert double.exchanges[0].target == "/proxy/es/_bulk"

    def test_one_connection_is_used_again_and_opened_anew_after_closing(
        self, connect: Connect
    ) -> None:
        client = connect()
        post(client)
        client.close()
        assert post(client) == 200

    def test_first_contact_can_be_prepared_without_network(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        connect().connect()
        assert double.exchanges == []

    def test_proxies_of_the_environment_are_not_used(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("http_proxy", DEAD)
        assert post(connect()) == 200


class TestCredentials:
    @pytest.mark.parametrize(
        ("settings", "header"),
        [
            ({"api_key": "a2V5OnNlY3JldA=="}, "ApiKey a2V5OnNlY3JldA=="),
            ({"api_key": "key:secret"}, "ApiKey a2V5OnNlY3JldA=="),
            (
                {"username": "élastic", "password": "pässword:"},
                "Basic w6lsYXN0aWM6cMOkc3N3b3JkOg==",
            ),
            ({"bearer_token": "abc.def"}, "Bearer abc.def"),
            ({"headers": {"authorization": "Custom abc"}}, "Custom abc"),
            ({}, None),
        ],
    )
    def test_who_we_are_stands_in_one_header(
        self,
        connect: Connect,
        double: ElasticsearchDouble,
        settings: dict[str, object],
        header: str | None,
    ) -> None:
        post(connect(**settings))
        assert double.exchanges[0].headers.get("authorization") == header

    def test_more_headers_go_with_every_request(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        post(connect(headers={"x-tenant": "shop"}))
        assert double.exchanges[0].headers["x-tenant"] == "shop"

    def test_a_new_key_in_the_file_is_used_at_once_after_the_old_one_was_refused(
        self, connect: Connect, double: ElasticsearchDouble, tmp_path: Path
    ) -> None:
        file = tmp_path / "key"
        file.write_text("b2xk\n")
        client = connect(api_key_file=file)
        post(client)
        file.write_text("bmV3\n")
        double.reply_with(UNAUTHORIZED)
        assert post(client) == 200
        assert [exchange.headers["authorization"] for exchange in double.exchanges] == [
            "ApiKey b2xk",
            "ApiKey b2xk",
            "ApiKey bmV3",
        ]

    def test_a_key_that_did_not_change_is_not_tried_again(
        self, connect: Connect, double: ElasticsearchDouble, tmp_path: Path
    ) -> None:
        file = tmp_path / "key"
        file.write_text("b2xk")
        double.reply_with(UNAUTHORIZED)
        assert post(connect(api_key_file=file)) == 401
        assert len(double.exchanges) == 1

    def test_a_new_key_that_another_request_has_read_meanwhile_is_tried(
        self,
        connect: Connect,
        double: ElasticsearchDouble,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        file = tmp_path / "key"
        file.write_text("b2xk")
        client = connect(api_key_file=file)

        def answer(exchange: Exchange) -> Response:
            double.exchanges.append(exchange)
            if len(double.exchanges) == 1:
                file.write_text("bmV3")
                post(client)
            return (
                UNAUTHORIZED
                if exchange.headers["authorization"] == "ApiKey b2xk"
                else status(200, {})
            )

        monkeypatch.setattr(double, "answer", answer)
        assert post(client) == 200

    def test_a_refused_key_that_is_no_file_is_not_tried_again(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(UNAUTHORIZED)
        assert post(connect(api_key="b2xk")) == 401
        assert len(double.exchanges) == 1

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (
                b"not a key!",
                "expected an API key, the field 'encoded' of the answer that created it",
            ),
            (b"\xff\xfe", "it is not ASCII text"),
        ],
    )
    def test_a_file_without_a_key_is_named_by_its_variable_and_not_quoted(
        self, connect: Connect, tmp_path: Path, content: bytes, why: str
    ) -> None:
        file = tmp_path / "key"
        file.write_bytes(content)
        assert (
            reason(connect(api_key_file=file))
            == f"the file of OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE gives no key: {why}"
        )

    def test_a_file_that_vanished_is_named(self, connect: Connect, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text("b2xk")
        client = connect(api_key_file=file)
        file.unlink()
        assert reason(client) == (
            f"the file of OTEL_EXPORTER_ELASTICSEARCH_API_KEY_FILE gives no key: [Errno 2] No such "
            f"file or directory: '{file}'"
        )


class TestAnswers:
    @pytest.mark.parametrize("code", [200, 302, 400, 401, 403, 404, 413, 429, 500, 502, 503, 504])
    def test_every_status_comes_back_after_one_request(
        self, connect: Connect, double: ElasticsearchDouble, code: int
    ) -> None:
        double.reply_with(status(code, {"n": 1}, retry_after=3, location="/elsewhere"))
        response = connect().request("POST", "/_bulk", BODY, timeout=HANG_SECONDS)
        assert response.status == code
        assert response.headers["retry-after"] == "3"
        assert response.body == b'{"n":1}'
        assert len(double.exchanges) == 1

    def test_a_success_of_another_product_is_none(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(status(200, {}, x_elastic_product="Lookalike"))
        assert (
            reason(connect())
            == f"{double.url}: this is not Elasticsearch (its answer has no header "
            f"X-Elastic-Product)"
        )

    def test_a_refusal_needs_no_product(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(status(413, None, x_elastic_product=""))
        assert post(connect()) == 413


class TestFaults:
    def test_nobody_listens(self, connect: Connect) -> None:
        assert reason(connect(endpoint=DEAD)) == f"{DEAD}: [Errno 111] Connection refused"

    def test_the_connection_breaks_and_the_body_is_not_sent_again(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(Fault.RESET)
        assert reason(connect()) == f"{double.url}: Remote end closed connection without response"
        assert len(double.exchanges) == 1

    def test_an_answer_that_is_too_long_is_not_read(
        self, connect: Connect, double: ElasticsearchDouble, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("otel_asayer.elasticsearch.nodes._LONGEST_ANSWER", 9)
        double.reply_with(status(200, "123456789"))
        assert (
            reason(connect())
            == f"{double.url}: its answer does not end within {HANG_SECONDS} s, or 9 bytes"
        )

    @pytest.mark.parametrize("encoding", ["gzip, gzip", "zstd", "br", "deflate"])
    def test_an_answer_that_is_packed_as_nobody_asked_is_not_unpacked(
        self, connect: Connect, double: ElasticsearchDouble, encoding: str
    ) -> None:
        double.reply_with(status(200, {}, content_encoding=encoding))
        assert (
            reason(connect())
            == f"{double.url}: its answer is packed in a way that nobody asked for"
        )

    def test_a_packed_answer_is_unpacked(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        packed = Response(
            200, {**IDENTITY.headers, "content-encoding": "gzip"}, gzip.compress(IDENTITY.body)
        )
        double.reply_with(packed)
        assert connect().request("GET", "/", timeout=60).body == IDENTITY.body

    def test_an_answer_that_never_ends_is_not_read_for_ever(self, connect: Connect) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=answer_for_ever, args=(server,))
            thread.start()
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
            assert (
                reason(connect(endpoint=url), 0.1)
                == f"{url}: its answer does not end within 0.1 s, or {_LONGEST_ANSWER} bytes"
            )
            thread.join()

    def test_what_speaks_another_protocol_is_quoted(self, connect: Connect) -> None:
        with socketserver.TCPServer(("127.0.0.1", 0), _Ssh) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            endpoint = f"http://127.0.0.1:{server.server_address[1]}"
            assert (
                reason(connect(endpoint=endpoint))
                == f"{endpoint}: what answers is no HTTP: SSH-2.0-OpenSSH_9.6"
            )

    def test_the_server_hangs(self, connect: Connect, double: ElasticsearchDouble) -> None:
        double.reply_with(Fault.HANG)
        assert reason(connect(), 0.05) == f"{double.url}: no answer within 0.05 s"

    def test_of_several_endpoints_each_has_its_share_of_the_time(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        double.reply_with(Fault.HANG, Fault.HANG)
        said = reason(connect(endpoint=f"{double.url},{double.url}/again"), 0.05).split("; ")
        assert sorted(said) == [
            f"{url}: no answer within its share of 0.05 s"
            for url in (f"{double.url}/again", double.url)
        ]

    def test_what_hangs_is_given_up_when_the_process_ends(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        client = connect()
        double.reply_with(Fault.HANG)

        def abort() -> None:
            double.arrived.wait()
            client.abort(0)

        threading.Thread(target=abort).start()
        assert reason(client) == "given up, as the process ends"

    def test_the_next_endpoint_is_asked_at_once(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        client = connect(endpoint=f"{DEAD},{DEAD}/again,{double.url}")
        assert [post(client), post(client)] == [200, 200]

    def test_the_endpoint_that_answered_is_asked_first_from_then_on(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        client = connect(endpoint=f"{DEAD},{double.url}")
        post(client)
        assert client._nodes[0].endpoint == double.url

    def test_a_hanging_endpoint_leaves_time_for_the_next(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        with ElasticsearchDouble() as other:
            double.reply_with(Fault.HANG)
            other.reply_with(Fault.HANG)
            parts = reason(connect(endpoint=f"{double.url},{other.url}"), 0.1).split("; ")
        assert sorted(part.partition(": ")[0] for part in parts) == sorted([double.url, other.url])

    def test_endpoints_share_the_time_that_is_left(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = connect(endpoint=f"{DEAD},{DEAD}/b")
        client.connect()
        given: list[float] = []

        def fail(*_: object, timeout: float, **__: object) -> None:
            given.append(timeout)
            raise ValueError

        for node in client._nodes:
            monkeypatch.setattr(node._pool, "urlopen", fail)
        reason(client, 10)
        assert given[0] <= 5 < given[1]

    def test_a_request_behind_urllib3s_own_exit_handler_is_answered(
        self, double: ElasticsearchDouble
    ) -> None:
        """It empties all pools, before the SDK exports what is left."""
        assert run(AT_THE_END.format("client.connect()"), double.url) == ("200\n", "")

    def test_no_connection_is_left_to_the_end_of_an_interpreter_that_gevent_has_patched(
        self, double: ElasticsearchDouble
    ) -> None:
        """Greenlets that are being finalized cannot look into a queue, and the console says so."""
        assert run(PATCHED_BEFORE_THE_END, double.url)[1] == ""

    def test_a_first_request_at_the_end_is_answered_where_gevent_has_patched(
        self, double: ElasticsearchDouble
    ) -> None:
        """Python 3.12 starts no thread then, and gevent needs one to look up a name.

        What is to be sent stays in the spool.
        """
        unanswered = sys.version_info[:2] == (3, 12)
        expected = "unreachable\n" if unanswered else "200\n"
        assert run(PATCHED_BEFORE_THE_END, double.url)[0] == expected

    def test_every_endpoint_that_failed_is_named(self, connect: Connect) -> None:
        parts = reason(connect(endpoint=f"{DEAD},{DEAD}/b")).split("; ")
        assert sorted(parts) == [
            f"{DEAD}/b: [Errno 111] Connection refused",
            f"{DEAD}: [Errno 111] Connection refused",
        ]

    def test_an_endpoint_named_twice_is_one(self, connect: Connect) -> None:
        assert (
            reason(connect(endpoint=f"{DEAD},{DEAD}")) == f"{DEAD}: [Errno 111] Connection refused"
        )

    def test_settings_that_make_no_client_are_a_reason_as_well(self, connect: Connect) -> None:
        assert reason(connect(endpoint=None, cloud_id="shop:bm90aGluZw==")).startswith(
            "the settings make no client for Elasticsearch: "
        )

    def test_a_defect_of_the_libraries_is_named_by_its_kind_for_its_message_may_quote_a_header(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = connect(endpoint=DEAD)
        client.connect()

        def fail(*_: object, **__: object) -> None:
            raise ValueError("Invalid header value b'ApiKey c2VjcmV0'")

        monkeypatch.setattr(client._nodes[0]._pool, "urlopen", fail)
        assert reason(client) == f"{DEAD}: the request failed with ValueError"


class TestCloud:
    def test_a_cloud_id_is_the_address(self) -> None:
        with closing(
            Client(Config.from_environment({}, cloud_id="shop:ZXhhbXBsZS50ZXN0JGFiYyRkZWY="))
        ) as client:
            client.connect()
            assert [node.endpoint for node in client._nodes] == ["https://abc.example.test:443"]


class TestTls:
    @pytest.fixture
    def ca_file(self, authority: trustme.CA, tmp_path: Path) -> Path:
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        return tmp_path / "ca.pem"

    @pytest.fixture
    def context(self, authority: trustme.CA) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        return context

    @pytest.fixture
    def double(self, context: ssl.SSLContext) -> Iterator[ElasticsearchDouble]:
        with ElasticsearchDouble(tls=context) as double:
            yield double

    def test_a_certificate_of_the_given_authority_is_trusted(
        self, connect: Connect, ca_file: Path
    ) -> None:
        assert post(connect(certificate=ca_file)) == 200

    def test_a_certificate_of_an_unknown_authority_is_not(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        why = reason(connect())
        assert why.startswith(f"{double.url}: [SSL: CERTIFICATE_VERIFY_FAILED]")
        assert double.exchanges == []

    def test_a_fingerprint_takes_the_authoritys_place(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        certificate = ssl.PEM_cert_to_DER_cert(
            ssl.get_server_certificate(("127.0.0.1", int(double.url.rpartition(":")[2])))
        )
        assert post(connect(certificate_fingerprint=sha256(certificate).hexdigest())) == 200

    def test_another_fingerprint_is_refused(
        self, connect: Connect, double: ElasticsearchDouble
    ) -> None:
        why = reason(connect(certificate_fingerprint="ab" * 32))
        assert why.startswith(f"{double.url}: ")
        assert "ingerprint" in why
        assert double.exchanges == []

    def test_without_verification_any_certificate_will_do_and_nothing_is_warned(
        self, connect: Connect, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            assert post(connect(verify_certs=False)) == 200
            assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("verify_certs", [True, False])
    def test_a_client_certificate_is_shown(
        self,
        *,
        connect: Connect,
        authority: trustme.CA,
        context: ssl.SSLContext,
        ca_file: Path,
        tmp_path: Path,
        verify_certs: bool,
    ) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
        identity = authority.issue_cert("shop.example")
        identity.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
        identity.private_key_pem.write_to_path(tmp_path / "client.key")
        assert (
            post(
                connect(
                    certificate=ca_file,
                    client_certificate=tmp_path / "client.pem",
                    client_key=tmp_path / "client.key",
                    verify_certs=verify_certs,
                )
            )
            == 200
        )

    def test_without_its_client_certificate_a_server_that_wants_one_is_out_of_reach(
        self,
        connect: Connect,
        authority: trustme.CA,
        context: ssl.SSLContext,
        ca_file: Path,
        double: ElasticsearchDouble,
    ) -> None:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
        assert reason(connect(certificate=ca_file)).startswith(f"{double.url}: ")
