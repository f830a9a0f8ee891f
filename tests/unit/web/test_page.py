"""The page: find a session, see its timeline, an event's detail, and what went wrong."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.spool import SpoolError
from otel_asayer.web.view import ROWS
from unit.web.support import SESSION, TOKEN, TRACE, Page, Store, error, log, span

if TYPE_CHECKING:
    import httpx

    from otel_asayer.timeline import Stored

STACK = (
    'Traceback (most recent call last):\n  File "/srv/shop/cart.py", line 42, in add\n'
    "    raise OutOfStockError\nshop.OutOfStockError: none left\n"
)
UUID = "c0ffee" * 5 + "00"
REPLAY = "https://replay.example/7/session/{session_id}?jumpto={time_ms}"
SHOP = (
    span("GET /cart", 0, 100, named="root"),
    span("SELECT stock", 10, 20, service="stock", named="query", parent="root"),
    log("Looking for lamp", 20, inside="root"),
    log("Stock is low", 30, service="stock", severity=13, inside="query"),
    error("none left", 90, stack=STACK, having={"code.function.name": "add"}),
)


def page(*documents: Stored, replay_url: str | None = REPLAY) -> Page:
    return Page(Store(list(documents or SHOP)), replay_url=replay_url)


def titles(answer: httpx.Response) -> list[str]:
    """The titles in the list."""
    return [
        html.unescape(title)
        for title in re.findall(
            r'<td class="what[^>]*>(?:<button[^>]*></button>)?<a href="[^"]*"><bdi>(.*?)</bdi>',
            answer.text,
        )
    ]


def links(answer: httpx.Response) -> list[str]:
    return [html.unescape(address) for address in re.findall(r'href="([^"]*)"', answer.text)]


def text_of(answer: httpx.Response) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text)))


def detail(answer: httpx.Response) -> str:
    found = re.search(r"<aside.*?</aside>", answer.text, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", "", found[0])) if found else ""


@pytest.mark.parametrize(
    "given",
    [
        SESSION,
        TOKEN,
        f"https://app.openreplay.com/7/session/{SESSION}?jumpto=1706063260000",
        f" {SESSION}\n",
    ],
)
def test_whatever_names_a_session_leads_to_its_clean_address(given: str) -> None:
    answer = page().find(given)
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/session/{SESSION}"


@pytest.mark.parametrize("given", [TRACE, f"00-{TRACE}-00f067aa0ba902b7-01"])
def test_a_trace_leads_to_its_own_page(given: str) -> None:
    assert page().find(given).headers["location"] == f"/trace/{TRACE}"


def of_a_uuid() -> Page:
    """The page of a store whose session's id looks like that of a trace."""
    return Page(Store([span("GET /", 0, 1, having={"session.id": UUID})]), opaque_session_ids=True)


@pytest.mark.parametrize(
    ("given", "path"),
    [(UUID, f"/session/{UUID}"), (TRACE, f"/trace/{TRACE}"), ("f" * 32, f"/trace/{'f' * 32}")],
)
def test_what_can_be_a_session_or_a_trace_is_looked_for(given: str, path: str) -> None:
    assert of_a_uuid().find(given).headers["location"] == path


def test_a_trace_leads_to_its_session_whatever_the_id_looks_like() -> None:
    shown = of_a_uuid()
    (link,) = [link for link in links(shown.get(f"/trace/{TRACE}")) if link.startswith("/session/")]
    assert titles(shown.get(link)) == ["GET /"]


def test_a_token_in_an_address_is_replaced_by_its_id() -> None:
    answer = page().get(f"/session/{TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/session/{SESSION}"


def test_what_is_no_session_stays_in_the_field_and_nowhere_else() -> None:
    answer = page().find("secret-of-somebody")
    assert answer.status_code == 400
    assert answer.text.count("secret") == 1
    assert 'value="secret-of-somebody"' in answer.text
    assert "Not a session id, token, replay URL or trace id" in answer.text


def test_a_form_that_is_too_large_is_not_read() -> None:
    assert page().find("1" * 10_000).status_code == 413


def test_the_forms_own_address_leads_to_the_start() -> None:
    assert page().get("/find?q=1").headers["location"] == "/"


def test_the_list_is_the_timeline() -> None:
    assert titles(page().get(f"/session/{SESSION}")) == [
        "GET /cart",
        "SELECT stock",
        "Looking for lamp",
        "Stock is low",
        "shop.OutOfStockError: none left",
    ]


def test_the_head_says_what_the_session_is() -> None:
    assert (
        f"Session {SESSION} 2024-01-24 02:27:39.324 UTC My time zone 100 ms 2 services 1 request "
        f"2 spans 2 log records 1 error" in text_of(page().get(f"/session/{SESSION}"))
    )


def test_a_session_that_is_too_large_says_how_much_of_it_is_shown() -> None:
    large = [replace(log(text, 0), size=40 * 1024 * 1024) for text in "ab"]
    assert "Only the first 1 events were read, and there are more" in text_of(
        Page(Store(large)).get(f"/session/{SESSION}")
    )


def test_a_page_of_a_trace_leads_to_its_session() -> None:
    assert f"/session/{SESSION}" in links(page().get(f"/trace/{TRACE}"))


def test_each_event_leads_to_the_replay_at_that_moment() -> None:
    replays = [
        link for link in links(page().get(f"/session/{SESSION}")) if link.startswith("https:")
    ]
    assert replays[1:] == [
        f"https://replay.example/7/session/{SESSION}?jumpto={1_706_063_259_324 + offset}"
        for offset in (0, 10, 20, 30, 90)
    ]


def test_a_replay_is_opened_apart_from_this_page() -> None:
    anchors = re.findall(r'<a [^>]*href="https:[^>]*>', page().get(f"/session/{SESSION}").text)
    assert [
        anchor for anchor in anchors if 'target="_blank" rel="noopener noreferrer"' not in anchor
    ] == []


def test_an_error_shows_its_stack_its_place_and_its_attributes() -> None:
    shown = detail(page().get(f"/session/{SESSION}?event=doc-none+left"))
    assert STACK.strip() in shown
    assert "shop/cart.py:42 in add" in shown
    assert "code.function.nameadd" in shown


def test_a_span_shows_what_it_is_inside_of() -> None:
    answer = page().get(f"/session/{SESSION}?event=doc-query")
    assert "InsideGET /cart" in detail(answer)
    assert "?event=doc-root" in links(answer)


def test_a_log_record_shows_all_of_its_lines() -> None:
    assert "first\nsecond" in detail(
        page(log("first\nsecond", 0, named="two")).get(f"/session/{SESSION}?event=two")
    )


def test_a_log_record_shows_the_whole_of_a_body_with_structure() -> None:
    stored = log("", 0, named="map")
    stored = replace(
        stored,
        source={**stored.source, "body": {"structured": {"key": "x" * 1000, "end": "of it"}}},
    )
    assert '"end":"of it"' in detail(page(stored).get(f"/session/{SESSION}?event=map"))


def test_an_enormous_value_is_cut() -> None:
    shown = detail(
        page(log("big", 0, named="big", having={"blob": "x" * 30_000})).get(
            f"/session/{SESSION}?event=big"
        )
    )
    assert "x" * 20_000 + "… and 10,000 more characters" in shown


@pytest.mark.parametrize(
    "body", [{"structured": {"said": "x" * 2000}}, "x" * 2000, {"text": "first\n" + "x" * 2000}]
)
def test_a_long_body_is_shown_whole_whatever_its_form(body: object) -> None:
    record = log("told", 0)
    shown = detail(
        page(replace(record, source={**record.source, "body": body})).get(
            f"/session/{SESSION}?event=doc-told"
        )
    )
    assert "x" * 2000 in shown


def test_a_span_leads_to_the_traces_that_it_is_linked_with() -> None:
    batch = span("process", 0, 1, named="batch")
    document = replace(
        batch,
        source={
            **batch.source,
            "links": [
                {"trace_id": "e" * 32},
                {"trace_id": "e" * 32},
                {"trace_id": "d" * 32},
                {},
                "x",
                None,
            ],
        },
    )
    answer = page(document).get(f"/session/{SESSION}?event=doc-batch")
    assert [link for link in links(answer) if link.startswith("/trace/")][1:] == [
        f"/trace/{'e' * 32}",
        f"/trace/{'d' * 32}",
    ]


def test_services_that_a_session_does_not_have_make_its_page_no_longer() -> None:
    many = "&".join(f"service=s{number}" for number in range(1000))
    shown = page()
    asked = f"/session/{SESSION}?service=stock"
    assert shown.get(f"{asked}&{many}").content == shown.get(asked).content


def test_the_detail_of_an_event_that_the_filters_hide_is_shown_all_the_same() -> None:
    answer = page().get(f"/session/{SESSION}?service=stock&event=doc-none+left")
    assert answer.status_code == 200
    assert "none left" in detail(answer)
    assert len(titles(answer)) == 2


def test_an_event_of_another_session_is_not_found() -> None:
    answer = page().get(f"/session/{SESSION}?event=doc-of-another")
    assert answer.status_code == 404
    assert "The event asked for is not among these." in answer.text
    assert len(titles(answer)) == 5


def test_filters_narrow_the_list() -> None:
    asked = page()
    assert titles(asked.get(f"/session/{SESSION}?service=stock")) == [
        "SELECT stock",
        "Stock is low",
    ]
    assert titles(asked.get(f"/session/{SESSION}?level=warning")) == [
        "Stock is low",
        "shop.OutOfStockError: none left",
    ]
    assert titles(asked.get(f"/session/{SESSION}?text=LAMP")) == ["Looking for lamp"]


def test_filters_that_nothing_passes_say_so() -> None:
    assert (
        "Nothing of this session passes these filters."
        in page().get(f"/session/{SESSION}?text=nowhere").text
    )


def test_the_filters_stay_in_the_links() -> None:
    assert "?service=stock&event=doc-query#m1" in links(
        page().get(f"/session/{SESSION}?service=stock")
    )


def test_a_long_list_has_pages() -> None:
    asked = page(*(log(f"line {number}", number) for number in range(ROWS + 3)))
    first, second = asked.get(f"/session/{SESSION}"), asked.get(f"/session/{SESSION}?page=2")
    assert len(titles(first)) == ROWS
    assert titles(second) == [f"line {number}" for number in range(ROWS, ROWS + 3)]
    assert "?page=2#list" in links(first)
    assert "?page=1#list" in links(second)


def test_a_page_behind_the_last_is_the_last() -> None:
    assert titles(page().get(f"/session/{SESSION}?page=99")) == titles(
        page().get(f"/session/{SESSION}")
    )


def test_the_page_of_an_event_is_the_one_that_has_it() -> None:
    asked = page(*(log(f"line {number}", number) for number in range(ROWS + 3)))
    assert titles(asked.get(f"/session/{SESSION}?event=doc-line+{ROWS + 1}"))[0] == f"line {ROWS}"


def test_the_start_shows_what_failed_of_late() -> None:
    answer = page().get("/")
    assert (
        "1 time OutOfStockError none left shop/cart.py:42 in add shop 1 session last 0 s ago"
        in text_of(answer)
    )
    assert f"/session/{SESSION}?event=doc-none%20left" in links(answer)
    assert f"https://replay.example/7/session/{SESSION}?jumpto=1706063259414" in links(answer)


def test_an_error_without_a_session_leads_to_its_trace() -> None:
    assert f"/trace/{TRACE}?event=doc-lost" in links(
        page(error("lost", 0, having={"session.id": ""})).get("/")
    )


def test_no_errors_say_so() -> None:
    assert "No exceptions in this time." in page(log("hello", 0)).get("/").text


def test_more_groups_than_fit_are_counted() -> None:
    found = [
        error(f"m{number}", number, having={"exception.type": f"E{number}"}) for number in range(23)
    ]
    assert "3 more: otel-asayer errors shows all." in text_of(page(*found).get("/")).replace(
        "  ", " "
    )


def test_nothing_stored_is_not_found_and_says_where() -> None:
    answer = page().get("/session/99")
    assert answer.status_code == 404
    assert "Nothing is stored of session 99 in the test's store." in text_of(answer)


@pytest.mark.parametrize("path", ["/", f"/session/{SESSION}"])
@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (NotAllowedError("Not allowed to read: use the viewer's key."), 403),
        (ElasticsearchError("Elasticsearch does not answer."), 502),
        (SpoolError("The folder is not ours."), 502),
    ],
)
def test_what_hinders_is_said_in_its_own_sentence(
    path: str, failure: Exception, status: int
) -> None:
    answer = Page(Store(error=failure)).get(path)
    assert answer.status_code == status
    assert str(failure) in text_of(answer)
    assert "Nothing is stored" not in answer.text
    assert "No exceptions" not in answer.text


def test_what_nobody_thought_of_is_no_traceback() -> None:
    answer = Page(Store(error=RuntimeError("deep inside"))).get("/")
    assert answer.status_code == 500
    assert "deep inside" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/static/../application.py",
        "/static/%2e%2e/application.py",
        "/static/",
        "/session",
        "/docs",
    ],
)
def test_there_is_nothing_else(path: str) -> None:
    assert page().get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "kind"),
    [("page.css", "text/css"), ("page.js", "text/javascript"), ("icon.svg", "image/svg+xml")],
)
def test_what_the_page_loads_comes_with_the_package(path: str, kind: str) -> None:
    answer = page().get(f"/static/{path}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == kind


HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def hostile(text: str) -> str:
    """Every page that could show `text`, wherever it may stand."""
    documents = (
        span(text, 0, 1000, service=text, having={text: text}),
        log(
            f"{text}\n{text}",
            5,
            named="log",
            service=text,
            having={text: text, "asayer.replay.url": text},
        ),
        error(text, 9, stack=text, having={"exception.type": text, "asayer.replay.url": text}),
    )
    asked = page(*documents, replay_url=None)
    shown = [
        asked.get("/"),
        *(asked.get(f"/session/{SESSION}?event={quote(stored.id)}") for stored in documents),
    ]
    return "".join(
        answer.text for answer in [*shown, asked.get(f"/session/{SESSION}?text={quote(text)}")]
    )


def test_what_an_application_logged_is_never_markup() -> None:
    shown = hostile(HOSTILE)
    assert (
        re.findall(
            r"<script>|<img|onerror=alert\(1\)>", shown.replace("&lt;", "").replace("&gt;", "")
        )
        == []
    )
    assert "&lt;script&gt;" in shown


def test_what_turns_the_direction_of_writing_or_steers_a_terminal_is_replaced() -> None:
    shown = hostile("pay\u202egpj\u2066x\x1b[31mred\x00\x9b")
    assert re.findall("[\u202e\u2066\x1b\x00\x9b]", shown) == []


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,x",
        "//attacker.example",
        "https:\\attacker",
        "https://a b",
    ],
)
def test_only_addresses_of_the_web_become_links(url: str) -> None:
    answer = page(
        log("hello", 0, named="one", having={"asayer.replay.url": url}), replay_url=None
    ).get(f"/session/{SESSION}?event=one")
    assert [link for link in links(answer) if not link.startswith(("/", "?", "#"))] == []


def test_no_page_has_a_style_or_a_script_in_it() -> None:
    answers = [
        page().get(path).text
        for path in (
            "/",
            f"/session/{SESSION}",
            f"/session/{SESSION}?event=doc-root",
            "/session/99",
        )
    ]
    assert re.findall(r"<style|style=|<script>| on[a-z]+=", "".join(answers)) == []


def test_a_reload_reads_the_session_anew() -> None:
    store = Store(list(SHOP))
    asked = Page(store)
    for control in ("", "max-age=0", "no-cache"):
        asked.get(f"/session/{SESSION}", cache_control=control)
    assert store.opened == 3


def test_ids_of_other_systems_are_admitted_on_request_only() -> None:
    document = log("hello", 0, having={"session.id": "abc~1"})
    assert Page(Store([document])).get("/session/abc~1").status_code == 400
    assert titles(Page(Store([document]), opaque_session_ids=True).get("/session/abc~1")) == [
        "hello"
    ]


def test_a_pause_is_cut_out_and_says_how_long_it_was() -> None:
    answer = page(span("one", 0, 50), span("two", 600_000, 50)).get(f"/session/{SESSION}")
    assert "<title>Nothing for 9 min 59 s</title>" in answer.text
    assert ">9 min</text>" in answer.text


def test_a_link_to_a_strange_host_shows_it() -> None:
    asked = page(
        log("one", 0, named="one", having={"asayer.replay.url": "https://replay.example/"}),
        log("two", 1, named="two", having={"asayer.replay.url": "https://evil.example/"}),
        replay_url=None,
    )
    answer = asked.get(f"/session/{SESSION}?event=two")
    assert (
        "Open the replay at this moment on evil.example" in answer.text,
        "<bdi>evil.example</bdi>" in answer.text,
    ) == (True, True)
