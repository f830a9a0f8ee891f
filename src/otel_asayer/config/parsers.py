"""Parsers of the settings' texts; each raises `BadValueError`, which says what is expected.

No message repeats a value that may be secret.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from string import Formatter
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

__all__ = [
    "REPLAY_URL_FIELDS",
    "BadValueError",
    "FailClosed",
    "Problem",
    "as_text",
    "cloud_endpoint",
    "parse_api_key",
    "parse_boolean",
    "parse_choice",
    "parse_cloud_id",
    "parse_cookie_name",
    "parse_dataset",
    "parse_directory",
    "parse_endpoints",
    "parse_file",
    "parse_fingerprint",
    "parse_header_names",
    "parse_headers",
    "parse_integer",
    "parse_namespace",
    "parse_password",
    "parse_pipeline",
    "parse_replay_url",
    "parse_seconds",
    "parse_secret",
]

REPLAY_URL_FIELDS: Final = frozenset({"session_id", "time_ms", "offset_ms"})

# Not compiled: every process loads this module, and most set few variables.
_NAME: Final = (
    r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # of headers and cookies: RFC 9110, section 5.6.2, token
)
_VISIBLE: Final = r"[!-~]+"
_HEADER_VALUE: Final = r"[ !-~\t]*"
_API_KEY: Final = r"[A-Za-z0-9+/_-]+={0,2}"
_FINGERPRINT: Final = r"[0-9a-f]{64}"
_DATA_STREAM_PART: Final = (
    r"[^-\\/*?\"<>| ,#:A-Z+_.\x00-\x1f\x7f][^\\/*?\"<>| ,#:A-Z\x00-\x1f\x7f]{0,99}"
)


class BadValueError(ValueError):
    """A setting's text cannot be used; the message says what was expected."""


class FailClosed(Enum):
    """What a bad value leads to, so that nothing leaves the process unprotected."""

    NOTHING = "its default is used"
    UNKNOWN = "it has no effect"
    TARGETS = "no session id leaves the process"
    EXPORTER = "nothing is sent to Elasticsearch"


class Problem(NamedTuple):
    """A setting that cannot be used as it stands.

    `message` is a sentence without the value; `closes` is what is turned off because of it.
    """

    variable: str
    message: str
    closes: FailClosed

    def __str__(self) -> str:
        return f"{self.variable}: {self.message}; {self.closes.value}"


def as_text(value: Any) -> str:
    """Return the text that a variable would hold for `value`.

    So one parser serves variables, arguments, and lists and numbers from YAML.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        value = tuple(value.items())
    return ",".join(map(_item, value)) if isinstance(value, (list, tuple)) else str(value)


def _item(item: Any) -> str:
    """Return the text of a list's item; a pair has the form of the headers' variable."""
    if not isinstance(item, (list, tuple)):
        return str(item)
    name, value = item
    return f"{name}={quote(as_text(value))}"


def _matching(text: str, pattern: str, expected: str) -> str:
    """Return `text` if all of it matches `pattern`."""
    if not re.fullmatch(pattern, text):
        raise BadValueError(expected)
    return text


def parse_boolean(text: str) -> bool:
    """`true` or `false`, in any case."""
    return _matching(text.strip().lower(), "true|false", "expected 'true' or 'false'") == "true"


def parse_seconds(text: str) -> float:
    """Seconds, above 0 and at most 300."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 300:  # noqa: PLR2004 (NaN fails here as well)
        raise BadValueError("expected seconds, above 0 and at most 300")
    return seconds


def parse_integer(least: int, most: int) -> Callable[[str], int]:
    """A parser of integers from `least` to `most`."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise BadValueError(f"expected a whole number from {least} to {most}")
        return number

    return parse


def parse_choice(*choices: str) -> Callable[[str], str]:
    """A parser of one word out of `choices`, in any case."""
    return lambda text: _matching(
        text.strip().lower(), "|".join(choices), "expected one of " + ", ".join(choices)
    )


def parse_header_names(text: str) -> tuple[str, ...]:
    """Names of headers, comma-separated, in lower case."""
    names = tuple(name for part in text.split(",") if (name := part.strip().lower()))
    if not names or not all(re.fullmatch(_NAME, name) for name in names):
        raise BadValueError("expected names of headers, divided by commas")
    return names


def parse_cookie_name(text: str) -> str:
    """A cookie's name, or nothing."""
    return _matching(text.strip(), f"(?:{_NAME})?", "expected a cookie's name")


def parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    """`name=value` pairs, comma-separated, values percent-encoded."""
    headers = []
    for pair in filter(None, map(str.strip, text.split(","))):
        name, equals, value = pair.partition("=")
        header = (name.strip().lower(), unquote(value.strip()))
        if (
            not equals
            or not re.fullmatch(_NAME, header[0])
            or not re.fullmatch(_HEADER_VALUE, header[1])
        ):
            raise BadValueError(
                "expected name=value pairs, divided by commas, values percent-encoded"
            )
        headers.append(header)
    return tuple(headers)


def parse_endpoints(text: str) -> tuple[str, ...]:
    """URLs, comma-separated; each comes back with its port and without a trailing slash."""
    return tuple(_endpoint(part.strip()) for part in text.split(",") if part.strip())


def _endpoint(url: str) -> str:
    if not re.fullmatch(_VISIBLE, url) or "\\" in url:
        raise BadValueError(
            "expected URLs of visible ASCII characters without a backslash, divided by commas"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadValueError(
            "expected URLs, divided by commas; a port is a number up to 65535"
        ) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadValueError("expected URLs that begin with http:// or https://, divided by commas")
    if "@" in parts.netloc:
        raise BadValueError(
            "expected URLs without user and password; those have variables of their own"
        )
    if parts.query or parts.fragment:
        raise BadValueError("expected URLs without a query")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{host}:{port or default}{parts.path.rstrip('/')}"


def parse_cloud_id(text: str) -> str:
    """An Elastic Cloud ID, `name:base64`."""
    return _matching(
        text.strip(),
        f"(?=.*:){_VISIBLE}",
        "expected a Cloud ID, name:base64, as the deployment's page shows it",
    )


def cloud_endpoint(cloud_id: str) -> str:
    """Return the URL of Elasticsearch that a Cloud ID stands for.

    Behind the colon it holds, in base64, `host[:port]$id of Elasticsearch$id of Kibana`.
    https://www.elastic.co/docs/deploy-manage/deploy/elastic-cloud/find-cloud-id

    >>> cloud_endpoint("shop:ZXUuZXhhbXBsZTo5MjQzJGFiYw==")
    'https://abc.eu.example:9243'

    Raises:
        ValueError: it names no Elasticsearch.
    """
    try:
        host, _, ids = b64decode(cloud_id.rpartition(":")[2]).decode("ascii").partition("$")
        name, _, port = host.partition(":")
        deployment = ids.partition("$")[0]
        if deployment and name:
            return f"https://{deployment}.{name}:{int(port or 443)}"
    except ValueError:
        pass
    raise ValueError("the Cloud ID names no Elasticsearch")


def parse_secret(text: str) -> str:
    """A password or token: visible characters, or spaces inside."""
    return _matching(
        text.strip("\r\n"), f"(?!$){_HEADER_VALUE}", "expected visible ASCII characters"
    )


def parse_password(text: str) -> str:
    """A password, of any characters but control characters."""
    if not text or not text.isprintable():
        raise BadValueError("expected printable characters")
    return text


def parse_api_key(text: str) -> str:
    """An API key in its encoded form; `id:key` is encoded."""
    key = text.strip()
    if key.count(":") == 1 and re.fullmatch(_VISIBLE, key):
        key = b64encode(key.encode()).decode()
    return _matching(
        key, _API_KEY, "expected an API key, the field 'encoded' of the answer that created it"
    )


def parse_file(text: str) -> str:
    """The path of a file that can be read."""
    path = Path(text.strip())
    try:
        with path.open("rb"):
            return str(path)
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        raise BadValueError(
            f"expected a file that can be read, and {path} gives: "
            f"{getattr(error, 'strerror', error)}"
        ) from None


def parse_directory(text: str) -> str:
    """The absolute path of a folder, which need not exist yet."""
    path = text.strip()
    if not Path(path).is_absolute() or "\0" in path:
        raise BadValueError("expected the absolute path of a folder")
    return path


def parse_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint in hex; colons are dropped."""
    return _matching(
        text.strip().replace(":", "").lower(),
        _FINGERPRINT,
        "expected the certificate's SHA-256 fingerprint, 64 hexadecimal digits",
    )


def parse_dataset(text: str) -> str:
    """Dataset of a data stream's name: lower case, without `-`; `.otel` is appended later."""
    if "-" in text:
        raise BadValueError(
            "expected a data stream's dataset: lower case, no '-', no spaces, none of \\/*?\"<>|,#:"
        )
    return parse_namespace(text)


def parse_namespace(text: str) -> str:
    """Namespace of a data stream's name: lower case."""
    return _matching(
        text.strip(),
        _DATA_STREAM_PART,
        "expected a part of a data stream's name: at most 100 characters, lower case, no "
        'spaces, none of \\/*?"<>|,#:',
    )


def parse_pipeline(text: str) -> str:
    """Name of an ingest pipeline."""
    return _matching(text.strip(), _VISIBLE, "expected the name of an ingest pipeline")


def parse_replay_url(text: str) -> str:
    """Template of a replay's URL: only the known placeholders, `{session_id}` among them."""
    template = text.strip()
    try:
        names = {
            name for _, name, spec, conversion in Formatter().parse(template) if name is not None
        }
        plain = all(
            not spec and not conversion for _, _, spec, conversion in Formatter().parse(template)
        )
    except ValueError:
        names, plain = set(), False
    if "session_id" not in names or not names <= REPLAY_URL_FIELDS or not plain:
        raise BadValueError(
            "expected a URL with {session_id} in it, and besides it only {time_ms} or {offset_ms}"
        )
    if not template.startswith(("http://", "https://")) or not re.fullmatch(_VISIBLE, template):
        raise BadValueError("expected a URL that begins with http:// or https://")
    return template
