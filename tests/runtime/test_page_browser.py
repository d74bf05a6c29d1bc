"""The page of a trace in a real browser: sorting, opening, zooming, and what must not run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from h2dlint.runtime.page import render
from h2dlint.runtime.traces import WAIT, Frame, Stall, Trace
from tests.runtime.browser import Browser, missing
from tests.runtime.sample_traces import Sample, sample
from tests.runtime.test_page import HOSTILE, hostile, process, site

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "there is a browser")

ENTER, ESCAPE = "\ue007", "\ue00c"


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample(tmp_path_factory.mktemp("run"))


@pytest.fixture
def browser(window: Browser, run: Sample, tmp_path: Path) -> Iterator[Browser]:
    """With the page of the sample open; whatever the test does, the console stays silent."""
    window.media(prefers_color_scheme="light")
    window.resize(1280, 1000)
    show(window, tmp_path, run)
    yield window
    assert window.messages() == []


def show(window: Browser, folder: Path, run: Sample) -> None:
    page = folder / "page.html"
    page.write_text(render(run.trace, run.rows, run.extra, root=str(run.root)), encoding="ascii")
    window.open(page)


def column(browser: Browser, number: int) -> list[str]:
    script = (
        "return [...document.querySelectorAll('tr.site')].map((row) => row.cells[arguments[0]].innerText)"
    )
    return list(browser.run(script, number))


def figures(browser: Browser, number: int) -> list[float]:
    return [float(text.replace(",", "")) for text in column(browser, number)]


def shown(browser: Browser) -> tuple[float, float]:
    """First and last microsecond of the time line, once it is drawn."""
    frame = "return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    browser.run(frame)
    stretch = browser.run("const {from, to} = document.querySelector('#range').dataset; return [from, to]")
    return float(stretch[0]), float(stretch[1])


def text(browser: Browser, selector: str) -> str:
    return str(browser.run("return document.querySelector(arguments[0])?.innerText ?? ''", selector))


def canvas(browser: Browser) -> dict[str, Any]:
    """Where the lanes are in the window, scrolled so that they are seen."""
    box = browser.run(
        "const node = document.querySelector('#lanes'); node.scrollIntoView({block: 'center'});"
        "const box = node.getBoundingClientRect(); return {x: box.x, y: box.y, width: box.width, height: box.height}"
    )
    return dict(box)


def painted(browser: Browser, variable: str) -> int:
    """How many pixels of the lanes have the colour of a variable of the style sheet."""
    script = """
        const lanes = document.querySelector('#lanes'), canvas = document.createElement('canvas');
        canvas.width = lanes.width; canvas.height = lanes.height + 1;
        const pen = canvas.getContext('2d', {willReadFrequently: true});
        pen.drawImage(lanes, 0, 0);
        // Below the picture, one pixel of the colour that is looked for.
        pen.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(arguments[0]).trim();
        pen.fillRect(0, lanes.height, 1, 1);
        const [red, green, blue] = pen.getImageData(0, lanes.height, 1, 1).data;
        const {data} = pen.getImageData(0, 0, lanes.width, lanes.height);
        let count = 0;
        for (let at = 0; at < data.length; at += 4)
          if (data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] === 255) count += 1;
        return count;"""
    return int(browser.run(script, variable))


def drag(browser: Browser, x: int, y: int, to: int) -> None:
    browser.point(
        {"type": "pointerMove", "x": x, "y": y, "duration": 0},
        {"type": "pointerDown", "button": 0},
        {"type": "pointerMove", "x": to, "y": y, "duration": 50},
        {"type": "pointerUp", "button": 0},
    )


def test_headline(browser: Browser, run: Sample) -> None:
    headline = text(browser, "#headline")
    assert f"{run.trace.blocking:,}" in headline
    waits = sum(site.count for site in run.trace.sites if site.kind == WAIT)
    assert f"{waits} waits at 1 site" in headline
    assert "python serve.py --model tiny --ranks 2" in text(browser, "#command")
    assert browser.run("return performance.getEntriesByType('resource').length") == 0


def test_the_table_is_sorted_by_what_is_clicked(browser: Browser) -> None:
    held = figures(browser, 2)
    assert len(held) == 9
    assert held == sorted(held, reverse=True)
    assert (
        browser.run("return document.querySelector('[data-sort=held]').parentNode.ariaSort") == "descending"
    )
    for key, number in (("blocked", 3), ("max", 4)):
        browser.click(f"[data-sort={key}]")
        assert figures(browser, number) == sorted(figures(browser, number), reverse=True)
        browser.click(f"[data-sort={key}]")
        assert figures(browser, number) == sorted(figures(browser, number))
        assert (
            browser.run(
                "return document.querySelector(arguments[0]).parentNode.ariaSort", f"[data-sort={key}]"
            )
            == "ascending"
        )
    browser.click("[data-sort=bytes]")
    assert column(browser, 5)[0].endswith("GiB") and column(browser, 5)[-1].endswith("KiB")
    browser.click("[data-sort=place]")
    places = column(browser, 1)
    assert places == sorted(
        places, key=lambda place: (place.split(":")[0], int(place.split(":")[1].split()[0]))
    )


def test_a_row_opens_frames_and_the_fix(browser: Browser) -> None:
    index = column(browser, 1).index("engine/step.py:29 Sampler.forward, Tensor.to")
    browser.click(f"tr.site:nth-of-type({index + 1}) td.rule")
    panel = text(browser, "tr.detail")
    assert "Engine.step" in panel and "Module._call_impl" in panel
    assert text(browser, "tr.detail li.user mark") == 'torch.tensor(value).to("cuda")'
    assert "pin_memory=True" in text(browser, "tr.detail .diff .add")
    assert text(browser, "tr.detail .diff .del").startswith("-")
    assert browser.run("return document.querySelectorAll('tr.detail').length") == 1
    # Torch's own frame is there, folded.
    assert "Module.to" not in panel
    browser.click("tr.detail details summary")
    assert "Module.to" in text(browser, "tr.detail")
    browser.click("tr.open td.rule")
    assert browser.run("return document.querySelectorAll('tr.detail').length") == 0


def test_an_open_row_highlights_its_stalls(browser: Browser) -> None:
    browser.run("document.querySelector('#zoom-in').click()")
    shown(browser)
    before = {name: painted(browser, name) for name in ("--none", "--c0")}
    assert min(before.values()) > 0
    index = next(n for n, rule in enumerate(column(browser, 0)) if rule.strip() == "no rule")
    browser.click(f"tr.site:nth-of-type({index + 1}) td.rule")
    shown(browser)
    # What belongs to others is translucent now.
    assert painted(browser, "--c0") == 0
    assert painted(browser, "--none") > 0


def test_zooming_and_panning(browser: Browser, run: Sample) -> None:
    whole = shown(browser)
    assert whole[0] == 0
    box = canvas(browser)
    x, y = int(box["x"] + box["width"] / 4), int(box["y"] + box["height"] / 2)
    browser.wheel(x, y, -240)
    wheeled = shown(browser)
    assert wheeled[1] - wheeled[0] < 0.7 * (whole[1] - whole[0])
    # What was under the pointer stays there.
    at = wheeled[0] + (wheeled[1] - wheeled[0]) / 4
    assert at == pytest.approx(whole[1] / 4, rel=0.02)
    drag(browser, x, y, x + 100)
    dragged = shown(browser)
    assert dragged[0] == pytest.approx(at, rel=0.02)
    assert dragged[1] - dragged[0] == pytest.approx(100 / box["width"] * (wheeled[1] - wheeled[0]), rel=0.05)
    browser.run("document.querySelector('#plot').focus()")
    browser.key("\ue014")
    panned = shown(browser)
    assert panned[0] > dragged[0]
    assert panned[1] - panned[0] == pytest.approx(dragged[1] - dragged[0])
    browser.key("-")
    assert shown(browser)[1] - shown(browser)[0] > panned[1] - panned[0]
    browser.key("0")
    assert shown(browser) == whole
    # Zoomed as far in as it goes, and out again by the button.
    for _ in range(40):
        browser.key("+")
    assert shown(browser)[1] - shown(browser)[0] == pytest.approx(1.0)
    browser.click("#reset")
    assert shown(browser) == whole


def test_a_stall_says_what_it_is_and_opens_its_site(browser: Browser) -> None:
    browser.click("tr.site:nth-of-type(1) td.rule")
    operator = text(browser, "tr.open td.where .of").split(", ")[1]
    browser.click("tr.detail .jump")
    shown(browser)
    browser.key(ESCAPE)
    assert browser.run("return document.querySelectorAll('tr.open').length") == 0
    box = canvas(browser)
    # The longest stands in the middle; which thread it is on, the picture says.
    for down in range(30, int(box["height"]), 6):
        x, y = int(box["x"] + box["width"] / 2), int(box["y"] + down)
        browser.point({"type": "pointerMove", "x": x, "y": y, "duration": 0})
        if operator in text(browser, "#tip"):
            break
    tip = text(browser, "#tip")
    assert operator in tip and "engine/step.py:" in tip and "a copy on average" in tip
    drag(browser, x, y, x)
    assert browser.run("return document.querySelectorAll('tr.open').length") == 1
    assert operator in text(browser, "tr.open")


def test_filter_legend_and_views(browser: Browser) -> None:
    browser.key("/")
    browser.type("#filter", "kvtools commit")
    assert [rule.strip() for rule in column(browser, 0)] == ["no rule"]
    browser.key(ESCAPE)
    assert len(column(browser, 0)) == 9
    browser.type("#filter", "nowhere")
    assert column(browser, 0) == []
    assert text(browser, "#empty") == "No site matches the filter."
    browser.key(ESCAPE)
    browser.click("#legend button:nth-child(2)")
    chosen = text(browser, "#legend button:nth-child(2)").split()[0]
    assert {rule.strip() for rule in column(browser, 0)} == {chosen}
    browser.click("#legend button:nth-child(2)")
    browser.click("[data-view=waits]")
    assert [place.split()[0] for place in column(browser, 1)] == ["engine/step.py:45"]
    browser.click("[data-view=free]")
    assert len(column(browser, 1)) == 1


def test_the_keyboard_opens_rows(browser: Browser) -> None:
    browser.run("document.querySelector('tr.site button').focus()")
    browser.key("\ue015")
    browser.key(ENTER)
    assert browser.run("return document.querySelectorAll('tr.site')[1].classList.contains('open')")
    assert browser.run("return document.activeElement.getAttribute('aria-expanded')") == "true"
    browser.key(ENTER)
    assert browser.run("return document.querySelectorAll('tr.open').length") == 0


def test_findings_and_sites_that_do_not_match(browser: Browser) -> None:
    quiet = text(browser, "#quiet")
    assert "Ran without blocking (1)" in quiet and "Never ran (1)" in quiet
    assert "engine/step.py:39" in quiet and "engine/step.py:48" not in quiet
    browser.click("[data-status=never-ran] summary")
    # The list is made when it is opened, which the browser tells a little later.
    browser.wait("return document.querySelector('#quiet').innerText.includes('engine/step.py:48')")
    missed = text(browser, "#unreported")
    assert "kvtools/table.py:210" in missed and "no rule matches" in missed and "cold code" in missed
    browser.click("#unreported tbody tr button")
    assert browser.run("return document.querySelectorAll('tr.open').length") == 1


def test_dark_light_narrow_and_print(browser: Browser) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    assert browser.run(paper) == "rgb(255, 255, 255)"
    light = painted(browser, "--c0")
    browser.media(prefers_color_scheme="dark")
    shown(browser)
    assert browser.run(paper) == "rgb(21, 24, 28)"
    assert light > 0 and painted(browser, "--c0") > 0
    browser.media(type="print", prefers_color_scheme="dark")
    shown(browser)
    assert browser.run(paper) == "rgb(255, 255, 255)"
    assert browser.run("return document.querySelector('#filter').checkVisibility()") is False
    browser.media(prefers_color_scheme="light")
    browser.resize(360, 700)
    shown(browser)
    browser.click("tr.site td.rule")
    assert browser.run("return document.documentElement.scrollWidth") <= 360
    assert browser.run("return document.querySelector('.panel').clientWidth") <= 360


def test_hostile_names_do_not_run(window: Browser, tmp_path: Path) -> None:
    trace, rows, extra = hostile()
    page = tmp_path / "page.html"
    page.write_text(render(trace, rows, extra, notes=HOSTILE), encoding="ascii")
    window.open(page)
    for number in range(1, len(HOSTILE) + 1):
        window.click(f"tr.site:nth-of-type({number}) td.rule")
        window.run("document.querySelectorAll('details').forEach((node) => { node.open = true; })")
        assert HOSTILE[0] in text(window, "tr.detail")
        window.click("tr.open td.rule")
    assert window.run(
        "return [window.pwned === undefined, document.scripts.length, document.images.length]"
    ) == [True, 2, 0]
    assert HOSTILE[0] in text(window, "#labels") and HOSTILE[0] in text(window, "#notes")
    assert window.messages() == []
    # And if markup got in all the same, the policy would stop it.
    window.run(
        "const node = document.createElement('script'); node.text = 'window.pwned = 1'; document.body.append(node)"
    )
    assert window.run("return window.pwned === undefined")
    assert any("Content Security Policy" in message for message in window.messages())


def test_fifty_thousand_stalls_of_sixteen_processes(window: Browser, tmp_path: Path) -> None:
    run = sample(tmp_path, processes=16, stalls=62_000, seed=1, seconds=60.0)
    assert len(run.trace.stalls) > 50_000
    show(window, tmp_path, run)
    assert window.run("return document.querySelectorAll('#labels .name').length") == 32
    assert painted(window, "--c0") > 1000
    whole = shown(window)
    for _ in range(12):
        window.run("document.querySelector('#zoom-in').click()")
        shown(window)
    assert shown(window)[1] - shown(window)[0] == pytest.approx((whole[1] - whole[0]) / 2**12)
    assert window.messages() == []


def test_an_empty_trace_and_a_single_process(window: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(render(Trace((), (), ()), (), ()), encoding="ascii")
    window.open(page)
    assert "The trace is empty" in text(window, "#notes")
    assert text(window, "#empty") == "No copy to the device held the host."
    run = sample(tmp_path, processes=1, stalls=50)
    show(window, tmp_path, run)
    assert "1 process" in text(window, "#facts")
    assert len(column(window, 0)) == 9
    assert window.messages() == []


def test_many_sites_and_threads(window: Browser, tmp_path: Path) -> None:
    sites = tuple(site(held=500.0 - n, frame=Frame("engine.py", n + 1, "step")) for n in range(450))
    stalls = tuple(Stall(n * 100.0, 50.0 + n, n, 0, f"Thread-{n}") for n in range(300))
    page = tmp_path / "page.html"
    page.write_text(render(Trace(("python",), (process(),), sites, stalls), (), ()), encoding="ascii")
    window.open(page)
    assert window.run("return document.querySelectorAll('#labels .name').length") == 257
    assert "44 other threads" in text(window, "#labels")
    assert len(column(window, 0)) == 200
    assert text(window, "#more") == "Show 250 more"
    # What the time line opens is shown, however far down it stands.
    window.run("document.querySelector('#unreported tbody tr:nth-child(200) button').click()")
    assert text(window, "tr.open td.where").startswith("engine.py:200 ")
    window.click("#more")
    assert len(column(window, 0)) == 450
    assert window.messages() == []
