"""The page: what is on it, what is escaped, and that it needs nothing from elsewhere."""

import html.parser
import re
from pathlib import Path

import pytest
from equipment.results.journals import Course, trial_of, write_attempt
from equipment.results.records import write_record
from equipment.results.suites import thesis_suite
from msgspec.structs import replace

from bench.errors import InputError
from bench.journal.results import SuiteResults
from bench.pages.render import macros
from bench.report import page as page_module
from bench.report.page import Grid, plotly_js, shown_table
from bench.report.report import make_report
from bench.report.tables.table import Table

CLASSES = ("<img src=x onerror=alert(1)>", "plain")
NETWORKS = ("VGG16", "ResNet50")


class Elements(html.parser.HTMLParser):
    """Names and attributes of all elements, and the text between them, scripts left out."""

    def __init__(self, page: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict]] = []
        self.text = ""
        self._open = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open = tag

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        if self._open not in ("script", "style"):
            self.text += data

    def of(self, name: str) -> list[dict]:
        return [attributes for tag, attributes in self.elements if tag == name]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[SuiteResults, str]:
    """The page of a suite in which one trial failed, one is under way and one did not run."""
    root = tmp_path_factory.mktemp("results")
    plan = (("transfer", 20), ("scratch", 20))
    results, ids = thesis_suite(
        root, networks=NETWORKS, plan=plan, classes=CLASSES, images=root / "images", cells_a_class=4
    )
    seconds = {"startup": 1.0, "compile": 1.0, "train": 3.0}
    failed = trial_of("VGG19", "transfer", 20)
    why = ("gpu-oom", "no room for <script>alert(2)</script>")
    attempt = write_attempt(results, failed, Course(seconds, 0.5, 9.0, None, failure=why, stopped_at=3))
    attempt.log.write_text("last words </pre><script>alert(3)</script>\n")
    from bench.records.fold import finish

    finish(attempt)
    running = trial_of("Xception", "transfer", 20)
    write_attempt(results, running, Course(seconds, 0.9, 9.0, None, stopped_at=7), over=False)
    missing = trial_of("DenseNet121", "transfer", 20)
    make_report(
        results,
        [*ids, failed.id, running.id, missing.id],
        reference="thesis-2018",
        description='Is "this" <b>bold</b>?',
        command="python -m bench report",
    )
    return results, (results.report / "report.html").read_text()


@pytest.fixture(scope="module")
def parsed(made) -> Elements:
    return Elements(made[1])


def test_the_answer_comes_first(parsed):
    assert "is the most accurate of 4" in parsed.text, "one seed cannot tell more"
    assert parsed.text.index("is the most accurate") < parsed.text.index("Test accuracy of the classes")
    assert 'Is "this" <b>bold</b>?' in parsed.text


def test_failed_trials_and_missing_ones_are_rows(parsed):
    assert "4 of 7" in parsed.text
    for said in ("gpu-oom: no room for", "at epoch 7", "not run", "vgg19-transfer-20e", "last words"):
        assert said in parsed.text, said


def test_nothing_from_names_becomes_an_element(parsed, made):
    names = {name for name, _ in parsed.elements}
    assert names <= {
        *("html", "head", "meta", "title", "style", "body", "main", "header", "nav", "section", "script"),
        *("h1", "h2", "h3", "p", "a", "b", "i", "ul", "li", "div", "span", "figure", "figcaption", "img"),
        *("table", "thead", "tbody", "tr", "th", "td", "details", "summary", "pre", "dl", "dt", "dd"),
        *("button", "code", "input", "label", "option", "select"),
    }
    for image in parsed.of("img"):
        assert set(image) == {"src", "alt"} and image["src"].startswith("data:image/jpeg;base64,")
    assert parsed.of("img"), "mistakes have pictures"
    assert not [one for _, attributes in parsed.elements for one in attributes if one.startswith("on")]
    assert parsed.text.count("<img src=x onerror=alert(1)>") > 4, "the class is named in tables and mistakes"
    assert len([one for one in parsed.of("script") if "type" not in one]) == 1
    plotly = [one for one in parsed.of("script") if one.get("type") == "text/plain"]
    assert plotly == [{"type": "text/plain", "id": "plotly"}]


def test_nothing_is_loaded(parsed, made):
    page = made[1].replace(plotly_js(), "")
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)
    assert "@import" not in page and "url(" not in page
    for attributes in (*parsed.of("a"),):
        assert re.match(r"#\w+$|tables/[\w%-]+\.(csv|md|tex)$", attributes["href"])
    results = made[0]
    for attributes in parsed.of("a"):
        if attributes["href"].startswith("tables/"):
            assert (results.report / attributes["href"]).is_file()
    assert made[1].count(plotly_js()) == 1
    policy = parsed.of("meta")[1]["content"]
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy


def test_figures_stand_alone_too(made):
    results, page = made
    folder = results.report / "figures"
    figures = {path.stem for path in folder.glob("*.html")}
    assert {"accuracy-time", "loss-transfer-20", "classes-scratch-20"} <= figures
    drawn = set(re.findall(r'data-figure="([\w-]+)"', page))
    assert figures <= drawn
    alone = (folder / "classes-scratch-20.html").read_text()
    assert "<img" not in alone and 'src="plotly.min.js"' in alone
    assert (folder / "plotly.min.js").is_file()
    assert not list(results.report.rglob("*.partial"))


def test_pictures_that_are_gone_are_said_to_be(made, tmp_path):
    results, ids = thesis_suite(
        tmp_path, networks=("ResNet50",), plan=(("transfer", 9),), classes=CLASSES, images=tmp_path / "i"
    )
    for path in sorted(Path(tmp_path / "i").rglob("*.png"))[::2]:
        path.write_bytes(path.read_bytes() + b"changed")
    for path in sorted(Path(tmp_path / "i").rglob("*.png"))[1::4]:
        path.unlink()
    contents = make_report(results, ids)
    shown = [one for own in contents.mistakes for one in own.mistakes]
    assert {one.picture is None for one in shown} == {True, False}
    assert contents.pictures_missing == sum(one.picture is None for one in shown)
    parsed = Elements((results.report / "report.html").read_text())
    assert f"{contents.pictures_missing} images are not in the data set any more" in parsed.text


def test_damaged_attempts_do_not_cost_the_report(tmp_path):
    """Only records are needed; what else is torn or gone is missing on the page."""
    results, ids = thesis_suite(tmp_path, networks=NETWORKS, plan=(("transfer", 9),), cells_a_class=2)
    first, second = (results.attempts(trial)[0] for trial in ids)
    (first.folder / "trial.json").unlink()
    first.predictions.write_bytes(b"file,source\xff\n1,2\n")
    second.events.write_bytes(b'{"event"\n\x00\xff\n[]\n')
    (second.folder / "telemetry.jsonl").write_bytes(b"\xff\xfe{}\n")
    second.runner_events.unlink()
    contents = make_report(results, ids)
    assert any(
        note.startswith(f"{first.predictions} (line 1: it is not in UTF-8)") for note in contents.notes
    )
    assert contents.trials["status"].tolist() == ["done", "done"]
    assert [own.name for own in contents.mistakes] == ["ResNet50, transfer, 9 epochs"]
    assert [len(figure.data) for figure in contents.figures["all networks"]] == [1] * 4


def test_a_damaged_journal_costs_only_what_it_tells(tmp_path):
    """An event of a known kind that lacks what belongs to it: the record stands, its curves are missing."""
    results, ids = thesis_suite(tmp_path, networks=NETWORKS, plan=(("transfer", 9),), cells_a_class=2)
    events = results.attempts(ids[0])[0].events
    events.write_text(events.read_text() + '{"t": 1, "cpu": 1, "event": "epoch"}\n')
    contents = make_report(results, ids)
    assert contents.trials["status"].tolist() == ["done", "done"]
    assert [len(figure.data) for figure in contents.figures["all networks"]] == [1] * 4
    assert len(contents.figures["machine"]) == 2


def test_it_may_go_elsewhere_but_never_over_other_files(tmp_path):
    results, elsewhere = SuiteResults(tmp_path / "results", "nothing"), tmp_path / "mine"
    (elsewhere / "tables").mkdir(parents=True)
    (elsewhere / "tables" / "grades.csv").write_text("of the user's own")
    with pytest.raises(InputError, match="is not a report"):
        make_report(results, [trial_of("VGG16", "transfer", 9).id], to=elsewhere)
    assert [path.name for path in elsewhere.rglob("*.*")] == ["grades.csv"]
    for _ in range(2):  # over its own it may
        make_report(results, [trial_of("VGG16", "transfer", 9).id], to=tmp_path / "new")
    assert (tmp_path / "new" / "report.html").is_file() and (tmp_path / "new" / "tables").is_dir()
    assert not results.folder.exists()


def test_a_suite_of_which_nothing_ran(tmp_path):
    results = SuiteResults(tmp_path, "nothing")
    make_report(results, [trial_of("VGG16", "transfer", 9).id])
    parsed = Elements((results.report / "report.html").read_text())
    assert "0 of 1" in parsed.text and "Nothing is done yet" in parsed.text and "not run" in parsed.text


def test_disturbed_times_are_not_given_as_an_answer_without_a_word(tmp_path):
    results, ids = thesis_suite(
        tmp_path, networks=NETWORKS, plan=(("transfer", 9),), cells_a_class=2, telemetry=False
    )
    attempt = results.attempts(ids[1])[0]
    why = "Other processes used 1.5 of its 2 cores during train."
    write_record(attempt, replace(attempt.record(), disturbed=(why,)))
    make_report(results, ids)
    said = Elements((results.report / "report.html").read_text()).text
    assert "1 trial was disturbed while timed" in said
    assert why in said


def test_long_tables_say_what_they_leave_out():
    import pandas as pd

    frame = pd.DataFrame({"network": [f"n{number}" for number in range(300)]})
    parsed = Elements(macros("parts").table(shown_table(Table("t", "long", frame), most=100)))
    assert len(parsed.of("tr")) == 101
    assert "100 of 300 rows; all of them are in long.csv" in parsed.text


def test_rows_are_escaped_and_numbers_stand_at_the_right():
    shown = macros("parts").rows(Grid(["<th>", "n"], [["a", "1.5"], ["", "−2"]]))
    assert "&lt;th&gt;" in shown and shown.count('class="num"') == 3 and "—" in shown


def test_the_row_of_the_answer_stands_out_however_short_its_name_is():
    shown = Elements(macros("parts").rows(Grid(["network"], [["KNN"], ["VGG16"]]), "VGG16"))
    assert [one.get("class") for one in shown.of("tr")] == [None, None, "worth"]


def test_the_script_of_plotly_does_not_end_that_of_the_page(tmp_path: Path, monkeypatch):
    (tmp_path / "package_data").mkdir()
    (tmp_path / "package_data" / "plotly.min.js").write_text("'<script>é</script>'")
    monkeypatch.setattr(page_module.resources, "files", {"plotly": tmp_path}.__getitem__)
    assert plotly_js.__wrapped__() == "'<script>é<\\/script>'"
