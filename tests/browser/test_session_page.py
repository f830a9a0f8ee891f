"""The session page in a real browser:

with the mouse, with keys alone, without its script, in both themes, and on a phone.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.browser

CHOSEN = "tr[aria-current] .what"
SIGN = "element => getComputedStyle(element, '::before').content"
IS_CUT = (
    "element => element.scrollHeight > element.clientHeight + 2"
    " || element.scrollWidth > element.clientWidth"
)
SHOWN = (
    "found => found.filter(one => getComputedStyle(one).display !== 'none')"
    ".map(one => one.getBoundingClientRect())"
)
DECLINED = "storefront.payment.PaymentDeclinedError: card declined for 349.80 EUR"


@pytest.fixture
def session(page: Page, served: tuple[str, str]) -> Page:
    """The page of the session."""
    page.goto(f"{served[0]}/session/{served[1]}")
    return page


@pytest.fixture
def without_script(chromium: Browser, served: tuple[str, str]) -> Iterator[Page]:
    """The page of the session in a browser that runs no script."""
    with chromium.new_context(java_script_enabled=False) as context:
        window = context.new_page()
        window.goto(f"{served[0]}/session/{served[1]}")
        yield window


def focused(page: Page) -> str:
    """The text of what has the focus."""
    return str(page.evaluate("document.activeElement.textContent"))


def is_covered(page: Page, selector: str) -> bool:
    """Whether something lies over the middle of an element."""
    return bool(
        page.locator(selector).evaluate(
            """element => {
              const { left, top, width, height } = element.getBoundingClientRect();
              const seen = document.elementFromPoint(left + width / 2, top + height / 2);
              return !element.contains(seen);
            }"""
        )
    )


def luminance(page: Page, selector: str, of: str) -> float:
    """How light a colour of an element is, from 0 to 255."""
    colour = page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{of}")
    return sum(map(float, colour.removeprefix("rgb(").removesuffix(")").split(","))) / 3


@contextmanager
def the_next_page(page: Page) -> Iterator[None]:
    """Wait for the whole of the page that the block leads to:

    keys and places are its script's, which runs after its text is there.
    """
    with page.expect_navigation(wait_until="load"):
        yield


def test_a_pasted_replay_address_leads_to_the_timeline(page: Page, served: tuple[str, str]) -> None:
    address, session_id = served
    page.goto(address)
    page.keyboard.insert_text(
        f"https://app.openreplay.com/1234/session/{session_id}?jumpto=1706063260000"
    )
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Session {session_id}")
    assert page.url == f"{address}/session/{session_id}"


def test_what_leads_nowhere_can_be_typed_again(chromium: Browser, served: tuple[str, str]) -> None:
    with chromium.new_context() as context:  # of its own: a browser complains of the status 400
        page = context.new_page()
        page.goto(served[0])
        page.keyboard.type("no such session")
        page.keyboard.press("Enter")
        expect(page.locator(".message")).to_be_visible()
        expect(page.locator("#q")).to_be_focused()
        expect(page.locator("#q")).to_have_value("no such session")


def test_what_failed_of_late_leads_to_the_error_in_its_session(
    page: Page, served: tuple[str, str]
) -> None:
    page.goto(served[0])
    page.get_by_role("link", name="PaymentDeclinedError").click()
    expect(page.locator("#event")).to_have_text(DECLINED)


def test_a_session_is_chosen_from_the_list(page: Page, served: tuple[str, str]) -> None:
    page.goto(served[0])
    page.get_by_role("link", name=served[1], exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Session {served[1]}")


def test_the_list_is_filtered(page: Page, served: tuple[str, str]) -> None:
    page.goto(served[0])
    page.get_by_text("With errors").click()
    expect(page.locator(".sessions tbody tr")).to_have_count(1)
    expect(page.get_by_label("With errors")).to_be_focused()
    page.get_by_label("Text or attribute").fill("nothing has this")
    page.keyboard.press("Enter")
    expect(page.locator(".recent .hint")).to_contain_text("No sessions pass these filters")


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_list_fits_and_has_contrast(
    page: Page, served: tuple[str, str], width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two that it takes
    page.goto(served[0])
    expect(page.locator(".sessions tbody tr")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("width", [400, 1280])
def test_a_link_to_an_event_shows_its_row_beside_its_detail(
    page: Page, served: tuple[str, str], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(served[0])
    page.get_by_role("link", name="PaymentDeclinedError").click()
    expect(page.locator(CHOSEN)).to_be_in_viewport()
    assert not is_covered(page, CHOSEN)


def test_e_shows_the_row_above_the_sheet_of_a_phone(session: Page) -> None:
    session.set_viewport_size({"width": 400, "height": 800})
    session.locator("#m1 .what a").click()
    expect(session.locator(".detail")).to_be_visible()
    session.wait_for_load_state()
    session.keyboard.press("e")
    assert not is_covered(session, "tr:focus-within .what")


def test_a_span_folds_what_is_inside(session: Page) -> None:
    rows = session.locator("tbody tr:visible")
    everything = rows.count()
    first = session.locator("tbody tr").first
    first.get_by_role("button", name="Fold what is inside").click()
    folded = rows.count()
    assert folded < everything
    expect(session.locator("#m2")).to_be_hidden()
    first.locator(".what a").focus()
    session.keyboard.press("j")
    assert session.evaluate("document.activeElement.closest('tr').id") != "m2"
    session.keyboard.press("k")
    session.keyboard.press("ArrowRight")
    assert rows.count() == everything


def test_a_folded_row_is_shown_when_it_is_the_next_error(session: Page) -> None:
    for button in session.locator(".fold").all():
        if button.is_visible():
            button.click()
    session.keyboard.press("e")
    assert session.evaluate("document.activeElement.closest('tr').classList.contains('error')")
    assert session.evaluate("document.activeElement.closest('tr').checkVisibility()")


def test_times_are_in_the_readers_zone_on_request(
    chromium: Browser, served: tuple[str, str]
) -> None:
    with chromium.new_context(timezone_id="Asia/Kathmandu") as context:
        window = context.new_page()
        window.goto(f"{served[0]}/session/{served[1]}")
        shown = window.locator(".head time")
        assert shown.inner_text().endswith(" UTC")
        window.get_by_role("button", name="My time zone").click()
        assert re.fullmatch(r"[0-9-]{10} [0-9:]{8}\.[0-9]{3} \+05:45", shown.inner_text())
        window.reload()
        assert shown.inner_text().endswith("+05:45")
        window.get_by_role("button", name="UTC").click()
        assert shown.inner_text().endswith(" UTC")


def test_a_stack_is_copied_whole(session: Page) -> None:
    session.context.grant_permissions(["clipboard-read", "clipboard-write"])
    session.locator(".lane a.error:has(use[href='#cross'])").click()
    expect(session.locator(".stack summary")).to_have_text("2 frames of libraries")
    session.get_by_role("button", name="Copy").click()
    expect(session.get_by_role("button", name="Copied")).to_be_visible()
    copied = session.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("Traceback (most recent call last):")
    assert "site-packages" in copied


def test_a_click_on_an_attribute_shows_the_events_that_share_it(session: Page) -> None:
    session.get_by_role("link", name="First error").click()
    session.locator(".pairs a", has_text="PaymentDeclinedError").first.click()
    expect(session.locator("tbody tr")).to_have_count(1)
    assert session.get_by_label("Text in titles").input_value().startswith("exception.type:")


def test_a_range_of_time_is_typed(session: Page) -> None:
    session.get_by_label("From this time after the start on").fill("0:00")
    session.get_by_label("Up to this time after the start").fill("0:05")
    session.get_by_role("button", name="Filter").click()
    expect(session.locator(".axis .zoom a")).to_have_text("All of the time")
    assert session.get_by_label("Up to this time").input_value() == "+0:05.000"


def test_services_are_lanes_in_the_order_in_which_they_come(session: Page) -> None:
    assert session.locator(".lane h3").all_inner_texts() == ["storefront", "pricing", "payments"]


def test_bars_and_marks_are_where_they_can_be_seen(session: Page) -> None:
    picture = session.locator(".lanes").bounding_box()
    boxes = [shape.bounding_box() for shape in session.locator(".lane a").all()]
    assert picture is not None
    assert len(boxes) > 50
    for box in boxes:
        assert box is not None
        assert box["width"] > 1
        assert (
            picture["x"] <= box["x"] <= box["x"] + box["width"] <= picture["x"] + picture["width"]
        )


def test_an_error_is_red_and_a_click_on_it_shows_its_stack(session: Page) -> None:
    cross = session.locator(".lane a.error:has(use[href='#cross'])")
    assert (
        cross.locator("use").evaluate("element => getComputedStyle(element).fill")
        == "rgb(196, 39, 29)"
    )
    cross.click()
    expect(session.locator(".detail .stack")).to_contain_text(
        'File "/srv/shop/storefront/payment.py", line 31, in charge'
    )
    expect(session.locator(".detail")).to_contain_text("storefront/payment.py:31 in charge")
    expect(session.locator(CHOSEN)).to_have_text(DECLINED)


def test_what_is_bad_has_a_sign_beside_its_colour(session: Page) -> None:
    rows = {"error": "The bank declines", "warning": "left"}
    signs = {
        level: session.locator(f"tr.{level}.log a", has_text=text).first.evaluate(SIGN)
        for level, text in rows.items()
    }
    assert signs == {"error": '"✕" / "error: "', "warning": '"!" / "warning: "'}


def test_an_event_leads_to_the_replay_at_that_moment(session: Page) -> None:
    session.get_by_role("link", name="First error").click()
    link = session.get_by_role("link", name="Open the replay at this moment")
    address = link.get_attribute("href")
    assert address is not None
    assert address.startswith("https://app.openreplay.com/1234/session/")
    assert link.get_attribute("target") == "_blank"
    assert link.get_attribute("rel") == "noopener noreferrer"


def test_a_walk_by_keys_alone(session: Page) -> None:
    for key in ("j", "j", "ArrowDown", "k"):
        session.keyboard.press(key)
    title = session.locator("#m2 .what").inner_text()
    assert focused(session) == title
    with the_next_page(session):
        session.keyboard.press("Enter")
    expect(session.locator("#event")).to_have_text(title)
    expect(session.locator(CHOSEN)).to_have_text(title)
    session.keyboard.press("j")
    with the_next_page(session):
        session.keyboard.press("Enter")
    expect(session.locator(CHOSEN)).to_have_text(session.locator("#m3 .what").inner_text())
    session.keyboard.press("Escape")
    expect(session.locator(".detail")).to_have_count(0)
    expect(session.locator("#m3 .what a")).to_be_focused()


def test_e_goes_to_the_next_error(session: Page) -> None:
    session.keyboard.press("e")
    assert focused(session) == "POST /checkout 500"


def test_e_goes_to_an_error_on_a_later_page_of_the_list(page: Page, large: tuple[str, str]) -> None:
    page.goto(f"{large[0]}/session/{large[1]}")
    with the_next_page(page):
        page.keyboard.press("e")
    expect(page.locator("#event")).to_have_text("POST /checkout 500")
    page.keyboard.press("e")
    assert focused(page) == "The bank declines: insufficient funds"


def test_o_opens_the_replay_of_the_row(session: Page) -> None:
    session.evaluate(
        "document.addEventListener('click', event => { window.went = event.target.href; "
        "event.preventDefault(); })"
    )
    session.keyboard.press("j")
    session.keyboard.press("o")
    assert session.evaluate("window.went") == session.locator("#m1 .replay a").get_attribute("href")


def test_slash_goes_to_the_search_and_keys_are_text_there(session: Page) -> None:
    session.keyboard.press("/")
    session.keyboard.type("jk/")
    assert session.locator("#q").input_value() == "jk/"


def test_everything_can_be_reached_with_the_tabulator_and_is_seen_there(session: Page) -> None:
    for selector in (".skip", ".brand", "#q"):
        session.keyboard.press("Tab")
        expect(session.locator(selector).first).to_be_focused()
    assert (
        session.locator("#q").evaluate("element => getComputedStyle(element).outlineStyle")
        == "solid"
    )


def test_a_filter_narrows_at_once(session: Page) -> None:
    session.get_by_text("payments", exact=True).first.click()
    expect(session.locator(".lane h3")).to_have_text(["payments"])
    assert set(session.locator("td.who").all_inner_texts()) == {"payments"}


def test_a_filter_keeps_the_focus(session: Page) -> None:
    level = session.get_by_label("Level")
    level.focus()
    for named in ("Info and worse", "Warnings and errors"):
        with the_next_page(session):
            session.keyboard.press("ArrowDown")
        expect(level).to_be_focused()
        expect(level.locator("[selected]")).to_have_text(named)


def test_a_part_of_the_time_can_be_looked_at_closer(session: Page) -> None:
    session.locator(".axis a").last.click()
    expect(session.locator(".axis .zoom a")).to_have_text("All of the time")
    assert session.locator("td.what").first.inner_text() == "POST /checkout 500"


def test_a_row_far_down_stays_where_it_is_when_its_detail_opens(session: Page) -> None:
    row = session.locator("#m60 .what a")
    row.scroll_into_view_if_needed()
    before = session.evaluate("scrollY"), row.bounding_box()
    with the_next_page(session):
        row.click()
    expect(session.locator(".detail")).to_be_visible()
    after = row.bounding_box()
    assert before[0] > 500
    assert before[1] is not None
    assert after is not None
    assert after["y"] == pytest.approx(before[1]["y"], abs=1)


def test_it_works_without_its_script(without_script: Page) -> None:
    without_script.locator("#m60 .what a").click()
    expect(without_script.locator(CHOSEN)).to_be_in_viewport()
    expect(without_script.locator(".detail")).to_be_in_viewport()
    without_script.get_by_label("Text in titles, bodies and attributes").fill("lamp")
    without_script.get_by_role("button", name="Filter").click()
    expect(without_script.locator(".list h2")).to_contain_text("of 77")


def test_on_paper_the_detail_is_whole_and_covers_nothing(session: Page) -> None:
    session.get_by_role("link", name="First error").click()
    session.set_viewport_size({"width": 718, "height": 1000})  # of A4
    session.emulate_media(media="print")
    detail, picture = (
        session.locator(".detail").bounding_box(),
        session.locator(".waterfall").bounding_box(),
    )
    assert detail is not None
    assert picture is not None
    assert detail["y"] + detail["height"] <= picture["y"]
    assert (
        session.locator(".detail, .detail pre, .lanes, td.what").evaluate_all(
            f"found => found.filter({IS_CUT}).length"
        )
        == 0
    )


def test_a_dark_system_has_a_dark_page(session: Page) -> None:
    light = luminance(session, "body", "backgroundColor"), luminance(session, "body", "color")
    session.emulate_media(color_scheme="dark")
    dark = luminance(session, "body", "backgroundColor"), luminance(session, "body", "color")
    assert light[0] > 200
    assert light[1] < 60
    assert dark[0] < 60
    assert dark[1] > 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_both_themes(session: Page, scheme: str) -> None:
    # One of the two that it takes
    session.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    session.get_by_role("link", name="First error").click()
    expect(session.locator(CHOSEN)).to_be_visible()
    session.wait_for_load_state()
    assert session.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_and_marks_have_contrast_in_both_themes(
    page: Page, large: tuple[str, str], scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type] # one of the two that it takes
    page.goto(f"{large[0]}/session/{large[1]}")
    kinds = page.locator(".lane a").evaluate_all(
        "found => [...new Set(found.map(one => one.classList[0]))].sort()"
    )
    assert kinds == ["many", "mark", "request", "span"]
    assert page.evaluate(SHAPES) == []


@pytest.mark.parametrize("width", [360, 1024, 1280])
def test_nothing_at_the_axis_is_written_or_drawn_over(session: Page, width: int) -> None:
    session.set_viewport_size({"width": width, "height": 800})
    labels = session.locator(".axis text:not(.gap)").evaluate_all(SHOWN)
    lines = session.locator(".axis line[y1='4']").evaluate_all(SHOWN)
    assert len(labels) == len(lines) > 1
    assert all(before["right"] <= after["left"] for before, after in pairwise(labels))
    assert not any(
        label["left"] < line["left"] < label["right"] for label in labels for line in lines
    )


def test_a_phone_shows_everything_without_scrolling_sideways(session: Page) -> None:
    session.set_viewport_size({"width": 390, "height": 844})
    assert session.evaluate("document.documentElement.scrollWidth") == 390
    session.get_by_role("link", name="First error").click()
    expect(session.locator(".detail .watch")).to_be_in_viewport()
    assert session.evaluate("document.documentElement.scrollWidth") == 390


def test_ten_thousand_documents_are_pages(page: Page, large: tuple[str, str]) -> None:
    page.goto(f"{large[0]}/session/{large[1]}")
    assert page.locator("tbody tr").count() == 500
    page.get_by_role("link", name="Later").first.click()
    expect(page.locator(".pages").first).to_contain_text("501 to 1,000")


CONTRAST = """() => {
  const parse = colour => colour.match(/[\\d.]+/g).map(Number);
  const channel = value => (value /= 255) <= .03928 ? value / 12.92
      : ((value + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const element of document.querySelectorAll("body *:not(svg *)")) {
    const text = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!text || !element.checkVisibility()) continue;
    const [one, other] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
    if (ratio < 4.5) bad.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
  }
  return [...new Set(bad)];
}"""
"""What has text of a contrast below 4.5 to what is behind it (WCAG 2, AA)."""

SHAPES = """() => {
  const parse = colour => colour.match(/[0-9.]+/g).map(Number);
  const channel = value => (value /= 255) <= .04045 ? value / 12.92
      : ((value + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const sheet = parse(getComputedStyle(document.querySelector(".waterfall")).backgroundColor);
  const on = (colour, opacity) => colour === "none" ? sheet : parse(colour)
      .map((value, index) => value * opacity + sheet[index] * (1 - opacity));
  const ratio = (one, other) => (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
  const bad = [];
  for (const shape of document.querySelectorAll(".lane a > rect, .lane a > use")) {
    const style = getComputedStyle(shape);
    const seen = [on(style.fill, style.fillOpacity), on(style.stroke, style.strokeOpacity)]
      .map(colour => ratio(light(colour), light(sheet)));
    if (Math.max(...seen) < 3)
      bad.push(`${shape.parentElement.classList}: ${Math.max(...seen).toFixed(2)}`);
  }
  return [...new Set(bad)];
}"""
"""What of the picture has a contrast below 3 to its ground (WCAG 2, AA), in its fill and in its
edge."""
