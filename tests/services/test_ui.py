"""`bench ui` in a real browser: the suite, two of its trials compared, telemetry as charts."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from equipment.attempts import write_suite
from servers import REPOSITORY, environment

from bench.journal.results import SuiteResults

PATIENCE_MS = 30_000
SUITE = "thesis"


@dataclass
class Ui:
    process: subprocess.Popen
    address: str


def bench(*arguments, results: Path) -> list[str]:
    return [sys.executable, "-m", "bench", *arguments, "--results", str(results)]


def start(results: Path, *options: str) -> Ui:
    process = subprocess.Popen(
        bench("ui", *options, results=results),
        cwd=REPOSITORY,
        env=environment(PYTHONUNBUFFERED="1", COLUMNS="300"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+", said)
    assert found, said + process.communicate(timeout=60)[0]
    return Ui(process, found[0])


def servers_of(results: Path) -> list[int]:
    """Processes, other than this one, whose command names the store."""
    store = str(results / "mlflow.db")
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if store in " ".join(process.info["cmdline"] or ()) and process.pid != os.getpid()
    ]


def wait_until_gone(results: Path) -> None:
    deadline = time.monotonic() + 30
    while servers_of(results):
        assert time.monotonic() < deadline, "a server was left behind"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("ui") / "results"
    write_suite(SuiteResults(folder, SUITE), trials=3, epochs=60, samples=600)
    command = bench("sync", results=folder)
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def ui(results: Path) -> Iterator[Ui]:
    """The server; Ctrl-C ends it."""
    ui = start(results)
    yield ui
    ui.process.send_signal(signal.SIGINT)
    said = ui.process.communicate(timeout=60)[0]
    assert ui.process.returncode == 0, said
    assert "Traceback" not in said
    wait_until_gone(results)


@pytest.fixture
def page(browser, ui: Ui) -> Iterator:
    """A page that reaches this machine only, and notes what else was asked for."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.route(re.compile(rf"^(?!{re.escape(ui.address)})"), lambda route: route.abort())
    yield page
    if folder := os.environ.get("LEUKOBENCH_SCREENSHOTS"):
        name = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].split(" ")[0]
        page.screenshot(path=Path(folder) / f"{name}.png")
    context.close()


def open_runs(page, ui: Ui) -> str:
    """From the list of experiments to the suite's runs, unfolded; their address."""
    page.goto(f"{ui.address}/#/experiments")
    page.get_by_role("link", name=SUITE, exact=True).click()
    page.wait_for_url(re.compile(r"/experiments/\d+"))
    experiment = re.search(r"/experiments/(\d+)", page.url)[1]
    runs = f"{ui.address}/#/experiments/{experiment}/runs"
    page.goto(runs)
    page.locator("button[data-component-id*='runnamecellrenderer']").first.click()
    page.get_by_role("link", name=re.compile("lenet5-scratch")).nth(2).wait_for()
    return runs


def test_the_suite_is_listed_and_two_of_its_trials_are_compared(page, ui: Ui):
    open_runs(page, ui)
    assert page.get_by_role("link", name=SUITE, exact=True).count() >= 1
    boxes = page.locator("[role=gridcell] input.ag-checkbox-input")
    for number in (1, 2):  # the first is the suite's own
        boxes.nth(number).click(force=True)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Comparing 2 Runs from 1 Experiment").wait_for()
    # MLflow asks for the artifacts after it has drawn the rest.
    for told in ("test/accuracy", "optimizer.learning_rate", "train/loss", "version.driver", "figures.html"):
        page.get_by_text(told).first.wait_for(state="attached")
    assert len(set(re.findall(r"lenet5-scratch-60e-s\d-[\w.+-]+", page.inner_text("body")))) == 2


def test_the_saved_address_opens_the_trials_with_what_people_compare(page, ui: Ui):
    said = ui.process.stdout.readline()
    assert said.startswith(f"  {SUITE}: {ui.address}/#/experiments/")
    page.goto(said.split()[1])
    page.get_by_role("link", name=re.compile("lenet5-scratch")).nth(2).wait_for()
    for heading in ("test/balanced_accuracy", "test/loss", "time/time_to_result_wall_s"):
        page.get_by_role("columnheader").filter(has_text=heading).first.wait_for(state="attached")


def test_curves_of_the_trials_lie_in_one_chart(page, ui: Ui):
    page.goto(f"{open_runs(page, ui)}?compareRunsMode=CHART")
    page.get_by_placeholder("Search metric charts").fill("validation/loss")
    lines = page.locator(".js-plotly-plot .scatterlayer .trace path.js-line")
    lines.nth(2).wait_for()
    # Not told apart by colour: MLflow takes one of few by a hash of the run.
    plots = "[...document.querySelectorAll('.js-plotly-plot')]"
    names = f"{plots}.flatMap(plot => plot.data.map(one => one.name))"
    trials = {re.search(r"lenet5-scratch-60e-s\d-[\w.+-]+", name or "") for name in page.evaluate(names)}
    assert len({found[0] for found in trials if found}) == 3, "a curve a trial"


def test_telemetry_is_drawn_as_system_metrics(page, ui: Ui):
    open_runs(page, ui)
    page.get_by_role("link", name=re.compile("lenet5-scratch")).first.click()
    page.get_by_role("tab", name="System metrics").click()
    page.get_by_text("gpu_0_power_w_max", exact=True).wait_for()
    page.locator(".js-plotly-plot .scatterlayer .trace path.js-line").first.wait_for()
    shown = page.inner_text("body")
    for metric in ("cpu_percent", "cpu_percent_max", "gpu_0_power_w", "gpu_0_gpu_utilization_max"):
        assert metric in shown


def test_the_figures_of_a_trial_draw_without_a_network(page, ui: Ui):
    open_runs(page, ui)
    page.get_by_role("link", name=re.compile("lenet5-scratch")).first.click()
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("figures.html", exact=True).click()
    frame = page.frame_locator("iframe")
    frame.locator("svg polyline").nth(3).wait_for()
    assert "test images" in frame.locator("caption").inner_text().lower()


def test_a_server_goes_with_who_started_it(results: Path, ui: Ui):
    second = start(results)
    assert second.address != ui.address
    before = servers_of(results)
    second.process.kill()
    second.process.communicate(timeout=60)
    deadline = time.monotonic() + 60
    port = second.address.rpartition(":")[2]

    def left() -> list[int]:
        return [
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if port in (process.info["cmdline"] or ())
        ]

    while left():
        assert time.monotonic() < deadline, "a server was left behind"
        time.sleep(0.1)
    assert len(servers_of(results)) < len(before)


@pytest.mark.parametrize(
    ("options", "said"),
    [(("--port", "{port}"), "is taken"), (("--port", "99999"), "port"), ((), "has no mlflow.db yet")],
)
def test_what_cannot_be_served_is_said(results: Path, ui: Ui, tmp_path: Path, options, said):
    port = ui.address.rpartition(":")[2]
    folder = results if options else tmp_path
    command = bench("ui", *(option.format(port=port) for option in options), results=folder)
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr
