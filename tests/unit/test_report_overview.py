"""The page over all suites of a results folder."""

import pytest
from equipment.results.suites import thesis_suite

from bench.commands.main import main
from bench.errors import InputError
from bench.report.overview import suite_lines, write_overview
from bench.report.report import make_report


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two suites, of which one has a report, and what lies beside suites."""
    root = tmp_path_factory.mktemp("results")
    results, ids = thesis_suite(
        root, networks=("VGG16", "ResNet50"), plan=(("transfer", 9),), cells_a_class=2
    )
    make_report(results, ids)
    (root / "thesis").rename(root / "second<b>")
    thesis_suite(root, networks=("VGG19",), plan=(("transfer", 9),), cells_a_class=2)
    (root / "cache").mkdir()
    (root / "empty" / "trials").mkdir(parents=True)
    return root


def test_every_suite_has_its_answer_and_a_link(folder):
    lines = {line.suite: line for line in suite_lines(folder)}
    assert set(lines) == {"thesis", "second<b>"}
    assert (lines["thesis"].done, lines["thesis"].total, lines["thesis"].page) == (1, 1, None)
    assert "It is the only one that is done" in lines["thesis"].answer
    assert "the most accurate of 2" in lines["second<b>"].answer
    page = write_overview(suite_lines(folder), folder, "now").read_text()
    assert 'href="second%3Cb%3E/report/report.html"' in page and "second&lt;b&gt;" in page
    assert "no report was made" in page and "<b>2</b> suites" in page
    assert "//" not in page.replace("<!doctype", "").split("</style>")[1]


def test_the_command_makes_it(folder, capsys):
    assert main(["report", "--all", "--results", str(folder)]) == 0
    assert "most accurate of 2" in " ".join(capsys.readouterr().out.split())
    assert (folder / "suites.html").is_file()
    assert main(["report", "--all", "--results", str(folder), "--json"]) == 0
    assert '"suites"' in capsys.readouterr().out


def test_it_takes_a_suite_or_all(folder, tmp_path, capsys):
    assert main(["report", "demo", "--all", "--results", str(folder)]) == 2
    assert main(["report", "--results", str(folder)]) == 2
    assert "give --all" in capsys.readouterr().err
    with pytest.raises(InputError, match="holds no results"):
        suite_lines(tmp_path)
