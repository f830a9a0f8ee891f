"""The oldest releases that may be installed beside us have no known hole that our use of them
reaches; SECURITY.md names them."""

from __future__ import annotations

from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement

from otel_asayer.elasticsearch.api import Api
from otel_asayer.elasticsearch.bulk import MalformedAnswerError, judge_request, parse_answer
from otel_asayer.elasticsearch.client import Response
from otel_asayer.errors import ElasticsearchError
from otel_asayer.testing import ElasticsearchDouble

DEEP = b"[" * 1_000_000
"""What ended a process with orjson 3.9.14."""


@pytest.mark.parametrize(
    ("name", "with_hole", "without"),
    [
        ("orjson", "3.9.14", "3.9.15"),
        ("jinja2", "3.1.5", "3.1.6"),
        ("starlette", "0.49.0", "0.49.1"),
        ("h11", "0.14.0", "0.16.0"),
    ],
)
def test_a_release_with_a_known_hole_is_not_admitted(
    name: str, with_hole: str, without: str
) -> None:
    admitted = {
        one.specifier for one in map(Requirement, requires("otel-asayer") or ()) if one.name == name
    }
    assert {(with_hole in specifier, without in specifier) for specifier in admitted} == {
        (False, True)
    }


def test_an_answer_that_is_nested_beyond_all_reason_is_no_answer() -> None:
    double = ElasticsearchDouble()
    double.reply_with(Response(200, {}, DEEP))
    with pytest.raises(ElasticsearchError, match="the answer is not JSON"):
        Api(double).ask("GET", "/")


def test_an_error_that_is_nested_beyond_all_reason_says_nothing() -> None:
    assert judge_request(500, DEEP).reason == ""


def test_a_bulk_answer_that_is_nested_beyond_all_reason_is_none() -> None:
    with pytest.raises(MalformedAnswerError):
        parse_answer(DEEP, 1)
