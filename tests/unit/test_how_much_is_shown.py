"""How much of each thing terminals, pages, figures and messages show; what is left out is in files."""

from importlib import import_module

LIMITS = {
    "bench.commands.terminal": {
        **{"WIDTH": 120, "LONGEST": 40, "SHORTEST": 10, "MOST_ROWS": 60, "MOST_PIECES": 2, "LEAST_ROOM": 30}
    },
    "bench.commands.compare": {"SHOWN_TRIALS": 8},
    "bench.commands.predict": {"MOST_NAMED": 2},
    "bench.commands.progress": {"_MORE_LINES": 3},
    "bench.commands.init": {"_SHOWN_DOWNLOADS": 3, "_SPLIT_AT_ONCE": 3000},
    "bench.commands.report": {"QUICK_TRIALS": 200},
    "bench.commands.data.check": {"SHOWN_LEAKS": 40, "SHOWN_FILES": 40},
    "bench.report.page": {
        **{"MOST_LISTED": 60, "MOST_ROWS": 120, "MOST_GROUPS": 12, "MOST_ON_THE_FRONT": 15, "SHORT": 24}
    },
    "bench.report.gather": {
        **{"MOST_DETAILS": 24, "MOST_JUDGED": 48, "MOST_NETWORKS": 12, "MISTAKES_EACH": 8, "HARDEST": 12}
    },
    "bench.report.sections": {"MOST_TRIALS": 200, "MOST_EXAMPLES": 12},
    "bench.report.mistakes": {"SIDE": 84},
    "bench.report.rows": {"TAIL_BYTES": 65_536},
    "bench.report.answer": {"MOST_COMPARED": 24, "MOST_SEEDS": 20, "MOST_REPLICATES": 10},
    "bench.report.cautions": {"PLAUSIBLE": 0.8, "MOST_REASONS": 3, "MOST_READ": 50},
    "bench.report.tables.summary": {"MOST_REASONS": 20, "LONGEST_REASON": 300},
    "bench.report.figures.accuracy_time": {"MOST_ROWS": 40},
    "bench.report.figures.learning": {"MOST_A_GROUP": 24, "MOST_GROUPS": 8, "POINTS": 500, "FEW_POINTS": 240},
    "bench.report.figures.machine": {"POINTS": 400},
    "bench.report.figures.outcomes": {"MOST_BARS": 24},
    "bench.report.figures.tradeoff": {"MOST_POINTS": 400, "MOST_BARS": 40},
}


def test_how_much_is_shown():
    found = {
        module: {name: getattr(import_module(module), name) for name in names}
        for module, names in LIMITS.items()
    }
    assert found == LIMITS
