"""The way to Elasticsearch: options go before variables, and credentials are never mixed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner, Result

from otel_asayer.cli.options import connection, require_destination

if TYPE_CHECKING:
    from otel_asayer.config import Config

PREFIX = "OTEL_EXPORTER_ELASTICSEARCH_"
KEY, OTHER_KEY = "aWQ6a2V5LW9mLXRoZS1leHBvcnRlcg==", "aWQ6YW5vdGhlci1rZXktZW50aXJlbHk="


def shown(config: Config) -> None:
    require_destination(config)
    credentials = {
        "key": config.api_key,
        "file": config.api_key_file and Path(config.api_key_file).name,
        "user": config.username and f"{config.username}:{config.password}",
        "token": config.bearer_token,
    }
    where = ",".join(config.endpoint) or config.cloud_id
    given = (f"{name}={value}" for name, value in credentials.items() if value)
    click.echo(" ".join(filter(None, (where, *given))))


@click.command()
@connection(viewer=True)
def viewing(config: Config) -> None:
    shown(config)


@click.command()
@connection(personal=True)
def personal(config: Config) -> None:
    shown(config)


@click.command()
@connection()
def trusting(config: Config) -> None:
    click.echo(
        f"{Path(config.certificate or '-').name} {config.certificate_fingerprint} "
        f"{config.verify_certs} {config.spool_directory}"
    )


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(f"{PREFIX}ENDPOINT", "https://es:9200")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "key").write_text(OTHER_KEY)
    (tmp_path / "ca.pem").write_text("x")


def run(command: click.Command, *words: str, typed: str | None = None, **variables: str) -> Result:
    named = {
        name if name.startswith("OTEL_") else f"{PREFIX}{name}": value
        for name, value in variables.items()
    }
    return CliRunner().invoke(command, words, input=typed, env={"COLUMNS": "200", **named})


def said(command: click.Command, *words: str, typed: str | None = None, **variables: str) -> str:
    result = run(command, *words, typed=typed, **variables)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_the_exporters_variables_lead_there() -> None:
    assert said(personal, API_KEY=KEY) == f"https://es:9200 key={KEY}"


def test_an_option_goes_before_its_variable() -> None:
    assert (
        said(personal, "--endpoint", "https://other:9200", API_KEY=KEY)
        == f"https://other:9200 key={KEY}"
    )


def test_a_cloud_id_replaces_the_variables_endpoint() -> None:
    assert said(personal, "--cloud-id", "a:ZXMuZXhhbXBsZSRhYmM=") == "a:ZXMuZXhhbXBsZSRhYmM="


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--api-key", OTHER_KEY], f"key={OTHER_KEY}"),
        (["--api-key-file", "key"], "file=key"),
        (["--username", "ann", "--password", "secret"], "user=ann:secret"),
        (["--bearer-token", "abc"], "token=abc"),
    ],
)
@pytest.mark.parametrize(
    "variables", [{"API_KEY": KEY}, {"USERNAME": "bob", "PASSWORD": "x"}, {"BEARER_TOKEN": "y"}]
)
def test_credentials_of_options_replace_all_of_the_variables(
    words: list[str], expected: str, variables: dict[str, str]
) -> None:
    assert said(personal, *words, **variables) == f"https://es:9200 {expected}"


def test_a_user_names_password_is_asked_for_and_not_shown() -> None:
    result = run(personal, "--username", "ann", typed="secret\n", API_KEY=KEY)
    assert result.exit_code == 0
    assert result.stdout == "https://es:9200 user=ann:secret\n"
    assert "Password of ann: " in result.stderr
    assert "secret" not in result.stderr


def test_a_user_names_password_may_be_a_variables() -> None:
    assert (
        said(personal, "--username", "ann", PASSWORD="secret", USERNAME="bob")
        == "https://es:9200 user=ann:secret"
    )


def test_nobody_who_gives_a_password_is_no_password() -> None:
    assert run(personal, "--username", "ann", typed="").exit_code == 1


def test_a_password_without_a_user_is_wrong_usage() -> None:
    result = run(personal, "--password", "secret")
    assert result.exit_code == 2
    assert "expected a user name and a password" in result.output
    assert "secret" not in result.output


def test_options_that_exclude_each_other_are_wrong_usage() -> None:
    result = run(personal, "--api-key", KEY, "--bearer-token", "abc")
    assert result.exit_code == 2
    assert "there are several" in result.output
    assert KEY not in result.output


def test_variables_that_exclude_each_other_are_wrong_usage() -> None:
    result = run(personal, API_KEY=KEY, BEARER_TOKEN="abc")
    assert result.exit_code == 2
    assert "The connection to Elasticsearch is not usable" in result.output


def test_nowhere_is_wrong_usage() -> None:
    result = run(personal, ENDPOINT="")
    assert result.exit_code == 2
    assert "set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, or give --endpoint" in result.output


def test_who_views_uses_the_viewers_key() -> None:
    assert (
        said(viewing, API_KEY=KEY, OTEL_ASAYER_VIEWER_API_KEY=OTHER_KEY)
        == f"https://es:9200 key={OTHER_KEY}"
    )


def test_who_views_without_a_key_for_it_uses_the_exporters() -> None:
    assert said(viewing, API_KEY=KEY) == f"https://es:9200 key={KEY}"


@pytest.mark.parametrize(
    "variables",
    [{"API_KEY_FILE": "/nowhere"}, {"API_KEY": KEY, "BEARER_TOKEN": "x"}, {"USERNAME": "bob"}],
)
def test_with_a_viewers_key_what_is_wrong_with_the_exporters_is_no_matter(
    variables: dict[str, str],
) -> None:
    assert (
        said(viewing, OTEL_ASAYER_VIEWER_API_KEY=OTHER_KEY, **variables)
        == f"https://es:9200 key={OTHER_KEY}"
    )


def test_an_option_goes_before_the_viewers_key() -> None:
    assert (
        said(viewing, "--api-key", KEY, OTEL_ASAYER_VIEWER_API_KEY=OTHER_KEY)
        == f"https://es:9200 key={KEY}"
    )


def test_a_viewers_key_that_is_none_is_wrong_usage() -> None:
    result = run(viewing, API_KEY=KEY, OTEL_ASAYER_VIEWER_API_KEY="no key!")
    assert result.exit_code == 2
    assert "OTEL_ASAYER_VIEWER_API_KEY: " in result.output
    assert "no key!" not in result.output


def test_one_way_to_trust_replaces_the_other() -> None:
    fingerprint = "ab" * 32
    assert (
        said(trusting, "--certificate", "ca.pem", CERTIFICATE_FINGERPRINT=fingerprint)
        == "ca.pem None True None"
    )
    assert (
        said(trusting, "--certificate-fingerprint", fingerprint, CERTIFICATE="ca.pem")
        == f"- {fingerprint} True None"
    )


def test_checks_of_certificates_are_left_out_only_on_request() -> None:
    assert said(trusting, "--no-verify-certs") == "- None False None"
    assert said(trusting, "--verify-certs", VERIFY_CERTS="false") == "- None True None"


def test_the_folder_of_the_spool_is_an_option_too(tmp_path: Path) -> None:
    assert (
        said(trusting, "--spool-directory", "spool", SPOOL_DIRECTORY="/elsewhere")
        == f"- None True {tmp_path / 'spool'}"
    )


def test_a_value_that_cannot_be_used_is_wrong_usage() -> None:
    result = run(personal, "--endpoint", "es:9200")
    assert result.exit_code == 2
    assert "The argument endpoint cannot be used" in result.output
