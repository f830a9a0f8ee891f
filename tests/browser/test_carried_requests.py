"""`carry-session.js` at the edges: options, cookies, redirects, failures, errors of the backend,
and
what no script can put a header on.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from browser.bundles import TRACKERS, Tracker
from browser.network import CORS, backend, environment_of
from browser.pages import address, ask, loaded_in, make, opened, recording, run, start, text

from patience import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import BrowserContext

    from browser.network import Network

    from store import Store

pytestmark = [pytest.mark.browser, pytest.mark.elasticsearch]

COOKIE = "asayer_session_id"
EVENT = re.compile(rb'backend error.{1,4}(\{"status".*?\})', re.DOTALL)
"""An event in a tracker's batch: name and payload, each with its length before it."""


class TestHeaders:
    def test_an_applications_own_header_stays(self, visitor: BrowserContext, web: Network) -> None:
        page, _ = recording(visitor, web)
        own = '{ headers: { "x-session-id": "own" } }'
        sent = [
            f'(await (await fetch("/api/own", {own})).json())',
            f'(await (await fetch(new Request("/api/own", {own}))).json())',
            f'(await axios.get("/api/own", {own})).data',
        ]
        answers = run(page, f"return [{', '.join(sent)}];")
        assert [answer["headers"]["x-session-id"] for answer in answers] == ["own"] * 3

    def test_what_else_a_request_says_stays(self, visitor: BrowserContext, web: Network) -> None:
        page, session = recording(visitor, web)
        init = '{ method: "PUT", body: "lamp", headers: { "X-Shop": "lamps" }, referrer: "/shop" }'
        for call in (f'"/api/whole", {init}', f'new Request("/api/whole", {init})'):
            answer = run(page, f"return (await fetch({call})).json();")
            assert answer["headers"]["x-session-id"] == session
            assert answer["headers"]["x-shop"] == "lamps"
            assert answer["headers"]["content-length"] == "4"
            assert answer["headers"]["referer"] == f"{web.own}/shop"

    def test_a_request_may_be_given_as_options(self, visitor: BrowserContext, web: Network) -> None:
        page, session = recording(visitor, web)
        call = 'fetch("/api/options", new Request("/", { headers: { "X-Shop": "lamps" } }))'
        answer = run(page, f"return (await {call}).json();")
        assert answer["headers"]["x-session-id"] == session
        assert answer["headers"]["x-shop"] == "lamps"

    def test_the_request_of_the_application_does_not_change(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, _ = recording(visitor, web)
        script = 'const request = new Request("/api/same"); await fetch(request); '
        assert run(page, f"{script} return [...request.headers];") == []

    def test_baggage_goes_along_where_it_is_asked_for(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, session = recording(visitor, web, "baggage: true")
        assert ask(page, f"{web.listed}/api/1")["headers"]["baggage"] == f"session.id={session}"
        assert ask(page, "/api/1", "XHR")["headers"]["baggage"] == f"session.id={session}"
        ask(page, f"{web.foreign}/api/baggage")
        assert [
            one.headers for one in web.stranger.at("/api/baggage") if "baggage" in one.headers
        ] == []

    def test_other_entries_of_baggage_stay(self, visitor: BrowserContext, web: Network) -> None:
        page, session = recording(visitor, web, "baggage: true")
        call = 'fetch("/api/1", { headers: { baggage: "tenant=7" } })'
        answer = run(page, f"return (await {call}).json();")
        assert answer["headers"]["baggage"] == f"tenant=7, session.id={session}"

    def test_no_baggage_goes_along_otherwise(self, visitor: BrowserContext, web: Network) -> None:
        page, _ = recording(visitor, web)
        assert "baggage" not in ask(page, f"{web.listed}/api/1")["headers"]

    def test_the_header_has_the_name_of_the_option(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, session = recording(visitor, web, 'header: "X-Shop-Session"')
        headers = ask(page, "/api/1")["headers"]
        assert headers["x-shop-session"] == session
        assert "x-session-id" not in headers


class TestCalls:
    def test_a_second_call_wraps_nothing_twice_and_replaces_the_options(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, session = recording(visitor, web)
        same = "const before = fetch; carrySession(tracker, { header: 'X-Second' });"
        assert run(page, f"{same} return before === fetch;") is True
        answer = ask(page, "/api/1")
        assert answer["headers"]["x-second"] == session
        assert "x-session-id" not in answer["headers"]
        run(page, f"carrySession(tracker, {{ origins: [{text(web.listed)}] }});")
        assert ask(page, "/api/1", "XHR")["headers"]["x-session-id"] == session

    def test_a_second_copy_of_the_script_leaves_the_first_one(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, session = recording(visitor, web)
        page.add_script_tag(url=f"{web.own}/scripts/carry-session.js")
        run(page, "carrySession(tracker);")
        assert ask(page, "/api/1", "XHR")["headers"]["x-session-id"] == session

    @pytest.mark.parametrize("tracker", TRACKERS, ids=lambda tracker: tracker.name)
    def test_it_returns_what_tells_the_id(
        self, visitor: BrowserContext, web: Network, tracker: Tracker
    ) -> None:
        page = opened(visitor, web, tracker)
        make(page, web)
        assert page.evaluate("sessionId()") is None
        session = start(page)
        assert page.evaluate("sessionId()") == session

    @pytest.mark.parametrize(
        "tracker",
        [
            "null",
            "{}",
            '{ getSessionID: () => { throw new Error("lost"); } }',
            '{ getSessionID: () => "undefined" }',
            "{ getSessionID: () => 7 }",
            '{ getSessionID: () => "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkX" }',
            '{ getSessionToken: () => "no token" }',
            '{ getSessionToken: () => "jw4wdfpgqhoj.3az.lrraavgc.ovJ2jwk7BEAZr3hB1GgCdXkX" }',
        ],
    )
    def test_what_is_no_id_is_not_sent_and_fails_no_request(
        self, visitor: BrowserContext, web: Network, tracker: str
    ) -> None:
        page = opened(visitor, web)
        run(page, f"globalThis.sessionId = carrySession({tracker});")
        assert "x-session-id" not in ask(page, "/api/1")["headers"]
        assert "x-session-id" not in ask(page, "/api/1", "XHR")["headers"]
        page.click("text=Next")
        assert visitor.cookies() == []

    def test_an_entry_that_is_no_origin_is_said_on_the_console(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page = opened(visitor, web)
        with page.expect_console_message() as said:
            run(page, 'carrySession({}, { origins: ["api.shop.example"] });')
        assert '"api.shop.example" is no origin' in said.value.text

    def test_a_failing_option_fails_no_request(self, visitor: BrowserContext, web: Network) -> None:
        page, _ = recording(visitor, web, "skip: (url) => url.nothing.here")
        assert ask(page, "/api/1")["session"] is None
        bad = 'carrySession(tracker, { header: "no header" });'
        call = 'fetch(new Request("/api/1", { method: "PUT", body: "lamp" }))'
        assert run(page, f"{bad} return (await {call}).json();")["headers"]["content-length"] == "4"

    def test_a_failure_that_nobody_handles_is_still_reported(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, _ = recording(visitor, web)
        script = """
          const unhandled = new Promise((resolve) =>
              addEventListener("unhandledrejection", resolve));
          fetch("/api/1", { signal: AbortSignal.abort() });
          return (await unhandled).reason.name;
        """
        assert run(page, script) == "AbortError"

    def test_a_page_with_another_base_sends_nothing_to_it(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, _ = recording(visitor, web)
        run(page, f"document.head.innerHTML += '<base href=\"{web.foreign}/\">';")
        ask(page, "api/based")
        ask(page, "api/based", "XHR")
        assert len(web.stranger.at("/api/based")) == 2
        assert "x-session-id" not in repr(web.stranger.at("/api/based"))


class TestCookie:
    def test_it_lives_for_seconds_and_goes_to_this_site_alone(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, session = recording(visitor, web)
        assert visitor.cookies() == []
        before = time.time()
        page.click("body")
        (cookie,) = visitor.cookies()
        assert (cookie["name"], cookie["value"], cookie["path"]) == (COOKIE, session, "/")
        assert cookie["sameSite"] == "Lax"
        assert before + 29 <= cookie["expires"] <= time.time() + 31

    def test_a_tab_that_is_opened_later_has_no_session(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, _ = recording(visitor, web, "seconds: 2")
        page.click("body")
        wait_for(lambda: visitor.cookies() == [], "The cookie stays.")
        assert loaded_in(opened(visitor, web)) is None

    def test_a_navigation_by_a_script_is_in_the_session(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, session = recording(visitor, web)
        with page.expect_navigation(wait_until="load"):
            run(page, 'location.href = "/page";')
        assert loaded_in(page) == session

    def test_a_request_of_a_script_is_not_put_into_the_session_of_the_cookie(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, session = recording(visitor, web)
        page.click("body")
        other = opened(visitor, web)
        answer = ask(other, "/api/1")
        assert answer["headers"]["cookie"] == f"{COOKIE}={session}"
        assert answer["session"] is None

    def test_an_empty_name_sets_none(self, visitor: BrowserContext, web: Network) -> None:
        page, _ = recording(visitor, web, 'cookie: ""')
        page.click("body")
        assert visitor.cookies() == []


class TestSecFetchMode:
    """Where it is missing, the backend cannot tell a navigation from a script's request."""

    def test_plain_http_has_none_and_the_cookie_counts_for_every_request(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        origin = web.own.replace("localhost", "plain.example")
        page = visitor.new_page()
        page.goto(origin + address())
        make(page, web)
        session = start(page)
        page.click("body")
        assert "sec-fetch-mode" not in ask(page, "/api/1")["headers"]
        other = visitor.new_page()
        other.goto(origin + address())
        assert ask(other, "/api/1")["session"] == session

    def test_localhost_has_it(self, visitor: BrowserContext, web: Network) -> None:
        page, _ = recording(visitor, web)
        assert ask(page, "/api/1")["headers"]["sec-fetch-mode"] == "cors"

    def test_a_handshake_of_a_web_socket_has_none(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, _ = recording(visitor, web)
        url = f"{web.foreign.replace('http', 'ws')}/socket"
        closed = "await new Promise((resolve) => (socket.onclose = resolve));"
        run(page, f"const socket = new WebSocket('{url}'); {closed}")
        (sent,) = web.stranger.at("/socket")
        assert sent.headers["upgrade"] == "websocket"
        assert "sec-fetch-mode" not in sent.headers


class TestRedirects:
    """A browser takes a header of ours along to the host that a redirect leads to, once that allows
    it."""

    def test_a_host_that_does_not_allow_the_header_is_not_reached(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, session = recording(visitor, web)
        to = f"{web.foreign}/strict/away"
        script = f"return fetch('/away?to={to}').then(() => 'answered', (error) => error.name);"
        assert run(page, script) == "TypeError"
        assert [sent.method for sent in web.stranger.at("/strict/away")] == ["OPTIONS"]
        assert session not in repr(web.stranger.at("/strict/away"))

    def test_a_host_that_allows_the_header_learns_the_id(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page, session = recording(visitor, web)
        ask(page, f"/away?to={web.foreign}/open/away")
        _, sent = web.stranger.at("/open/away")
        assert sent.headers["x-session-id"] == session

    @pytest.mark.parametrize("way", ["fetch string", "XHR"])
    def test_a_request_that_is_left_out_reaches_the_host_without_it(
        self, visitor: BrowserContext, web: Network, way: str
    ) -> None:
        page, _ = recording(visitor, web, 'skip: (url) => url.pathname === "/away"')
        target = f"/strict/{way.replace(' ', '-')}"
        ask(page, f"/away?to={web.foreign}{target}", way)
        (sent,) = web.stranger.at(target)
        assert "x-session-id" not in sent.headers


class TestOtherRequests:
    def test_an_event_source_a_beacon_an_image_and_a_worker_have_no_session(
        self, visitor: BrowserContext, web: Network, store: Store
    ) -> None:
        page, _ = recording(visitor, web)
        script = """
          new Image().src = "/api/other-image";
          navigator.sendBeacon("/api/other-beacon", "lamp");
          const code = `fetch("${location.origin}/api/other-worker")`;
          new Worker(URL.createObjectURL(new Blob([code])));
          const stream = new EventSource("/stream");
          const said = new Promise((resolve) => (stream.onmessage = ({ data }) => resolve(data)));
          const data = await said;
          stream.close();
          return data;
        """
        assert run(page, script) == "None"
        wanted = {f"/api/other-{kind}": None for kind in ("image", "beacon", "worker")}

        def stored() -> dict[str, Any]:
            attributes = [span["attributes"] for span in store.spans()]
            return {
                one["http.target"]: one.get("session.id")
                for one in attributes
                if one.get("http.target") in wanted
            }

        wait_for(lambda: stored().keys() == wanted.keys(), "Not every request has a span.")
        assert stored() == wanted

    def test_a_service_worker_that_passes_a_request_on_keeps_the_header(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        (web.static / "worker.js").write_text(
            """
            addEventListener("activate", (event) => event.waitUntil(clients.claim()));
            addEventListener("fetch", (event) => {
              if (event.request.url.includes("/api/")) event.respondWith(fetch(event.request));
            });
            """,
            encoding="utf-8",
        )
        page, session = recording(visitor, web)
        run(
            page,
            """
            const claimed = new Promise((resolve) =>
              (navigator.serviceWorker.oncontrollerchange = resolve));
            await navigator.serviceWorker.register("/scripts/worker.js", { scope: "/" });
            await claimed;
            """,
        )
        assert ask(page, "/api/passed-on")["session"] == session
        assert ask(page, "/api/passed-on", "XHR")["session"] == session


class TestBackendErrors:
    @pytest.mark.parametrize("tracker", TRACKERS, ids=lambda tracker: tracker.name)
    def test_a_500_is_one_event_of_the_replay_with_its_trace_and_a_200_is_none(
        self, visitor: BrowserContext, web: Network, store: Store, tracker: Tracker
    ) -> None:
        page, session = recording(visitor, web, tracker=tracker)
        calls = {
            f"/fail/{tracker.name}/fetch": "fetch(url)",
            f"/fail/{tracker.name}/axios": "axios.get(url).catch(String)",
            f"/api/{tracker.name}/fine": "fetch(url)",
        }
        for url, call in calls.items():
            run(page, f"const url = '{url}'; await {call};")
        listed = f"{web.listed}/fail/{tracker.name}/listed"
        run(page, f"const url = '{listed}'; await fetch(url, {{ method: 'put' }});")
        run(page, f"await fetch('{web.foreign}/fail/{tracker.name}/foreign');")
        paths = [f"/fail/{tracker.name}/{way}" for way in ("fetch", "axios", "listed")]

        def events() -> list[bytes]:
            page.evaluate("tracker.app.forceFlushBatch?.()")  # others send every ten seconds
            return EVENT.findall(web.ingest.recorded(session))

        def traces() -> dict[str, str]:
            spans = [span for span in store.spans() if span["kind"] == "Server"]
            found = {span["attributes"].get("http.target"): span["trace_id"] for span in spans}
            return {path: found[path] for path in paths if path in found}

        wait_for(lambda: len(events()) >= len(paths), "Not every error was recorded.")
        wait_for(lambda: len(traces()) == len(paths), "Not every error has a span.")
        method = dict(zip(paths, ("GET", "GET", "PUT"), strict=True))
        wanted = [
            f'{{"status":500,"method":"{method[path]}","path":"{path}","trace_id":"{trace}"}}'
            for path, trace in traces().items()
        ]
        assert sorted(event.decode() for event in events()) == sorted(wanted)

    def test_an_error_before_the_start_is_recorded_after_it(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page = opened(visitor, web)
        make(page, web)
        run(page, "await fetch('/fail/early');")
        told = """
          globalThis.told = new Promise((resolve) => {
            const { event } = tracker;
            tracker.event = (...args) => { event.apply(tracker, args); resolve(args); };
          });
        """
        run(page, told)
        start(page)
        name, payload = page.evaluate("told")
        assert (name, payload["path"]) == ("backend error", "/fail/early")

    def test_the_option_switches_it_off(self, visitor: BrowserContext, web: Network) -> None:
        page, _ = recording(visitor, web, "errors: false")
        script = """
          const told = [];
          tracker.event = (...args) => told.push(args);
          await fetch("/fail/quiet");
          carrySession(tracker);
          await fetch("/fail/loud");
          return told.map(([, { path }]) => path);
        """
        assert run(page, script) == ["/fail/loud"]


class TestPagesOfFastApi:
    def test_requests_and_page_loads_are_in_the_session(
        self, visitor: BrowserContext, web: Network
    ) -> None:
        page = visitor.new_page()
        page.goto(web.listed + address())
        make(page, web)
        session = start(page)
        assert ask(page, "/api/1")["session"] == session
        for link in ("text=Next", "text=Order"):
            with page.expect_navigation(wait_until="load"):
                page.click(link)
            assert loaded_in(page) == session
            make(page, web)
        timing = "performance.getEntriesByType('navigation')[0].serverTiming[0].description"
        assert page.evaluate(timing).startswith("00-")


class TestTraceOfAPageLoad:
    def test_timings_of_the_application_stay_in_flask_and_django(
        self, visitor: BrowserContext, web: Network, store: Store, tmp_path: Path
    ) -> None:
        environment = environment_of(store, web.static)
        with backend("django", tmp_path, environment, page=web.own, snippet=CORS["django"]) as (
            django,
            _,
        ):
            for origin in (web.own, django):
                answer = visitor.request.get(f"{origin}/timed")
                timing = answer.headers["server-timing"]
                assert "db;dur=5" in timing
                assert 'traceparent;desc="00-' in timing
