"""The report in a real browser: it opens quickly, draws everything, and runs nothing but itself."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from equipment.results.suites import thesis_suite

from bench.report.report import make_report

REPOSITORY = Path(__file__).resolve().parents[2]
CLASS, IMAGE = "<img src=x onerror=alert(1)>", '"><b>x.png'
MOST_BYTES, MOST_S = 10_000_000, 3.0


class Opened:
    """A page with everything that it said and asked for.

    Args:
        browser: See the fixture of that name.
        path: The file.
        options: Of its context: `color_scheme`, `viewport`.
    """

    def __init__(self, browser, path: Path, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.console: list[str] = []
        self.asked: list[str] = []
        self.dialogs: list[str] = []
        self.page.on("console", lambda message: self.console.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.console.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("dialog", self._dismiss)
        began = time.monotonic()
        self.page.goto(path.as_uri())
        self.seconds = time.monotonic() - began

    def _dismiss(self, dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def until(self, expression: str) -> None:
        """Wait until an expression is true. Playwright's own way needs what the policy forbids."""
        for _ in range(1500):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"never came true: {expression}")

    def draw_all(self) -> int:
        """Draw every figure; how many there are."""
        self.page.evaluate("leukobench.drawAll()")
        whole = "`${leukobench.figures}/${leukobench.figures}`"
        self.until(f"document.documentElement.dataset.drawn === {whole}")
        assert self.page.evaluate("leukobench.errors") == []
        return self.page.evaluate("leukobench.figures")

    def loaded(self) -> list[str]:
        """What was asked for beside the page itself and what it holds."""
        return [url for url in self.asked[1:] if not url.startswith(("data:", "blob:"))]

    def close(self) -> None:
        self.context.close()


@pytest.fixture
def open_page(browser):
    opened: list[Opened] = []

    def open_(path: Path, **options) -> Opened:
        opened.append(Opened(browser, path, **options))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def thesis(tmp_path_factory) -> Path:
    """The report of the whole suite of the thesis: 16 trials of 100 and 8 of 5000 epochs."""
    root = tmp_path_factory.mktemp("thesis")
    results, ids = thesis_suite(root, images=root / "images")
    make_report(results, ids, reference="thesis-2018")
    return results.report / "report.html"


@pytest.fixture(scope="module")
def eight(tmp_path_factory) -> Path:
    """The report of a suite of eight trials."""
    root = tmp_path_factory.mktemp("eight")
    results, ids = thesis_suite(root, images=root / "images", plan=(("transfer", 100),))
    make_report(results, ids, reference="thesis-2018")
    return results.report / "report.html"


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("suite", ["eight", "thesis"])
def test_the_page_is_small_and_opens_quickly(suite, width, open_page, request):
    path, viewport = request.getfixturevalue(suite), {"width": width, "height": 900}
    assert path.stat().st_size < MOST_BYTES
    # The least of three: others compute on this machine, too.
    pages = [open_page(path, viewport=viewport) for _ in range(3)]
    assert min(page.seconds for page in pages) < MOST_S
    assert all(page.console == [] for page in pages)


@pytest.mark.parametrize(("width", "most"), [(1200, 6000), (390, 12000)])
@pytest.mark.parametrize("suite", ["eight", "thesis"])
def test_the_page_is_short_when_it_opens(suite, width, most, open_page, request):
    """Whatever the number of trials; what is closed is not drawn, even after everything was looked at."""
    opened = open_page(request.getfixturevalue(suite), viewport={"width": width, "height": 900})
    assert opened.page.evaluate("document.documentElement.scrollHeight") <= most
    for place in range(0, most, 600):
        opened.page.evaluate(f"window.scrollTo(0, {place})")
        opened.page.wait_for_timeout(30)
    opened.until("document.querySelectorAll('.canvas svg.main-svg').length > 0")
    assert int(opened.page.evaluate("document.documentElement.dataset.drawn").split("/")[0]) <= 5
    assert opened.page.evaluate("document.documentElement.scrollHeight") <= most
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    assert opened.console == []


def test_tables_like_those_of_the_thesis_are_drawn_when_they_are_opened(thesis, open_page):
    opened = open_page(thesis)
    assert not opened.page.evaluate("document.getElementById('thesis').open")
    opened.page.focus("#thesis > summary")
    opened.page.keyboard.press("Enter")
    opened.page.locator("#figure-classes-transfer-100").scroll_into_view_if_needed()
    opened.page.wait_for_selector("#figure-classes-transfer-100 svg.main-svg", state="attached")
    assert opened.console == []


def test_the_table_of_trials_sorts_and_filters_by_keyboard(thesis, open_page):
    page = open_page(thesis).page
    headings = page.evaluate(
        "[...document.querySelectorAll('#all-trials thead button')].map(b => b.textContent)"
    )
    number = headings.index("balanced %")
    values = (
        "[...document.querySelectorAll('#all-trials tbody tr')].filter(r => !r.hidden)"
        f".map(r => Number(r.cells[{number}].dataset.order))"
    )
    page.locator("#all-trials thead button").nth(number).focus()
    page.keyboard.press("Enter")
    falling = page.evaluate(values)
    assert len(falling) == 24 and falling == sorted(falling, reverse=True) and falling[0] > falling[-1]
    page.keyboard.press("Enter")
    assert page.evaluate(values) == sorted(falling)
    page.fill("[data-filter=all-trials]", "scratch vgg")
    assert len(page.evaluate(values)) == 2
    assert page.evaluate("document.querySelector('[data-shown=all-trials]').textContent") == "2 of 24"


def test_selectors_choose_curves_and_panels(thesis, open_page):
    opened = open_page(thesis)
    page = opened.page
    page.locator("#figure-curves").scroll_into_view_if_needed()
    traces = "document.querySelectorAll('#figure-curves .scatterlayer .trace').length"
    opened.until(f"{traces} === 8")
    page.select_option("[data-field=network]", "VGG16")
    opened.until(f"{traces} === 1")
    page.select_option("[data-field=split]", "")
    page.select_option("[data-field=metric]", "loss")
    opened.until(f"{traces} === 2")
    assert page.evaluate("document.querySelector('#figure-curves .ytitle').textContent") == "loss (nats)"
    page.select_option("[data-panels=mistakes]", "2")
    hidden = page.evaluate("[...document.querySelectorAll('[data-panel=mistakes]')].map(one => one.hidden)")
    assert [number for number, one in enumerate(hidden) if not one] == [2]
    page.select_option("[data-panels=confusion]", "1")
    opened.until("document.querySelectorAll('[data-panel=confusion]:not([hidden]) svg.main-svg').length > 0")
    assert opened.console == []


def test_the_suite_to_copy_is_copied(thesis, open_page):
    opened = open_page(thesis)
    opened.page.evaluate("document.querySelectorAll('.answer details').forEach(one => { one.open = true; })")
    opened.page.click("[data-copy]")
    assert opened.page.evaluate("window.getSelection().toString()").startswith("[suite]")
    assert opened.console == []


def test_every_figure_is_drawn_without_an_error(thesis, open_page):
    opened = open_page(thesis)
    count = opened.draw_all()
    assert count > 90
    drawn = opened.page.evaluate(
        "[...document.querySelectorAll('.canvas')].filter(c => {"
        " const box = c.querySelector('svg.main-svg')?.getBoundingClientRect();"
        " return box && box.width > 100 && box.height > 100; }).length"
    )
    assert drawn == count
    traces = opened.page.evaluate(
        "[...document.querySelectorAll('.canvas')].filter(c =>"
        " !c.querySelector('.trace, .hm, .bars .point, .heatmaplayer image')).map(c => c.dataset.figure)"
    )
    assert traces == []
    assert opened.console == [] and opened.loaded() == []


def test_the_toolbar_stands_above_the_plot(thesis, open_page):
    opened = open_page(thesis)
    opened.draw_all()
    over = opened.page.evaluate(
        "[...document.querySelectorAll('.canvas')].filter(c => {"
        " const bar = c.querySelector('.modebar'), plot = c.querySelector('.nsewdrag');"
        " return bar.getBoundingClientRect().bottom > plot.getBoundingClientRect().top; })"
        ".map(c => c.dataset.figure)"
    )
    assert over == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_take_the_colors_of_the_page(thesis, open_page, scheme):
    opened = open_page(thesis, color_scheme=scheme)
    opened.page.locator("#figure-accuracy-time").scroll_into_view_if_needed()
    opened.page.wait_for_selector("#figure-accuracy-time .xtick text", state="attached")
    lightness = "(c => c.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3)"
    paper = opened.page.evaluate(f"{lightness}(getComputedStyle(document.body).backgroundColor)")
    ink = opened.page.evaluate(
        f"{lightness}(getComputedStyle(document.querySelector('#figure-accuracy-time .xtick text')).fill)"
    )
    assert (paper > 200 and ink < 140) if scheme == "light" else (paper < 60 and ink > 120)
    other = "dark" if scheme == "light" else "light"
    opened.page.emulate_media(color_scheme=other)
    opened.until(
        f"Math.abs({lightness}"
        "(getComputedStyle(document.querySelector('#figure-accuracy-time .xtick text')).fill)"
        f" - {ink}) > 20"
    )
    assert opened.console == []


def test_a_phone_scrolls_in_one_direction_only(thesis, open_page):
    opened = open_page(thesis, viewport={"width": 360, "height": 740})
    opened.draw_all()
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_print_draws_what_was_never_looked_at(thesis, open_page):
    opened = open_page(thesis, color_scheme="dark", viewport={"width": 1100, "height": 900})
    count = opened.page.evaluate("leukobench.figures")
    assert opened.page.evaluate("document.documentElement.dataset.drawn") != f"{count}/{count}"
    pdf = opened.page.pdf(format="A4", print_background=True)
    assert pdf.startswith(b"%PDF-") and len(pdf) > 500_000
    assert opened.page.evaluate("document.documentElement.dataset.drawn") == f"{count}/{count}"
    # As on paper: what a printer's page is wide is enough for every table and figure.
    opened.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    opened.page.emulate_media(media="print")
    opened.page.set_viewport_size({"width": 703, "height": 1000})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 703
    opened.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert opened.page.evaluate("document.querySelectorAll('table[style*=zoom]').length") == 0
    assert opened.console == []


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A report of a real run on a data set with odd names: read, trained and predicted by the programs."""
    from wbc.data.synthetic import SyntheticSettings, generate

    root = tmp_path_factory.mktemp("hostile")
    drawn, data = root / "drawn", root / "data"
    generate(drawn, SyntheticSettings(8, 4, 4, 48, 0))
    for part in ("train", "validation", "test"):
        for name, kept in (("EOSINOPHIL", CLASS), ("LYMPHOCYTE", "plain")):
            (data / part).mkdir(parents=True, exist_ok=True)
            (drawn / part / name).rename(data / part / kept)
    # Drawn as the other class, so that it is taken for that one, whatever was learnt.
    others = sorted((drawn / "test" / "MONOCYTE").glob("*.png"))
    lymphocyte = sorted((data / "test" / "plain").glob("*.png"))[0]
    (data / "test" / CLASS / IMAGE).write_bytes(_changed(lymphocyte))
    assert others
    suite = root / "hostile.toml"
    suite.write_text(
        f'[suite]\nname = "hostile"\ndescription = "{CLASS}"\n'
        f'[data]\npath = "{data}"\nimage_size = 48\n'
        '[[matrix]]\nmode = "classical"\nbackbone = ["KNN", "DecisionTree"]\n'
    )
    command = [sys.executable, "-m", "bench", "run", str(suite), "--results", str(root / "results")]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return root / "results" / "hostile" / "report" / "report.html"


def _changed(path: Path) -> bytes:
    """The same picture, not the same bytes: a file that stands in two places is refused."""
    import io

    from PIL import Image

    encoded = io.BytesIO()
    with Image.open(path) as image:
        turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turned.save(encoded, format="PNG")
    return encoded.getvalue()


@pytest.mark.parametrize("policy", [True, False], ids=["with policy", "escaping alone"])
def test_names_of_folders_and_images_run_nothing(hostile, open_page, policy):
    """The page's policy is the second wall; the first must hold without it."""
    opened = open_page(hostile, bypass_csp=not policy)
    count = opened.draw_all()
    assert count > 0
    page = opened.page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    # Labels of figures: hover over every confusion matrix and bar, where Plotly sets its own text.
    for canvas in page.query_selector_all(".canvas"):
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        for across in (0.35, 0.5, 0.65, 0.8):
            page.mouse.move(box["x"] + across * box["width"], box["y"] + 0.4 * box["height"])
    page.wait_for_timeout(50)
    assert opened.dialogs == []
    assert opened.console == []
    assert opened.loaded() == []
    assert (
        page.evaluate("document.querySelectorAll('[onerror], [src=x], b > img, a[href^=javascript]').length")
        == 0
    )
    sources = page.evaluate(
        "[...document.querySelectorAll('img')].map(i => i.getAttribute('src').slice(0, 23))"
    )
    assert sources and set(sources) == {"data:image/jpeg;base64,"}
    bold = page.evaluate("[...document.querySelectorAll('b')].map(b => b.textContent)")
    assert not [one for one in bold if "x.png" in one]
    said = page.evaluate("document.querySelector('main').innerText")
    assert CLASS in said and f"test/{CLASS}/{IMAGE}" in said
    labels = page.evaluate("[...document.querySelectorAll('svg text')].map(t => t.textContent)")
    assert any(label.startswith("<img src=x") for label in labels), "the class is a label of figures as it is"
    assert page.evaluate("document.querySelectorAll('svg text b, svg text [style*=bold]').length") == 0


def test_the_page_of_a_running_suite_opens(tmp_path, open_page):
    from equipment.results.journals import Course, trial_of, write_attempt

    results, ids = thesis_suite(tmp_path, networks=("VGG16",), plan=(("transfer", 30),))
    running = trial_of("VGG19", "transfer", 30)
    seconds = {"startup": 1.0, "compile": 1.0, "train": 3.0}
    write_attempt(results, running, Course(seconds, 0.9, 9.0, None, stopped_at=7), over=False)
    make_report(results, [*ids, running.id, trial_of("Xception", "transfer", 30).id])
    opened = open_page(results.report / "report.html")
    assert opened.draw_all() > 10
    said = opened.page.evaluate("document.querySelector('main').innerText")
    assert "1 of 3" in said and "at epoch 7" in said and "not run" in said
    assert opened.console == []


def test_figures_by_themselves_draw(thesis, open_page):
    opened = open_page(thesis.parent / "figures" / "loss-transfer-5000.html")
    opened.page.wait_for_selector("svg.main-svg")
    assert opened.console == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("suite", ["eight", "thesis"])
def test_axe_finds_nothing_serious(suite, width, scheme, open_page, request):
    """As it opens, and with everything open. The script of axe is read from its package."""
    from axe_playwright_python.sync_playwright import Axe

    axe = Axe()
    viewport = {"width": width, "height": 900}
    page = open_page(
        request.getfixturevalue(suite), viewport=viewport, color_scheme=scheme, bypass_csp=True
    ).page

    def serious() -> list[tuple[str, list[str]]]:
        found = axe.run(page, options={"resultTypes": ["violations"]}).response["violations"]
        return [
            (one["id"], [node["html"][:120] for node in one["nodes"][:3]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    assert serious() == []
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.wait_for_timeout(500)
    assert serious() == []
