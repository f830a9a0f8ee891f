"""A person's requests: answers come parsed, and failures as sentences."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from otel_asayer.config import Config
from otel_asayer.elasticsearch.api import Answer, Api, Identity
from otel_asayer.elasticsearch.client import Response
from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.testing import ElasticsearchDouble, Fault, status

UNAUTHORIZED = status(
    401, {"error": {"reason": "unable to authenticate with provided credentials"}}
)
MAY_NOT = (
    "action [x] is unauthorized for API key on indices [logs-*], this action is granted by the "
    "index privileges [read,all]"
)
FORBIDDEN = status(403, {"error": {"reason": MAY_NOT}})


def answering(*replies: Response | Fault) -> tuple[Api, ElasticsearchDouble]:
    double = ElasticsearchDouble()
    double.reply_with(*replies)
    return Api(double), double


def refused(*replies: Response | Fault) -> tuple[type[ElasticsearchError], str]:
    api, _ = answering(*replies)
    with pytest.raises(ElasticsearchError) as raised:
        api.expect("POST", "/_search", {}, doing="to search logs")
    return type(raised.value), str(raised.value)


def test_a_body_is_sent_as_json_and_bytes_as_they_are() -> None:
    api, double = answering(status(200, {}), status(200, {}), status(200, {}))
    api.ask("POST", "/a", {"size": 1})
    api.ask("POST", "/b", b"{}\n")
    api.ask("GET", "/c")
    assert [(one.method, one.target, one.body) for one in double.exchanges] == [
        ("POST", "/a", b'{"size":1}'),
        ("POST", "/b", b"{}\n"),
        ("GET", "/c", b""),
    ]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (status(200, {"a": 1}), Answer(200, {"a": 1})),
        (status(200, [1, 2]), Answer(200, {"list": [1, 2]})),
        (status(200), Answer(200, {})),
        (status(404, {"error": "x"}), Answer(404, {"error": "x"})),
        (Response(502, {}, b"<html>Bad gateway</html>"), Answer(502, {})),
        (Response(200, {}, rb'{"a": "\ud83d"}'), Answer(200, {"a": "\ud83d"})),
    ],
)
def test_an_answer_comes_with_its_status_and_parsed(reply: Response, expected: Answer) -> None:
    api, _ = answering(reply)
    assert api.ask("GET", "/") == expected


def test_a_success_that_is_no_json_is_an_error() -> None:
    assert refused(Response(200, {}, b"<html>")) == (
        ElasticsearchError,
        (
            "Elasticsearch answered 200, and the answer is not JSON. Check whether something "
            "between here and there changes it."
        ),
    )


def test_nobody_who_answers_is_an_error_with_what_to_do() -> None:
    kind, said = refused(Fault.HANG)
    assert kind == ElasticsearchError
    assert said == (
        "Elasticsearch cannot be reached: no answer within 10 s. "
        "A firewall or a server that hangs swallows the request: check host, port and network."
    )


def test_what_is_not_allowed_is_an_error_of_its_own() -> None:
    assert refused(FORBIDDEN) == (
        NotAllowedError,
        (
            "Not allowed to search logs: the index privilege 'read' on logs-* is missing. Use a "
            "key or "
            "user that has it."
        ),
    )
    assert refused(UNAUTHORIZED)[0] is NotAllowedError


def test_another_refusal_is_no_question_of_rights() -> None:
    assert refused(status(429, {"error": {"reason": "busy"}})) == (
        ElasticsearchError,
        (
            "Elasticsearch answered 429 when asked to search logs: busy. It is overloaded: try "
            "again "
            "later."
        ),
    )


def test_what_the_server_does_not_have_can_be_nothing() -> None:
    api, _ = answering(status(404, {"error": "no such index"}))
    assert api.expect("POST", "/_pit", doing="to search", or_nothing=True) == {}


def test_elastic_serverless_is_of_today_whatever_its_number() -> None:
    api, _ = answering(
        status(
            200,
            {"version": {"number": "8.11.0", "build_flavor": "serverless"}, "cluster_name": "shop"},
        )
    )
    assert api.identify() == Identity("8.11.0", "shop", serverless=True)


def test_it_says_who_answers() -> None:
    api, _ = answering(status(200, {"version": {"number": "8.12.0"}, "cluster_name": "shop"}))
    assert api.identify() == Identity("8.12.0", "shop")


def test_who_may_not_ask_for_the_version_is_served_without() -> None:
    api, _ = answering(status(403, {"error": {"reason": "no"}}))
    assert api.identify() is None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"version": {"number": "7.17.9"}}, "7.17.9"),
        ({"version": {"number": "8.11.4"}}, "8.11.4"),
        ({"version": "x"}, "of an unknown version"),
        ({}, "of an unknown version"),
        ({"version": {"number": "new"}}, "new"),
    ],
)
def test_an_old_version_is_not_served(content: dict[str, Any], found: str) -> None:
    api, _ = answering(status(200, content))
    with pytest.raises(ElasticsearchError) as raised:
        api.identify()
    assert (
        str(raised.value)
        == f"This is Elasticsearch {found}, and 8.12 is the oldest supported version: update it."
    )


@pytest.mark.parametrize(
    ("reply", "kind"), [(UNAUTHORIZED, NotAllowedError), (status(503, {}), ElasticsearchError)]
)
def test_who_does_not_say_who_it_is_is_an_error(
    reply: Response, kind: type[ElasticsearchError]
) -> None:
    api, _ = answering(reply)
    with pytest.raises(ElasticsearchError) as raised:
        api.identify()
    assert type(raised.value) is kind


def test_it_reaches_the_elasticsearch_that_the_settings_name() -> None:
    with (
        ElasticsearchDouble() as double,
        closing(Api.from_config(Config.from_environment({}, endpoint=double.url))) as api,
    ):
        assert api.identify() == Identity("9.4.3", "double")
