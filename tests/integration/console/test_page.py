"""The console's page in a real browser: what is seen, by eye, keyboard and ear."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from aiohttp import web

from tests.integration.console.browser import Page, browser
from tests.integration.console.shown import fleet, large, past
from tokenfleet.handlers.console import Console
from tokenfleet.ports import PortError, Reader

HOUR = timedelta(hours=1)


class Shown:
    """What the page is told; a document, or an error."""

    def __init__(self) -> None:
        self.document: dict[str, Any] | PortError = fleet()
        self.past = past(HOUR)
        self.asked: list[str] = []

    async def fleet(self) -> dict[str, Any]:
        if isinstance(self.document, PortError):
            raise self.document
        return self.document

    async def timeline(self, namespace: str, route: str, last: timedelta) -> dict[str, Any]:
        self.asked.append(f"{namespace}/{route} {last}")
        return self.past


class Nobody:
    async def reader(self, token: str) -> Reader:
        return Reader.UNKNOWN


class Stage:
    """The server, and a browser that looks at it."""

    def __init__(self, page: Page, shown: Shown, url: str) -> None:
        self.page, self.shown, self.url = page, shown, url

    async def open(self, document: Any = None, *, where: str = "") -> Page:
        if document is not None:
            self.shown.document = document
        await self.page.call("Page.navigate", url="about:blank")
        await self.page.open(f"{self.url}/{where}")
        return self.page


async def text(page: Page, selector: str) -> str:
    found = await page.says(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
    return " ".join(str(found).split())


async def drawn(page: Page) -> None:
    await page.until("document.querySelectorAll('#charts figure').length > 0")


async def play(stage: Stage) -> None:
    """Everything that is looked at, in one browser: starting one costs more than looking."""
    page = await stage.open()
    await drawn(page)
    await sees_the_fleet(page)
    await sees_the_past(page, stage.shown)
    await goes_by_keyboard(page, stage)
    await finds(page)
    await contrasts(page)
    await fits_a_narrow_window(page)
    await nothing_becomes_markup(stage)
    await takes_any_address(stage)
    await empty_and_broken(stage)
    await five_hundred_routes(stage)
    refused = [one for one in page.errors if "502" not in one]
    assert refused == [], "the page's own policy forbids nothing that it does"


async def sees_the_fleet(page: Page) -> None:
    assert await text(page, "#summary") == "2 objectives missed · 5 routes · 6 pools"
    assert "ServingPool research/deep-b is not ready: Unavailable: 1 of 2 replicas" in await text(
        page, "#troubles"
    )
    label = await page.says(
        "document.querySelector('[data-route=\"search/assistant\"]').getAttribute('aria-label')"
    )
    assert label == (
        "Route assistant in search. rule fast, no objective, AsWritten: chat-small 100 %."
        " rule slow, objectives missed, Shifted: chat-large 25 %, chat-small 75 %"
    )
    # A ribbon is as high as its part: a quarter and three quarters of the rule.
    heights = await page.says(
        "[...document.querySelectorAll('[data-route=\"search/assistant\"] .missed .ribbon')]"
        ".slice(1).map((one) => one.getBBox()).length"
    )
    assert heights == 2
    row = await text(page, "#objectives tbody tr:nth-child(1)")
    assert row.startswith("analysis-ttft"), "what is missed comes first"
    assert "would have: first step: 31 of 120 attempts bad" in await text(page, "#objectives")
    assert "-31 %" in await text(page, "#objectives")


async def sees_the_past(page: Page, shown: Shown) -> None:
    titles = await page.says(
        "[...document.querySelectorAll('#charts h3')].map((one) => one.innerText)"
    )
    assert titles == ["Shares of fast", "Shares of slow", "First token of slow", "Burn rates"]
    decisions = await text(page, "#decisions")
    assert decisions.index("T2, decision") < decisions.index("T1, decision")  # newest first
    assert "only the metric tells of it" in decisions
    assert shown.asked[-1] == "research/analysis 1:00:00"
    await page.says("document.querySelector('#last input[value=\"24h\"]').click()")

    async with asyncio.timeout(90):
        while shown.asked[-1] != "research/analysis 1 day, 0:00:00":
            await asyncio.sleep(0.05)


async def goes_by_keyboard(page: Page, stage: Stage) -> None:
    """Every route is reached by Tab, chosen by Enter, and says so."""
    await page.says("document.querySelector('[data-route=\"search/suggestions\"]').focus()")
    await page.press("Enter")
    await page.until(
        "document.querySelector('#timeline-title').innerText === 'suggestions over time'"
    )
    focused = await page.says("document.activeElement.dataset.route")
    assert focused == "search/suggestions"
    assert await page.says("document.activeElement.getAttribute('aria-current')") == "true"
    await page.says("document.querySelector('.skip').focus()")
    reached = []
    for _ in range(14):
        await page.press("Tab")
        reached.append(
            await page.says("document.activeElement.dataset.route ?? document.activeElement.id")
        )
    assert reached[:3] == ["namespace", "find", "picture"]
    assert [one for one in reached if "/" in one] != []
    assert stage.shown.asked[-1].startswith("search/suggestions")


async def finds(page: Page) -> None:
    await page.says(
        "const f = document.querySelector('#find'); f.value = 'deep'; f.dispatchEvent(new Event('input'))"
    )
    names = "[...document.querySelectorAll('[data-route]')].map((one) => one.dataset.route).sort()"
    assert await page.says(names) == ["research/analysis", "research/drafts"]
    await page.says(
        "const g = document.querySelector('#find'); g.value = 'no such'; g.dispatchEvent(new Event('input'))"
    )
    assert "Nothing fits" in await text(page, "#picture")
    await page.says(
        "const h = document.querySelector('#find'); h.value = ''; h.dispatchEvent(new Event('input'))"
    )


async def contrasts(page: Page) -> None:
    """WCAG 2.2: 4.5 for text, 3 for what carries meaning; in both schemes."""
    for scheme in ("light", "dark"):
        await page.scheme(scheme)
        names = ("page", "card", "ink", "quiet", "met", "missed", "unknown", "none", "focus")
        found = await page.says(
            f"{json.dumps(names)}.map((name) => getComputedStyle(document.documentElement)"
            ".getPropertyValue(`--${name}`).trim())"
        )
        colours = dict(zip(names, found, strict=True))
        for name in ("ink", "quiet", "met", "missed", "unknown"):
            for ground in ("page", "card"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (scheme, name, ground)
        for name in ("none", "focus"):
            assert contrast(colours[name], colours["card"]) >= 3, (scheme, name)
    await page.scheme("light")


async def fits_a_narrow_window(page: Page) -> None:
    """WCAG 2.2, reflow: at 320 pixels nobody scrolls the page sideways to read it."""
    await page.size(320, 800)
    wide = (
        "[...document.querySelectorAll('body *')].filter((one) => !one.closest('.scroll, svg')"
        " && one.getBoundingClientRect().right > 320.5).map((one) => one.outerHTML.slice(0, 80))"
    )
    assert await page.says(wide) == []
    assert await page.says("document.documentElement.scrollWidth") <= 320
    await page.size(1280, 900)


async def takes_any_address(stage: Stage) -> None:
    """A link that somebody has cut in an e-mail shows the fleet."""
    for address in ("#%", "#%zz/route", "#nowhere/none", "#/", "#search/assistant/more"):
        page = await stage.open(fleet(), where=address)
        assert "5 routes" in await text(page, "#summary"), address


async def nothing_becomes_markup(stage: Stage) -> None:
    evil = "<img src=x onerror=window.hurt=1>"
    document = fleet()
    document["troubles"] = (evil,)
    document["objectives"][0]["promise"] = evil
    page = await stage.open(document)
    assert evil in await text(page, "#troubles")
    assert await page.says("document.querySelectorAll('img').length + (window.hurt ?? 0)") == 0


async def empty_and_broken(stage: Stage) -> None:
    page = await stage.open(fleet(routes=[], pools=[], routers=[], objectives=[]))
    assert "No routes yet" in await text(page, "#picture")
    assert await text(page, "#summary") == "No objectives · 0 routes · 0 pools"
    page = await stage.open(PortError("the API server does not answer"))
    assert "The fleet cannot be read: the API server does not answer." in await text(
        page, "#problem"
    )


async def five_hundred_routes(stage: Stage) -> None:
    """Within a second of the page's own thread. What disturbs a drawing only adds to it: the least counts."""
    page = await stage.open(fleet())
    await page.call("Performance.enable", timeDomain="threadTicks")
    stage.shown.document = large()
    least = min([await drawing(page) for _ in range(3)])

    assert await page.says("document.querySelectorAll('[data-route]').length") == 500
    assert least < 1.0
    assert await text(page, "#troubles summary") == "119 more"
    assert "Show all 500" in await text(page, "#objectives")


async def served() -> AsyncIterator[tuple[Shown, str]]:
    shown = Shown()
    runner = web.AppRunner(Console(shown, Nobody(), token=False).application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield shown, f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def test_the_page_in_a_browser() -> None:
    async for shown, url in served():
        async with browser() as page:
            await page.size(1280, 900)
            await play(Stage(page, shown, url))


async def drawing(page: Page) -> float:
    """Let the page read the fleet and draw it; return the seconds of CPU that this took."""
    drawn = "performance.getEntriesByName('draw').length"
    times, before = await page.says(drawn), await worked(page)
    await page.says("document.dispatchEvent(new Event('visibilitychange'))")
    await page.until(f"{drawn} > {times}")
    await page.says(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    return await worked(page) - before


async def worked(page: Page) -> float:
    """Seconds of CPU that the page's thread has used."""
    metrics = (await page.call("Performance.getMetrics"))["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def contrast(one: str, other: str) -> float:
    """Contrast of two colours as #rrggbb (WCAG 2.2, relative luminance)."""

    def luminance(colour: str) -> float:
        short = re.fullmatch(r"#(\w)(\w)(\w)", colour)
        digits = "".join(2 * digit for digit in short.groups()) if short else colour[1:]
        parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
        red, green, blue = (
            part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
