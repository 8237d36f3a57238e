"""The status page in a real browser, under its real policy: what it shows and does not do."""

from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from shield_evaluator.status.page import HEADERS, render
from tests.rig.browser import Browser, Look, Picture
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.unit.shield_evaluator.page_scenes import SCENES

# The bar at the top has the state's colour, to be seen across a room (status/style.css).
GOOD, NEAR, OVER = (26, 127, 55), (154, 103, 0), (196, 36, 43)
DARK_NEAR, DARK_OVER = (224, 169, 49), (255, 107, 107)


@pytest.fixture
def browser(rig: Rig) -> Browser:
    return Browser(rig)


@pytest.fixture
async def site(rig: Rig) -> AsyncIterator[Callable[[str], str]]:
    """Serve every scene as the evaluator does; call it with a scene's name for its URL."""

    async def answer(request: web.Request) -> web.Response:
        body = render(SCENES[request.match_info["scene"]]())
        return web.Response(body=body, content_type="text/html", charset="utf-8", headers=HEADERS)

    app = web.Application()
    app.router.add_get("/{scene}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    port = rig.ports.reserve()
    await web.TCPSite(runner, LOOPBACK, port).start()
    yield lambda name: f"http://{LOOPBACK}:{port}/{name}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("scene", "title"),
    [
        ("admitting", "Admitting every tier · rh01 · etcd-shield"),
        ("denying", "Denying tiers standard, background · rh01 · etcd-shield"),
        ("blind", "Denying tier background · rh01 · etcd-shield"),
        ("overridden", "Denying tier background · rh01 · etcd-shield"),
    ],
)
async def test_the_title_has_the_headline_and_the_policy_is_kept(
    browser: Browser, site: Callable[[str], str], scene: str, title: str
) -> None:
    opened = await browser.document(site(scene))
    violations = [line for line in opened.console.splitlines() if "Content Security" in line]
    assert (True, []) == (f"<title>{title}</title>" in opened.output, violations)


async def test_html_in_a_name_stays_text(browser: Browser, site: Callable[[str], str]) -> None:
    document = (await browser.document(site("hostile"))).output
    found = [document.count(mark) for mark in ("<script", "<img", "<title>Denying every tier")]
    assert [0, 0, 1] == found


@pytest.mark.parametrize(
    ("scene", "look", "color"),
    [
        pytest.param("admitting", Look(), GOOD, id="admitting"),
        pytest.param("denying", Look(), OVER, id="denying"),
        pytest.param("blind", Look(), NEAR, id="blind"),
        pytest.param("overridden", Look(), NEAR, id="overridden"),
        pytest.param("denying", Look(dark=True), DARK_OVER, id="denying in the dark"),
        pytest.param("blind", Look(dark=True, width=500), DARK_NEAR, id="blind on a dark phone"),
    ],
)
async def test_the_top_of_the_page_has_the_colour_of_the_state(
    browser: Browser,
    site: Callable[[str], str],
    scene: str,
    look: Look,
    color: tuple[int, int, int],
) -> None:
    picture: Picture = await browser.picture(site(scene), look)
    assert ({color}, look.width) == (picture.top_colors(), picture.width)
