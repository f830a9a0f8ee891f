"""`otel-asayer timeline` on the local store:

what it shows, filters, follows and says when there is nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from otel_asayer.cli import timeline as command, timeline_view
from otel_asayer.cli.commands import otel_asayer
from otel_asayer.config import Config
from otel_asayer.errors import ElasticsearchError
from otel_asayer.spool import Destination, Spool, SpoolError
from otel_asayer.timeline import (
    MAX_EVENTS,
    Part,
    Selection,
    SessionFilter,
    SessionSummary,
    Stored,
    Timeline,
)
from otel_asayer.timeline.stored import first
from otel_asayer.timeline.stores import nothing_stored
from unit.timeline.support import (
    REPLAY_URL,
    SESSION,
    START_NS,
    TOKEN,
    TRACE,
    log,
    operation,
    raised,
    span,
)

from instrumented import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

REQUEST = span(
    "GET /cart",
    1500,
    ms=132,
    kind="Server",
    service="storefront",
    attributes={
        "http.request.method": "GET",
        "http.route": "/cart",
        "http.response.status_code": 500,
    },
)
PRICE = span("price", 1510, parent="GET /cart", ms=1.2, service="pricing")
LOGGED = log("two lamps left", 1511, severity=13, inside="price", service="pricing")
FAILED = raised("KeyError", "'lamp'", 1520, inside="GET /cart", service="storefront")
CART = (FAILED, PRICE, LOGGED, REQUEST)

COUNTS = "1 request · 2 spans · 1 log record · 1 error"
SHOWN = f"""\
Session {SESSION}
started 2024-01-24 02:27:39.324 UTC · 1.6 s long · 2 services · {COUNTS}

   +0:01.500  storefront  ▶ GET /cart 500  132 ms
   +0:01.510  pricing       ─ price  1.2 ms
   +0:01.511  pricing         ! two lamps left
   +0:01.520  storefront    ✖ KeyError: 'lamp'
"""


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL", "on_failure")
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY", str(tmp_path / "spool"))


def run(*words: str, **variables: str) -> Result:
    return CliRunner().invoke(otel_asayer, ["timeline", *words], env={"COLUMNS": "80", **variables})


def test_a_session_is_shown_in_order(keep: Callable[..., None]) -> None:
    keep(*CART)
    result = run(SESSION)
    assert result.exit_code == 0
    assert result.output == SHOWN


def test_replay_records_are_not_shown_for_they_repeat_the_rest(keep: Callable[..., None]) -> None:
    keep(
        *CART,
        Stored("asayer-logs-default", "r", {"message": "x", "attributes": {"session.id": SESSION}}),
    )
    assert run(SESSION).output == SHOWN


@pytest.mark.parametrize(
    "subject", [TOKEN, f"https://app.openreplay.com/1/session/{SESSION}?jumpto=1"]
)
def test_a_token_or_address_shows_the_same_and_is_not_repeated(
    keep: Callable[..., None], subject: str
) -> None:
    keep(*CART)
    assert run(subject).stdout == SHOWN


@pytest.mark.parametrize("words", [[], ["--json"], ["--follow"]])
def test_a_token_never_appears_in_the_output_even_when_nothing_is_found(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.View.follow, "__defaults__", (interrupt,))
    for subject in (TOKEN, f"{TOKEN}-broken"):
        output = run(subject, *words).output
        assert not any(part in output for part in TOKEN.split("."))


def test_a_trace_is_shown_with_its_session(keep: Callable[..., None]) -> None:
    keep(*CART, span("elsewhere", 1, trace_id="f" * 32))
    assert run(TRACE).output == SHOWN.replace("Session", f"Trace {TRACE}, of session", 1)


def test_an_empty_store_says_so_and_what_to_do(tmp_path: Path) -> None:
    result = run(SESSION)
    expected = (
        f"Error: Nothing is stored of session {SESSION} in the local store {tmp_path}/spool/local. "
        "To look into an Elasticsearch, set OTEL_EXPORTER_ELASTICSEARCH_ENDPOINT, or give "
        "--endpoint. If you expect some, `otel-asayer doctor` looks for the reason.\n"
    )
    assert result.exit_code == 1
    assert result.output == expected


def test_what_is_no_session_is_wrong_usage() -> None:
    result = run("visit-7")
    assert result.exit_code == 2
    assert "Not a session id, token, replay URL or trace id" in result.output


def test_an_id_of_another_system_is_shown_on_request(keep: Callable[..., None]) -> None:
    keep(span("a", attributes={"session.id": "visit-7"}))
    assert run("visit-7", OTEL_ASAYER_OPAQUE_SESSION_IDS="true").output.startswith(
        "Session visit-7\n"
    )


def test_an_id_of_another_system_stays_as_it_is_written(keep: Callable[..., None]) -> None:
    keep(span("a", attributes={"session.id": "Visit-A"}))
    assert run("Visit-A", OTEL_ASAYER_OPAQUE_SESSION_IDS="true").output.startswith(
        "Session Visit-A\n"
    )


@pytest.mark.parametrize(
    ("session_id", "trace_id", "title"),
    [
        (TRACE, "e" * 32, f"Session or trace {TRACE}"),
        (SESSION, TRACE, f"Session or trace {TRACE}, of session {SESSION}"),
    ],
)
def test_where_ids_look_like_those_of_traces_both_are_looked_for(
    keep: Callable[..., None], session_id: str, trace_id: str, title: str
) -> None:
    keep(span("a", attributes={"session.id": session_id}, trace_id=trace_id))
    assert run(TRACE, OTEL_ASAYER_OPAQUE_SESSION_IDS="true").output.startswith(f"{title}\n")


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["--service", "pricing"], [5, 6]),
        (["--service", "pricing", "--service", "storefront"], [4, 5, 6, 7]),
        (["--level", "warning"], [4, 6, 7]),
        (["--level", "error"], [4, 7]),
        (["--from", "1.511s"], [6, 7]),
        (["--to", "0:01.510"], [4, 5]),
        (["--from", "1.505s", "--to", "1.515", "--level", "info"], [5, 6]),
        (["--service", "nobody"], []),
    ],
)
def test_filters_leave_some_and_say_how_many(
    keep: Callable[..., None], words: list[str], lines: list[int]
) -> None:
    keep(*CART)
    result = run(SESSION, *words)
    whole = SHOWN.splitlines()
    numbers = [line.split()[0] for line in result.output.splitlines()[3:] if line.startswith(" ")]
    assert result.exit_code == 0
    assert numbers == [whole[number - 1].split()[0] for number in lines]
    assert (f"{len(lines)} of 4 events are shown." in result.output) == (len(lines) < 4)


def test_the_first_errors_place_in_the_replay_is_shown(keep: Callable[..., None]) -> None:
    keep(*CART)
    link = f"https://replay.example/7/session/{SESSION}?jumpto=1706063260824"
    assert (
        run(SESSION, OTEL_ASAYER_REPLAY_URL=REPLAY_URL).output
        == f"{SHOWN}\nthe first error in the replay:\n{link}\n"
    )


def test_links_show_every_place_in_the_replay_whole(keep: Callable[..., None]) -> None:
    keep(PRICE)
    last = run(
        SESSION, "--links", OTEL_ASAYER_REPLAY_URL=REPLAY_URL, COLUMNS="20"
    ).output.splitlines()[-1]
    assert last == f"{'':14}https://replay.example/7/session/{SESSION}?jumpto=1706063260834"


def test_json_has_everything(keep: Callable[..., None]) -> None:
    keep(LOGGED, PRICE)
    result = run(SESSION, "--json", OTEL_ASAYER_REPLAY_URL=REPLAY_URL)
    assert json.loads(result.output) == {
        "session_id": SESSION,
        "started_at": "2024-01-24T02:27:39.324000000Z",
        "services": ["pricing"],
        "events": [
            {
                "time": "2024-01-24T02:27:40.834000000Z",
                "offset_ms": 1510.0,
                "kind": "span",
                "service": "pricing",
                "level": "info",
                "title": "price",
                "body": None,
                "duration_ms": 1.2,
                "depth": 0,
                "session_id": SESSION,
                "trace_id": TRACE,
                "span_id": "price",
                "parent_span_id": "GET /cart",
                "replay_url": f"https://replay.example/7/session/{SESSION}?jumpto=1706063260834",
                "attributes": {"session.id": SESSION},
            },
            {
                "time": "2024-01-24T02:27:40.835000000Z",
                "offset_ms": 1511.0,
                "kind": "log",
                "service": "pricing",
                "level": "warning",
                "title": "two lamps left",
                "body": "two lamps left",
                "duration_ms": None,
                "depth": 1,
                "session_id": SESSION,
                "trace_id": TRACE,
                "span_id": "price",
                "parent_span_id": None,
                "replay_url": f"https://replay.example/7/session/{SESSION}?jumpto=1706063260835",
                "attributes": {"session.id": SESSION},
            },
        ],
    }


HOSTILE = "[bold]a[/] :smile: \x1b]8;;https://evil\x1b\\ \x9b31m \u202eb\rc"


def test_what_an_application_logged_is_neither_markup_nor_control(
    keep: Callable[..., None],
) -> None:
    keep(log(HOSTILE, service=f"[red]{HOSTILE}"))
    output = run(SESSION).output
    assert "[bold]a[/] :smile:  ]8;;https://evil \\  31m \ufffdb c" in output
    assert not set(output) & set("\x1b\x9b\u202e\r")


def test_json_escapes_what_a_terminal_would_obey(keep: Callable[..., None]) -> None:
    keep(log(HOSTILE, attributes={"a\u202e": "\x9b\u2028"}))
    output = run(SESSION, "--json").output
    assert output.isascii()
    assert json.loads(output)["events"][0]["attributes"]["a\u202e"] == "\x9b\u2028"
    assert json.loads(output)["events"][0]["body"] == HOSTILE


def shown_on_a_terminal(
    *documents: Stored, width: int = 60, replay_url: str | None = REPLAY_URL
) -> str:
    terminal = Console(
        force_terminal=True,
        width=width,
        color_system="truecolor",
        legacy_windows=False,
        highlight=False,
    )
    found = Timeline.of(documents, replay_url=replay_url)
    with terminal.capture() as shown:
        timeline_view.print_timeline(terminal, found, "x")
    return shown.get()


def test_on_a_terminal_the_offset_is_a_link_to_the_replay() -> None:
    assert (
        f";https://replay.example/7/session/{SESSION}?jumpto=1706063259325\x1b\\"
        in shown_on_a_terminal(log("a", 1))
    )


@pytest.mark.parametrize(
    "url",
    [
        "https://evil\x1b\\\x1b[2J",
        "https://evil\x07",
        "https://a b",
        "javascript:x",
        "https://a\tb",
        "not link bold",
    ],
)
def test_a_hostile_address_is_no_link_on_a_terminal(url: str) -> None:
    shown = shown_on_a_terminal(log("a", 1, attributes={"asayer.replay.url": url}))
    assert url not in shown
    assert "https://replay.example/" in shown


def test_on_a_terminal_a_long_title_takes_one_line_and_a_link_stays_whole() -> None:
    lines = shown_on_a_terminal(log("word " * 200, severity=17)).splitlines()
    assert len([line for line in lines if "word" in line]) == 1
    assert lines[-1].count(f"https://replay.example/7/session/{SESSION}?jumpto=1706063259324") == 1


def test_into_a_pipe_a_long_title_is_whole(keep: Callable[..., None]) -> None:
    keep(log("word " * 100))
    assert "word " * 99 in run(SESSION).output


def test_wide_characters_keep_the_columns() -> None:
    found = Timeline.of([log("a", 1, service="漢字"), log("b", 2, service="shop-x")])
    assert [row.plain for row in timeline_view.rows(found)] == [
        "   +0:00.001  漢字    · a",
        "   +0:00.002  shop-x  · b",
    ]


def test_waiting_documents_are_pointed_to(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", Destination.of(["http://es:9200"]), max_bytes=2**30)
    spool.write([operation(REQUEST)])
    config = Config.from_environment(endpoint="http://es:9200")
    said = nothing_stored(config, Selection(session_id=SESSION), "somewhere")
    assert said == (
        f"Nothing is stored of session {SESSION} in somewhere. Of all sessions, the spool "
        f"{spool.folder} of this machine still holds 1 document: "
        "`otel-asayer spool drain` sends them. If you expect some, `otel-asayer doctor` looks for "
        "the reason."
    )


def test_without_waiting_documents_nothing_is_pointed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.from_environment(endpoint="http://es:9200")
    expected = (
        f"Nothing is stored of session {SESSION} in somewhere. If you expect some, `otel-asayer "
        "doctor` looks for the reason."
    )
    assert nothing_stored(config, Selection(session_id=SESSION), "somewhere") == expected
    monkeypatch.setenv("OTEL_EXPORTER_ELASTICSEARCH_SPOOL", "off")
    assert (
        nothing_stored(
            Config.from_environment(endpoint="http://es:9200"),
            Selection(session_id=SESSION),
            "somewhere",
        )
        == expected
    )


@pytest.mark.parametrize("text", [SESSION, f"  {TOKEN}\nmore", TRACE])
def test_the_session_is_read_from_standard_input(text: str, keep: Callable[..., None]) -> None:
    keep(*CART)
    result = CliRunner().invoke(command.timeline, ["-"], input=text)
    assert result.exit_code == 0
    assert "GET /cart 500" in result.stdout
    assert result.stderr == ""


def test_nothing_on_standard_input_is_wrong_usage() -> None:
    result = CliRunner().invoke(command.timeline, ["-"], input="\n")
    assert result.exit_code == 2
    assert "nothing came by standard input" in result.stderr


@pytest.mark.parametrize("given", [TOKEN, f"{TOKEN}0"])
def test_a_token_on_the_command_line_is_warned_of_without_being_repeated(given: str) -> None:
    result = CliRunner().invoke(command.timeline, [given])
    assert (
        "A token is a credential, and on the command line it shows in the list of processes"
        in result.stderr
    )
    assert TOKEN not in result.output


@pytest.mark.parametrize("given", [SESSION, TRACE, f"app.openreplay.com/7/session/{SESSION}"])
def test_what_is_no_token_is_not_warned_of(given: str) -> None:
    assert "credential" not in CliRunner().invoke(command.timeline, [given]).stderr


def test_no_more_events_are_read_than_asked_for_and_that_is_said(
    keep: Callable[..., None],
) -> None:
    keep(*(log(f"{number}", number) for number in range(5)))
    result = run(SESSION, "--limit", "2")
    assert [line.split()[-1] for line in result.output.splitlines()[3:5]] == ["0", "1"]
    assert (
        result.output.splitlines()[-1]
        == "Only the first 2 events were read, and there are more: --limit 20 reads on."
    )


def test_json_tells_that_there_are_more(keep: Callable[..., None]) -> None:
    keep(log("a", 1), log("b", 2))
    found = json.loads(run(SESSION, "--limit", "1", "--json").output)
    assert found["complete"] is False
    assert len(found["events"]) == 1


class Scripted:
    """A store of which each look finds something else."""

    name = "somewhere"

    def __init__(self, looks: Sequence[Sequence[Stored] | Exception]) -> None:
        self._looks = iter(looks)
        self.asked: list[int] = []
        self.known: list[frozenset[str] | None] = []

    def documents(self, selection: Selection) -> Iterator[Stored]:
        self.asked.append(selection.since_ns)
        self.known.append(selection.known)
        look = next(self._looks)
        if isinstance(look, Exception):
            raise look
        return iter(look)

    def first_documents(self, selection: Selection, limit: int = MAX_EVENTS) -> Part:
        return first(self.documents(selection), limit)

    def exceptions(self, since_ns: int, limit: int) -> tuple[list[Stored], int]:
        raise NotImplementedError

    def sessions(self, wanted: SessionFilter, limit: int) -> tuple[list[SessionSummary], bool]:
        raise NotImplementedError


def interrupt(_seconds: float) -> None:
    raise KeyboardInterrupt


def follow(
    capsys: pytest.CaptureFixture[str],
    *looks: Sequence[Stored] | Exception,
    as_json: bool = False,
    links: bool = False,
    **only: Any,
) -> tuple[Any, Scripted]:
    """Follow a store until all looks are taken."""
    store = Scripted(looks)
    chosen = {"services": (), "level": "debug", "from_ns": None, "to_ns": None, **only}
    config = Config.from_environment({}, replay_url=REPLAY_URL)
    view = command.View(config, Selection(session_id=SESSION), chosen, links=links, as_json=as_json)
    waits = iter(range(len(looks) - 1))

    def wait(_: float) -> None:
        if next(waits, None) is None:
            raise KeyboardInterrupt

    view.follow(store, view.read(store), wait)
    return capsys.readouterr(), store


def test_who_follows_sees_each_event_once(capsys: pytest.CaptureFixture[str]) -> None:
    said, store = follow(capsys, [REQUEST], [REQUEST, LOGGED], [LOGGED, PRICE], [])
    events = said.out.splitlines()[2:]
    assert [line.split()[0] for line in events] == ["+0:01.500", "+0:01.511", "+0:01.510"]
    assert store.asked == [
        0,
        START_NS + 1_500_000_000 - 600_000_000_000,
        *[START_NS + 1_511_000_000 - 600_000_000_000] * 2,
    ]


def test_who_follows_asks_for_nothing_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    _, store = follow(capsys, [REQUEST], [LOGGED], [])
    assert store.known == [None, frozenset({REQUEST.id}), frozenset({REQUEST.id, LOGGED.id})]


def test_what_is_new_is_placed_within_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    said, _ = follow(capsys, [span("outer")], [log("inside", 1, inside="outer")], as_json=True)
    assert [json.loads(line)["depth"] for line in said.out.splitlines()] == [0, 1]


def test_what_is_too_old_for_news_is_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    _, store = follow(capsys, [log("old")], [log("new", 601_000)], [])
    assert store.known[-1] == frozenset({log("new", 601_000).id})


def test_a_clock_that_is_ahead_hides_nothing_of_who_follows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: START_NS + 5_000_000_000)
    _, store = follow(capsys, [log("ahead", 3_600_000)], [])
    assert store.asked == [0, START_NS + 5_000_000_000 - 600_000_000_000]


def test_who_follows_before_anything_is_stored_is_told_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said, _ = follow(capsys, [], [], [LOGGED])
    assert (
        said.out
        == f"Session {SESSION}\nnothing is stored of it yet\n   +0:01.511  pricing  ! two lamps "
        f"left\n"
    )


def test_the_start_stays_while_following(capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = {"session.id": "visit-7"}
    said, _ = follow(
        capsys, [log("a", 1000, attributes=elsewhere)], [log("b", 3000, attributes=elsewhere)]
    )
    assert [line.split()[0] for line in said.out.splitlines()[2:]] == ["+0:00.000", "+0:02.000"]


@pytest.mark.parametrize(
    ("event", "marked"),
    [
        (log("down", severity=17), "✖ down"),
        (log("soon", severity=13), "! soon"),
        (log("up"), "· up"),
        (span("SELECT", parent="p", status={"code": "Error"}), "✖ SELECT"),
        (span("SELECT", parent="p"), "─ SELECT"),
        (span("cron", status={"code": "Error"}), "▶ cron ERROR"),
    ],
)
def test_what_is_bad_is_marked_where_there_is_no_colour(event: Stored, marked: str) -> None:
    (row,) = timeline_view.rows(Timeline.of([event]))
    assert marked in row.plain


def test_trouble_is_said_once_and_following_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    down, full = ElasticsearchError("It is down."), SpoolError("The folder is gone.")
    said, _ = follow(capsys, [REQUEST], down, down, full, [LOGGED], down, [PRICE])
    assert (
        said.err
        == "It is down. Trying on.\nThe folder is gone. Trying on.\nIt is down. Trying on.\n"
    )
    assert len(said.out.splitlines()[2:]) == 3


def test_filters_and_links_hold_while_following(capsys: pytest.CaptureFixture[str]) -> None:
    said, _ = follow(
        capsys, [REQUEST, LOGGED], [PRICE], links=True, services=("pricing",), level="warning"
    )
    assert said.out.splitlines()[2:] == [
        "   +0:01.511  storefront  ! two lamps left".replace("storefront", f"{'pricing':10}"),
        f"{'':14}https://replay.example/7/session/{SESSION}?jumpto=1706063260835",
    ]


def test_json_of_who_follows_is_a_line_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    said, _ = follow(capsys, [REQUEST], [LOGGED], as_json=True)
    assert [json.loads(line)["title"] for line in said.out.splitlines()] == [
        "GET /cart 500",
        "two lamps left",
    ]


def test_the_command_follows_until_it_is_interrupted(
    keep: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(*CART)
    monkeypatch.setattr(command.View.follow, "__defaults__", (interrupt,))
    result = run(SESSION, "--follow")
    assert result.exit_code == 0
    assert result.output == SHOWN.replace("\n\n", "\n")


@pytest.mark.parametrize("words", [[SESSION], [SESSION, "--json"]])
def test_a_reader_that_stops_early_ends_it_without_a_word(
    words: list[str], keep: Callable[..., None], tmp_path: Path
) -> None:
    keep(*(log(f"{number} {'x' * 500}", number) for number in range(2000)))
    environment = {
        **clean_environment(),
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(tmp_path / "spool"),
    }
    code = "import sys; from otel_asayer.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "timeline", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    process.wait(60)


def written_in(encoding: str, tmp_path: Path, *words: str) -> str:
    """What the command writes where the terminal's encoding is not that of Unicode."""
    environment = {
        **clean_environment(),
        "OTEL_EXPORTER_ELASTICSEARCH_SPOOL_DIRECTORY": str(tmp_path / "spool"),
        "PYTHONIOENCODING": encoding,
    }
    command = [
        sys.executable,
        "-c",
        "from otel_asayer.cli import main; main()",
        "timeline",
        SESSION,
        *words,
    ]
    return subprocess.run(
        command, stdout=subprocess.PIPE, env=environment, check=True
    ).stdout.decode(encoding)


def test_what_an_encoding_does_not_have_is_replaced(
    keep: Callable[..., None], tmp_path: Path
) -> None:
    keep(log("zażółć größer"))
    assert written_in("latin-1", tmp_path).endswith("  shop  · za?ó?? größer\n")


def test_json_is_whole_in_every_encoding(keep: Callable[..., None], tmp_path: Path) -> None:
    keep(log("zażółć größer"))
    assert (
        json.loads(written_in("latin-1", tmp_path, "--json"))["events"][0]["title"]
        == "zażółć größer"
    )


def test_colours_are_left_out_on_request(keep: Callable[..., None]) -> None:
    keep(*CART)
    assert "\x1b" not in run(SESSION, NO_COLOR="1").output


def test_a_link_to_a_strange_host_shows_it_and_hides_behind_nothing() -> None:
    one, other = (
        log(name, at, attributes={"asayer.replay.url": f"https://{name}.example/"})
        for at, name in enumerate(("replay", "evil"))
    )
    shown = shown_on_a_terminal(one, other, replay_url=None)
    assert (";https://replay.example/" in shown, ";https://evil.example/" in shown) == (True, False)


def test_a_strange_host_stands_before_its_link(keep: Callable[..., None]) -> None:
    keep(
        *(
            log(name, at, attributes={"asayer.replay.url": f"https://{name}.example/"})
            for at, name in enumerate(("replay", "evil"))
        )
    )
    assert (
        "leads to evil.example: https://evil.example/"
        in run(SESSION, "--links", OTEL_ASAYER_REPLAY_URL="").output
    )
