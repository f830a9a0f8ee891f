"""What the doctor says about the server itself.

That a real one answers so is shown in `tests/integration`.
"""

from __future__ import annotations

import ssl
import time
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from otel_asayer.cli.doctor.examination import Status
from otel_asayer.cli.doctor.server import (
    check_certificates,
    check_clock,
    check_endpoints,
    check_failure_stores,
    check_tls,
    check_version,
)
from otel_asayer.config import Config
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.testing import ElasticsearchDouble, Fault, status
from unit.cli.doctor.support import config, examined, short, statuses

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)
FORBIDDEN = (
    403,
    {
        "error": {
            "reason": "action [x] is unauthorized, this action is granted by the cluster "
            "privileges [monitor,manage,all]"
        }
    },
)
SECURED = config(endpoint="https://es.example:9200")


@pytest.mark.parametrize("number", [401, 403])
def test_an_endpoint_that_answers_is_well_though_it_refuses_the_key(number: int) -> None:
    with ElasticsearchDouble() as double:
        double.reply_with(status(number))
        assert short(check_endpoints(config(endpoint=double.url), seconds=30)) == [
            ("ok", f"{double.url} answers")
        ]


def test_an_endpoint_that_cannot_do_its_work_is_a_problem() -> None:
    with ElasticsearchDouble() as double:
        double.reply_with(status(503, {"error": {"reason": "no master"}}))
        assert short(check_endpoints(config(endpoint=double.url), seconds=30)) == [
            (
                "problem",
                (
                    f"{double.url}: Elasticsearch answered 503 when asked who it is: no master. It "
                    f"is "
                    f"starting, or has no master: try again later."
                ),
            )
        ]


def test_when_no_endpoint_answers_that_is_a_problem() -> None:
    (result,) = check_endpoints(config(), seconds=30)
    assert result.status == Status.PROBLEM
    assert "Connection refused. Nothing listens there" in result.detail


def test_an_endpoint_that_is_down_beside_another_is_a_warning() -> None:
    with ElasticsearchDouble() as double:
        assert statuses(
            check_endpoints(config(endpoint=f"http://127.0.0.1:9,{double.url}"), seconds=30)
        ) == [Status.WARNING, Status.OK]


def test_a_server_that_hangs_is_given_up() -> None:
    with ElasticsearchDouble() as double:
        double.reply_with(Fault.HANG)
        (result,) = check_endpoints(config(endpoint=double.url), seconds=0.2)
        assert result.status == Status.PROBLEM
        assert "no answer within" in result.detail


def test_what_is_no_elasticsearch_is_a_problem() -> None:
    with ElasticsearchDouble() as double:
        double.reply_with(status(200, {})._replace(headers={}))
        (result,) = check_endpoints(config(endpoint=double.url), seconds=30)
        assert "this is not Elasticsearch" in result.detail


def expired(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert(
        "127.0.0.1", not_before=NOW - timedelta(days=9000), not_after=NOW - timedelta(days=8000)
    )


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (expired, "Its certificate has expired"),
        (
            lambda authority: authority.issue_cert("elsewhere.example"),
            "Its certificate is made for other names",
        ),
        (
            lambda _: trustme.CA().issue_cert("127.0.0.1"),
            "An authority that is unknown here signed its certificate",
        ),
    ],
    ids=["expired", "other host", "other authority"],
)
def test_a_certificate_that_is_not_good_is_explained(
    tmp_path: Path, make: Any, advice: str
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    make(authority).configure_cert(context)
    with ElasticsearchDouble(tls=context) as double:
        (result,) = check_endpoints(
            config(endpoint=double.url, certificate=str(tmp_path / "ca.crt")), seconds=30
        )
    assert result.status == Status.PROBLEM
    assert advice in result.detail


def test_a_file_that_holds_no_certificate_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("no certificate")
    settings = config(endpoint="https://es.example", certificate=str(tmp_path / "ca.crt"))
    assert short(check_tls(settings, now=NOW)) == [
        ("problem", f"{tmp_path}/ca.crt holds no certificate")
    ]


def version(number: str) -> list[tuple[str, str]]:
    return short(
        check_version(
            examined({"GET /": (200, {"version": {"number": number}, "cluster_name": "shop"})})
        )
    )


def test_a_version_of_today_is_well() -> None:
    assert version("9.4.3") == [("ok", "Elasticsearch 9.4.3, cluster shop")]


def test_serverless_has_no_version() -> None:
    answer = {"version": {"number": "8.11.0", "build_flavor": "serverless"}, "cluster_name": "shop"}
    assert short(check_version(examined({"GET /": (200, answer)}))) == [
        ("ok", "Elasticsearch Serverless, cluster shop")
    ]


def test_a_version_that_does_not_take_our_templates_is_a_warning() -> None:
    assert version("8.14.0") == [
        (
            "warning",
            (
                "Elasticsearch 8.14.0 does not accept our templates for spans and log records, "
                "which need 8.15"
            ),
        )
    ]


def test_a_version_that_is_too_old_is_an_error() -> None:
    with pytest.raises(ElasticsearchError, match=r"8\.12 is the oldest"):
        version("8.11.4")


def test_a_version_that_may_not_be_seen_is_skipped() -> None:
    assert statuses(check_version(examined({"GET /": FORBIDDEN}))) == [Status.SKIPPED]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (config(), ("ok", "not used, on loopback")),
        (
            config(endpoint="http://es.example"),
            ("warning", "Credentials and telemetry go unencrypted to http://es.example:80"),
        ),
        (SECURED, ("ok", "the certificate is checked against the system's authorities")),
        (
            config(endpoint="https://es.example", certificate_fingerprint="0" * 64),
            ("ok", "the certificate has the given fingerprint"),
        ),
        (
            Config.from_environment({}, cloud_id="shop:eA=="),
            ("ok", "the certificate is checked against the system's authorities"),
        ),
    ],
)
def test_the_way_is_protected(settings: Config, expected: tuple[str, str]) -> None:
    assert short(check_tls(settings, now=NOW)) == [expected]


def test_certificates_that_are_not_checked_are_a_warning() -> None:
    assert statuses(
        check_tls(config(endpoint="https://es.example", verify_certs=False), now=NOW)
    ) == [Status.WARNING]


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (datetime(2100, 1, 1, tzinfo=timezone.utc), Status.OK),
        (datetime(3001, 1, 1, tzinfo=timezone.utc), Status.PROBLEM),
    ],
)
def test_the_authoritys_certificate_ends_some_day(
    tmp_path: Path, now: datetime, status: Status
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
    assert statuses(
        check_tls(
            config(endpoint="https://es.example", certificate=str(tmp_path / "ca.crt")), now=now
        )
    ) == [status]


def certificates(*expiries: str, private: bool = True) -> list[tuple[str, str]]:
    listed = [{"expiry": expiry, "has_private_key": private} for expiry in expiries]
    return short(
        check_certificates(examined({"GET /_ssl/certificates": (200, listed)}, SECURED), now=NOW)
    )


def test_the_servers_certificate_that_ends_first_counts() -> None:
    assert certificates("2030-01-01T00:00:00.000Z", "2028-01-01T00:00:00.000Z") == [
        ("ok", "those of the server are good until 2028-01-01")
    ]


def test_a_certificate_that_ends_soon_is_a_warning() -> None:
    assert certificates("2026-12-01T00:00:00.000Z") == [
        (
            "warning",
            "A certificate of the server expires on 2026-12-01; nothing can be sent after that",
        )
    ]


def test_authorities_that_the_server_trusts_do_not_count() -> None:
    assert certificates("2020-01-01T00:00:00.000Z", private=False) == [
        ("ok", "those of the server are there")
    ]


def test_without_tls_there_are_no_certificates() -> None:
    assert short(check_certificates(examined({}), now=NOW)) == [("skipped", "TLS is not used")]


def clock(*offsets_ms: float) -> list[tuple[str, str]]:
    nodes = {
        str(number): {"timestamp": time.time() * 1000 + offset}
        for number, offset in enumerate(offsets_ms)
    }
    return short(check_clock(examined({"GET /_nodes/stats/process": (200, {"nodes": nodes})})))


def test_clocks_that_agree_are_well() -> None:
    assert clock(0, 0) == [("ok", "agrees with this machine's")]


@pytest.mark.parametrize(("offset", "direction"), [(3_600_000, "ahead of"), (-3_600_000, "behind")])
def test_the_clock_that_is_off_most_counts(offset: float, direction: str) -> None:
    ((kind, detail),) = clock(0, offset)
    assert kind == "warning"
    assert f" s {direction} this machine's" in detail


def test_who_may_not_see_the_clock_is_told_which_privilege_is_missing() -> None:
    with pytest.raises(NotAllowedError, match="'monitor' is missing"):
        list(check_clock(examined({"GET /_nodes/stats/process": FORBIDDEN})))


STORES = "GET /_data_stream/traces-*.otel-*,logs-*.otel-*,logs.otel*"


def stores(*told: dict[str, Any], code: int = 200) -> list[tuple[str, str]]:
    streams = [{"name": f"logs-{number}.otel-x", **one} for number, one in enumerate(told)]
    return short(check_failure_stores(examined({STORES: (code, {"data_streams": streams})})))


def test_failure_stores_that_are_on_are_named_and_are_no_problem() -> None:
    ((status, detail),) = stores(
        {"failure_store": {"enabled": True}},
        {"failure_store": {"enabled": False}},
        {"failure_store": {"enabled": True}},
    )
    assert status == "ok"
    assert detail.partition(":")[0] == "on for logs-0.otel-x, logs-2.otel-x"


def test_failure_stores_that_are_off_are_well() -> None:
    assert stores({"failure_store": {"enabled": False}}, {}) == [
        ("ok", "off for the data streams that exist")
    ]


@pytest.mark.parametrize(
    ("told", "code"), [([], 200), ([{}], 200), ([], 400), ([], 404), ([], 405)]
)
def test_a_server_that_knows_no_failure_stores_is_told_nothing_of_them(
    told: list[dict[str, Any]], code: int
) -> None:
    assert stores(*told, code=code) == []


@pytest.mark.parametrize("code", [403, 500])
def test_failure_stores_that_may_not_be_listed_are_not_seen_from_here(code: int) -> None:
    ((status, detail),) = stores(code=code)
    assert status == "skipped"
    assert detail.startswith("not seen from here. ")
