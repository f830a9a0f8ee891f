"""Servers known by a fingerprint:

what it proves, and that a server which proves nothing learns no secret.
"""

from __future__ import annotations

import json
import ssl
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otel_asayer import ElasticsearchSpanExporter
from otel_asayer.cli.commands import otel_asayer
from otel_asayer.config import Config
from otel_asayer.elasticsearch import pinning
from otel_asayer.elasticsearch.client import Client, UnreachableError
from otel_asayer.elasticsearch.explain import explain_unreachable
from otel_asayer.testing import ElasticsearchDouble
from unit.elasticsearch.authorities import HERE, Identity, authority, show, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Serve = Callable[..., ElasticsearchDouble]

KEY = "c2VjcmV0OnNlY3JldA=="


@pytest.fixture(scope="module")
def root() -> Identity:
    return authority()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Runs a server that shows these certificates, its own first."""
    running = []

    def start(*identities: Identity, **settings: Any) -> ElasticsearchDouble:
        context = shown(*identities)
        for name, value in settings.items():
            setattr(context, name, value)
        running.append(ElasticsearchDouble(tls=context).__enter__())
        return running[-1]

    yield start
    for double in running:
        double.__exit__(None, None, None)


def client(fingerprint: str, *endpoints: str, **settings: Any) -> Client:
    return Client(
        Config.from_environment(
            {},
            endpoint=",".join(endpoints),
            certificate_fingerprint=fingerprint,
            api_key=KEY,
            **settings,
        )
    )


def ask(fingerprint: str, *doubles: ElasticsearchDouble, **settings: Any) -> int:
    with closing(client(fingerprint, *(double.url for double in doubles), **settings)) as asked:
        return asked.request("GET", "/", timeout=30).status


def refusal(fingerprint: str, *doubles: ElasticsearchDouble) -> str:
    with pytest.raises(UnreachableError) as caught:
        ask(fingerprint, *doubles)
    return caught.value.reason


@pytest.fixture
def impostor(root: Identity, serve: Serve) -> ElasticsearchDouble:
    """A server of somebody else's:

    its certificate is signed by a forged authority, and the real one, which is public, stands
    beside it.
    """
    return serve(root.forged().server(), root)


class TestAuthorities:
    def test_a_server_that_the_authority_vouches_for_is_trusted(
        self, root: Identity, serve: Serve
    ) -> None:
        assert ask(root.fingerprint, serve(root.server(), root)) == 200

    def test_a_forged_certificate_beside_that_of_the_authority_is_not(
        self, root: Identity, impostor: ElasticsearchDouble
    ) -> None:
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(root.fingerprint, impostor)
        assert impostor.exchanges == []

    def test_the_refusal_says_what_to_do(
        self, root: Identity, impostor: ElasticsearchDouble
    ) -> None:
        assert "nor signed by it: ask its owner for the right one" in explain_unreachable(
            refusal(root.fingerprint, impostor)
        )

    def test_nor_is_an_unrelated_one(self, root: Identity, serve: Serve) -> None:
        double = serve(authority("somebody else").server(), root)
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(root.fingerprint, double)
        assert double.exchanges == []

    def test_nor_is_a_certificate_that_signs_itself_under_the_authoritys_name(
        self, root: Identity, serve: Serve
    ) -> None:
        double = serve(root.forged(), root)
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(root.fingerprint, double)
        assert double.exchanges == []

    def test_the_host_must_have_the_name(self, root: Identity, serve: Serve) -> None:
        double = serve(root.server("other.example"), root)
        why = refusal(root.fingerprint, double)
        assert "Its certificate is made for other names" in explain_unreachable(why)
        assert double.exchanges == []

    def test_an_expired_certificate_is_refused(self, root: Identity, serve: Serve) -> None:
        assert "certificate has expired" in refusal(
            root.fingerprint, serve(root.server(expired=True), root)
        )

    def test_an_intermediate_authority_can_be_trusted_alone(
        self, root: Identity, serve: Serve
    ) -> None:
        below = root.authority("below")
        assert ask(below.fingerprint, serve(below.server(), below)) == 200

    def test_an_authority_vouches_through_another_one(self, root: Identity, serve: Serve) -> None:
        below = root.authority("below")
        assert ask(root.fingerprint, serve(below.server(), below, root)) == 200

    def test_a_forged_intermediate_authority_is_refused(self, root: Identity, serve: Serve) -> None:
        below = root.authority("below")
        double = serve(below.forged().server(), below, root)
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(below.fingerprint, double)
        assert double.exchanges == []

    def test_another_servers_certificate_vouches_for_nobody(
        self, root: Identity, serve: Serve
    ) -> None:
        neighbour = root.server("neighbour.example")
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(
            neighbour.fingerprint, serve(root.server(), neighbour, root)
        )

    def test_the_system_s_authorities_count_for_nothing(
        self, root: Identity, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = authority("known to the system")
        (tmp_path / "system.pem").write_bytes(known.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(root.fingerprint, serve(known.server(), root))

    def test_one_of_the_system_s_authorities_can_be_the_one(
        self, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        known = authority("known to the system")
        (tmp_path / "system.pem").write_bytes(known.pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
        assert ask(known.fingerprint, serve(known.server())) == 200


class TestServersOwn:
    def test_a_certificate_of_its_own_is_enough(self, serve: Serve) -> None:
        own = authority("signs itself")
        assert ask(own.fingerprint, serve(own)) == 200

    @pytest.mark.parametrize(
        "settings", [{"host": "other.example"}, {"expired": True}], ids=["another name", "expired"]
    )
    def test_neither_names_nor_dates_of_it_are_asked(
        self, root: Identity, serve: Serve, settings: dict[str, Any]
    ) -> None:
        own = root.server(**settings)
        assert ask(own.fingerprint, serve(own)) == 200

    def test_beside_another_one_it_proves_nothing(self, root: Identity, serve: Serve) -> None:
        own = root.server()
        double = serve(authority("somebody else").server(), own)
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(own.fingerprint, double)
        assert double.exchanges == []

    def test_a_server_with_another_certificate_is_refused_by_a_sentence_that_names_it(
        self, root: Identity, serve: Serve
    ) -> None:
        own = root.server()
        why = refusal("ab" * 32, serve(own))
        assert why.endswith(
            f": none of the server's certificates has the given fingerprint; it sent those with "
            f"{own.fingerprint}"
        )
        assert "ask its owner for the right one" in explain_unreachable(why)


class TestChanges:
    def test_a_new_certificate_of_the_authority_is_trusted_at_once(
        self, root: Identity, serve: Serve
    ) -> None:
        double = serve(root.server(), root)
        with closing(client(root.fingerprint, double.url)) as asked:
            asked.request("GET", "/", timeout=30)
            asked.close()
            assert double.tls is not None
            show(double.tls, root.server(), root)
            assert asked.request("GET", "/", timeout=30).status == 200

    @pytest.mark.parametrize(
        "of_authority", [True, False], ids=["the authority's", "the server's own"]
    )
    def test_a_server_that_was_trusted_is_not_when_somebody_else_takes_its_place(
        self, root: Identity, serve: Serve, *, of_authority: bool
    ) -> None:
        own = root.server()
        double = serve(own, root)
        fingerprint = root.fingerprint if of_authority else own.fingerprint
        with closing(client(fingerprint, double.url, headers={"connection": "close"})) as asked:
            asked.request("GET", "/", timeout=30)
            assert double.tls is not None
            show(double.tls, root.forged().server(), own, root)
            with pytest.raises(UnreachableError):
                asked.request("GET", "/", timeout=30)
        assert len(double.exchanges) == 1

    def test_what_to_trust_is_found_out_anew_after_a_refusal(self, serve: Serve) -> None:
        itself = authority("signs itself, and others")
        double = serve(itself)
        with closing(
            client(itself.fingerprint, double.url, headers={"connection": "close"})
        ) as asked:
            asked.request("GET", "/", timeout=30)
            assert double.tls is not None
            show(double.tls, itself.server(), itself)
            with pytest.raises(UnreachableError):
                asked.request("GET", "/", timeout=30)
            assert asked.request("GET", "/", timeout=30).status == 200

    def test_of_several_endpoints_an_impostor_is_passed_over(
        self, root: Identity, impostor: ElasticsearchDouble, serve: Serve
    ) -> None:
        honest = serve(root.server(), root)
        assert ask(root.fingerprint, impostor, honest) == 200
        assert (impostor.exchanges, len(honest.exchanges)) == ([], 1)


def test_a_client_certificate_is_shown_to_a_server_that_wants_one(
    root: Identity, serve: Serve, tmp_path: Path
) -> None:
    mine = root.server("shop.example")
    (tmp_path / "root.pem").write_bytes(root.pem)
    (tmp_path / "client.pem").write_bytes(mine.pem)
    (tmp_path / "client.key").write_bytes(mine.key_pem)
    double = serve(
        root.server(), root, verify_mode=ssl.CERT_REQUIRED, maximum_version=ssl.TLSVersion.TLSv1_2
    )
    assert double.tls is not None
    double.tls.load_verify_locations(tmp_path / "root.pem")
    assert (
        ask(
            root.fingerprint,
            double,
            client_certificate=tmp_path / "client.pem",
            client_key=tmp_path / "client.key",
        )
        == 200
    )


@pytest.mark.parametrize("identities", [1, 2, 3])
def test_this_python_tells_every_certificate_that_a_server_sent(
    root: Identity, serve: Serve, identities: int
) -> None:
    double = serve(*(root.server(), root, authority("third"))[:identities])
    sent = pinning.sent_certificates(
        str(HERE), int(double.url.rpartition(":")[2]), pinning.Pin("").context("127.0.0.1"), 30
    )
    assert len(sent) == identities


def test_where_python_keeps_the_others_to_itself_a_servers_own_certificate_is_known(
    root: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = root.server()
    monkeypatch.setattr(pinning, "sent_certificates", lambda *_: [own.der])
    assert (
        pinning.Pin(own.fingerprint).options("127.0.0.1", [own.der])["assert_fingerprint"]
        == own.fingerprint
    )


class TestTheAttackOnEachThatConnects:
    def variables(
        self, root: Identity, double: ElasticsearchDouble, tmp_path: Path
    ) -> dict[str, str]:
        return {
            "OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT": double.url,
            "OTEL_EXPORTER_ELASTICSEARCH_CERTIFICATE_FINGERPRINT": root.fingerprint,
            "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(tmp_path),
        }

    def test_the_exporter_sends_nothing(
        self, root: Identity, impostor: ElasticsearchDouble, tmp_path: Path
    ) -> None:
        exporter = ElasticsearchSpanExporter(
            endpoint=impostor.url,
            certificate_fingerprint=root.fingerprint,
            api_key=KEY,
            spool_directory=str(tmp_path),
        )
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        provider.get_tracer("t").start_span("s").end()
        provider.shutdown()
        assert impostor.exchanges == []

    @pytest.mark.parametrize(
        "words",
        [["setup", "--username", "elastic"], ["setup", "--dry-run", "--username", "elastic"]],
        ids=" ".join,
    )
    def test_setup_sends_nothing(
        self, root: Identity, impostor: ElasticsearchDouble, tmp_path: Path, words: list[str]
    ) -> None:
        environment = {
            **self.variables(root, impostor, tmp_path),
            "OTEL_EXPORTER_ELASTICSEARCH_PASSWORD": "s3cret",
        }
        assert CliRunner().invoke(otel_asayer, words, env=environment).exit_code != 0
        assert impostor.exchanges == []

    @pytest.mark.parametrize(
        "words",
        [
            ["timeline", "2618307011354435587"],
            ["errors"],
            ["forget", "2618307011354435587", "--yes"],
        ],
        ids=" ".join,
    )
    def test_commands_send_nothing(
        self, root: Identity, impostor: ElasticsearchDouble, tmp_path: Path, words: list[str]
    ) -> None:
        environment = {
            **self.variables(root, impostor, tmp_path),
            "OTEL_ASAYER_VIEWER_API_KEY": KEY,
            "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": KEY,
        }
        assert CliRunner().invoke(otel_asayer, words, env=environment).exit_code != 0
        assert impostor.exchanges == []

    def test_the_doctor_sends_nothing_and_says_so(
        self, root: Identity, impostor: ElasticsearchDouble, tmp_path: Path
    ) -> None:
        environment = {
            **self.variables(root, impostor, tmp_path),
            "OTEL_EXPORTER_ELASTICSEARCH_API_KEY": KEY,
        }
        result = CliRunner().invoke(otel_asayer, ["doctor", "--json"], env=environment)
        found = {finding["name"]: finding for finding in json.loads(result.stdout)}
        assert (result.exit_code, found["endpoint"]["status"], impostor.exchanges) == (
            1,
            "problem",
            [],
        )
