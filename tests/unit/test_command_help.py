"""What each argument and option is called, what it takes and does, and its default: compared with a table.

Whoever changes one changes what people read and type, and says so in `data/options.tsv`.
"""

from pathlib import Path

from command_equipment import VERBS

from bench.commands.main import main

TABLE = Path(__file__).parent / "data" / "options.tsv"


def lines() -> list[str]:
    """A line for each argument and option: its verbs, its names, what it takes, its default, its help."""
    found: dict[tuple[str, ...], list[str]] = {}
    for path, verb in VERBS.items():
        for one in verb.params:
            names = " ".join([*one.opts, *one.secondary_opts])
            default = "" if one.default in (None, ()) else str(one.default)
            flag = "flag" if getattr(one, "is_flag", False) else one.metavar or "a word"
            found.setdefault((names, flag, default, one.help or ""), []).append(" ".join(path))
    return ["\t".join([", ".join(verbs), *content]) for content, verbs in found.items()]


def test_each_argument_and_option_as_the_table_has_it():
    assert lines() == TABLE.read_text(encoding="utf-8").splitlines()


def test_groups_of_verbs_and_the_program_show_their_help(capsys):
    for words, said in (
        ([], "Benchmark image classifiers trained with Keras and TensorFlow."),
        (["baseline"], "Save results to compare with later."),
        (["data"], "Make, check and look at data sets."),
    ):
        assert main(words) == 2
        told = capsys.readouterr()
        assert said in told.out + told.err and "Commands:" in told.out + told.err
    assert main(["--help"]) == 0
    assert "Print the version." in capsys.readouterr().out
