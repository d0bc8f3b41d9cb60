"""A real browser for tests of pages."""

import shutil
from contextlib import contextmanager

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def chromium():
    """The machine's Chromium, without a window; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=QUIET)
        yield browser
        browser.close()


def hard_to_read(page, selector: str) -> list[str]:
    """The elements whose text has a contrast below 4.5 (WCAG 2.2, 1.4.3) to the nearest background that can be seen."""
    return page.evaluate(
        """selector => {
        const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
        const behind = one => {
            for (; one; one = one.parentElement) {
                const colour = numbers(getComputedStyle(one).backgroundColor);
                if (colour.length < 4 || colour[3] > 0) return colour;
            }
            return numbers(getComputedStyle(document.body).backgroundColor);
        };
        return [...document.querySelectorAll(selector)].filter(one =>
            [...one.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
        ).filter(one => {
            const [a, b] = [light(numbers(getComputedStyle(one).color)), light(behind(one))];
            return (Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5;
        }).map(one => one.outerHTML.slice(0, 200));
    }""",
        selector,
    )
