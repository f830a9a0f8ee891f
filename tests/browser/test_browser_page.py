"""The snippets of the page about the browser, with real trackers and real backends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from browser.bundles import NEWEST, TRACKERS, Tracker, bundle
from browser.loopback import SIGNATURE
from browser.network import API_OF_PAGE, CORS, SCRIPTS, TOKEN_HEADER, backend, environment_of
from browser.pages import address, ask, make, opened, recording, run, start

from patience import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import BrowserContext, Page

    from browser.network import Network

    from store import Store

pytestmark = [pytest.mark.browser, pytest.mark.elasticsearch]

ADD, TELL, LEAVE_OUT, LOAD, OPENTELEMETRY, OPTION = SCRIPTS
TOKEN: Final = TOKEN_HEADER.lower()
KINDS: Final = {"flask": "flask", "flask-cors": "flask", "fastapi": "fastapi", "django": "django"}
"""The backend that a snippet is for."""


def snippet(page: Page, web: Network, script: str, package: str = NEWEST.package) -> None:
    """Run a snippet as a module of the page, with a tracker that records to our ingest."""
    own = f'projectKey: "shop", ingestPoint: "{web.ingest_url}", __DISABLE_SECURE_MODE: true'
    script = (
        script.replace('projectKey: "…"', own)
        .replace(API_OF_PAGE, web.listed)
        .replace(r"https:\/\/api\.shop\.example", web.listed.replace("/", r"\/"))
        .replace("./carry-session.js", str(web.static / "carry-session.js"))
    )
    page.add_script_tag(content=bundle(script, **{"@openreplay/tracker": package}))


def started(page: Page) -> str:
    """The id of a session whose start is under way."""
    return str(page.evaluate("begin(tracker, undefined, () => {})"))


def test_the_five_lines_put_requests_into_the_session(
    visitor: BrowserContext, web: Network
) -> None:
    page = visitor.new_page()
    page.goto(f"{web.own}/page?scripts=axios.js,requests.js")
    snippet(page, web, f"{ADD}\nglobalThis.tracker = tracker;")
    session = started(page)
    assert ask(page, "/api/1")["session"] == session
    assert ask(page, f"{web.listed}/api/1", "axios")["session"] == session
    ask(page, f"{web.foreign}/api/five-lines")
    assert session not in repr(web.stranger.at("/api/five-lines"))


def test_the_function_tells_the_session_to_a_socket(visitor: BrowserContext, web: Network) -> None:
    page, session = recording(visitor, web)
    socket = "let sent; const socket = { send: (text) => (sent = JSON.parse(text)) };"
    assert run(page, f"{socket} {TELL} return sent;") == {"session": session}


def test_downloads_are_left_out(visitor: BrowserContext, web: Network) -> None:
    page, session = recording(visitor, web)
    run(page, LEAVE_OUT)
    assert ask(page, "/api/1")["session"] == session
    answer = ask(page, "/downloads/1")
    assert answer["session"] is None
    assert "x-session-id" not in answer["headers"]


def test_a_page_load_tells_its_trace(visitor: BrowserContext, web: Network, store: Store) -> None:
    page = opened(visitor, web)
    traceparent = run(page, f"{LOAD} return traceparent;")
    trace_id = traceparent.split("-")[1]
    wait_for(
        lambda: trace_id in [span["trace_id"] for span in store.spans()], "There is no such trace."
    )
    (span,) = (span for span in store.spans() if span["trace_id"] == trace_id)
    assert span["attributes"]["http.target"] == address()


@pytest.mark.parametrize("tracker", TRACKERS[:3], ids=lambda tracker: tracker.name)
def test_the_network_panel_records_the_trace_of_every_request(
    visitor: BrowserContext, web: Network, tracker: Tracker
) -> None:
    page, session = recording(visitor, web, tracker=tracker)
    trace = run(page, 'return (await fetch("/api/panel")).headers.get("traceresponse");')

    def recorded() -> bytes:
        page.evaluate("tracker.app.forceFlushBatch()")
        return web.ingest.recorded(session)

    wait_for(lambda: f'"traceresponse":"{trace}"'.encode() in recorded(), "It is not recorded.")


class TestOpenTelemetrysBrowserSdk:
    @pytest.mark.parametrize("first", ["OpenTelemetry", "the script"])
    @pytest.mark.parametrize("way", ["fetch string", "fetch Request", "XHR", "axios"])
    def test_the_backend_joins_the_trace_of_the_browser_in_the_session(
        self, visitor: BrowserContext, web: Network, first: str, way: str
    ) -> None:
        page = opened(visitor, web)
        if first == "OpenTelemetry":
            snippet(page, web, OPENTELEMETRY)
        make(page, web)
        if first == "the script":
            snippet(page, web, OPENTELEMETRY)
        session = start(page)
        answer = ask(page, f"{web.listed}/api/1", way)
        assert answer["session"] == session
        assert answer["trace"] == answer["headers"]["traceparent"].split("-")[1]


class TestTrackersOption:
    @pytest.mark.parametrize("package", ["tracker-19", "tracker-14"])
    def test_the_token_goes_to_the_origins_that_the_matcher_names_alone(
        self, visitor: BrowserContext, web: Network, package: str
    ) -> None:
        page, session = self.recording(visitor, web, package)
        for way in ("fetch string", "fetch Request", "fetch init", "XHR", "axios"):
            for origin in ("", web.listed):
                answer = ask(page, f"{origin}/api/option", way)
                assert (way, answer["session"]) == (way, session)
                assert SIGNATURE in answer["headers"][TOKEN]
            target = f"/api/option-{package}-{way.replace(' ', '-')}"
            ask(page, f"{web.foreign}{target}", way)
            assert TOKEN not in repr(web.stranger.at(target))

    def test_a_url_object_gets_no_header_in_14(self, visitor: BrowserContext, web: Network) -> None:
        page, _ = self.recording(visitor, web, "tracker-14")
        assert TOKEN not in ask(page, "/api/option", "fetch URL")["headers"]

    def test_before_10_every_host_gets_the_token_on_fetch(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, _ = self.recording(visitor, web, "tracker-9")
        ask(page, f"{web.foreign}/api/option-9")
        assert SIGNATURE in web.stranger.at("/api/option-9")[-1].headers[TOKEN]
        assert TOKEN not in ask(page, "/api/option", "XHR")["headers"]

    def test_axios_instances_bypass_the_matcher(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        option = OPTION.replace("network: {", "network: { axiosInstances: [axios],")
        page, _ = self.recording(visitor, web, "tracker-19", option)
        ask(page, f"{web.foreign}/api/option-axios", "axios")
        assert SIGNATURE in web.stranger.at("/api/option-axios")[-1].headers[TOKEN]

    def test_no_token_is_stored_or_logged(
        self, visitor: BrowserContext, web: Network, store: Store
    ) -> None:
        page, session = self.recording(visitor, web, "tracker-19")
        ask(page, "/api/option-stored")
        ask(page, f"{web.listed}/api/option-stored")
        run(page, "await fetch('/fail/option-stored');")

        def stored() -> list[Any]:
            everything = [*store.spans(), *store.logs(), *store.replay_records()]
            return [one for one in everything if "option-stored" in repr(one)]

        spans = 3
        wait_for(lambda: sum("kind" in one for one in stored()) >= spans, "Spans are missing.")
        assert session in repr(stored())
        assert SIGNATURE not in repr(stored())
        assert [backend for backend in web.backends if SIGNATURE in backend.output()] == []

    def recording(
        self, visitor: BrowserContext, web: Network, package: str, option: str = OPTION
    ) -> tuple[Page, str]:
        page = visitor.new_page()
        page.goto(f"{web.own}/page?scripts=axios.js,requests.js")
        script = (
            f'import Tracker from "@openreplay/tracker"; {option} '
            f"globalThis.tracker = tracker; tracker.start();"
        )
        snippet(page, web, script, package)
        return page, started(page)


@pytest.fixture(scope="module", params=CORS)
def api(
    request: pytest.FixtureRequest,
    web: Network,
    store: Store,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A backend with one of the page's snippets; gives its origin."""
    kind, folder = request.param, tmp_path_factory.mktemp("cors")
    environment = environment_of(store, web.static)
    with backend(KINDS[kind], folder, environment, page=web.own, snippet=CORS[kind]) as (
        origin,
        running,
    ):
        yield origin
        assert "needs your attention" not in running.output()


class TestOtherOrigins:
    @pytest.fixture
    def page(self, visitor: BrowserContext, web: Network, api: str) -> Page:
        """A recorded page that lists the backend."""
        page, _ = recording(visitor, web)
        run(page, f"carrySession(tracker, {{ origins: ['{api}'], baggage: true }});")
        return page

    def test_what_the_page_says_is_allowed(self, page: Page, api: str) -> None:
        script = f"""
          const answer = await fetch("{api}/api/1", {{
            method: "PUT",
            credentials: "include",
            headers: {{
              Authorization: "Bearer shop",
              "Content-Type": "application/json",
              traceparent: "00-039355a552b33ac432cdd8894b6a690d-b7ad6b7169203331-01",
              tracestate: "shop=1",
            }},
            body: "{{}}",
          }});
          return answer.json();
        """
        answer = run(page, script)
        assert answer["session"] == page.evaluate("tracker.getSessionID()")
        assert answer["headers"]["authorization"] == "Bearer shop"
        assert answer["headers"]["baggage"].startswith("session.id=")
        assert answer["trace"] == "039355a552b33ac432cdd8894b6a690d"

    def test_an_uncaught_exception_is_seen_with_its_trace(self, page: Page, api: str) -> None:
        script = f"""
          const answer = await fetch("{api}/fail/1");
          return [answer.status, answer.headers.get("traceresponse")];
        """
        status, traceresponse = run(page, script)
        assert status == 500
        assert traceresponse.startswith("00-")

    def test_another_page_is_not_allowed(
        self, visitor: BrowserContext, web: Network, api: str
    ) -> None:
        page = visitor.new_page()
        page.goto(f"{web.listed}/page")
        script = f"return fetch('{api}/api/1').then(() => 'answered', (error) => error.name);"
        assert run(page, script) == "TypeError"
