"""Write the documentation's picture of the session page anew:

`PYTHONPATH=tests python -m browser.picture`.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from browser import shop
from browser.conftest import CHROMIUM, HOUR_MS, SWITCHES, serving

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "session-page.png"


def main() -> None:
    recorded = shop.small(time.time_ns() // 1_000_000 - HOUR_MS)
    with (
        tempfile.TemporaryDirectory(prefix="otel-asayer-page-") as folder,
        sync_playwright() as playwright,
    ):
        shop.write(Path(folder), recorded.operations)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        with serving(Path(folder)) as address:
            page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
            page.goto(f"{address}/session/{recorded.session_id}")
            page.get_by_role("link", name="First error").click()
            page.locator(".detail .stack").wait_for()
            page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
