"""The sentences of the answer, from decisions made by hand: each beside the case in which it is not said."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.report import answer
from bench.report.answer import Decision
from bench.report.pareto import Candidate


def candidate(label: str, accuracy: float, seconds: float, mode: str = "scratch") -> Candidate:
    return Candidate(label, "VGG16", mode, "g", accuracy, None, None, seconds, None, 2)


class Test:
    """Of non-inferiority, as `bench.compare.noninferiority` makes it."""

    __test__ = False

    def __init__(self, **values: Any) -> None:
        usual = {"bound": 0.01, "seeds": 3, "images": 1000, "images_needed": None, "seeds_needed": None}
        self.__dict__.update({**usual, **values})


NAMED, BEST, FAST = candidate("n", 0.9, 600.0), candidate("b", 0.95, 1200.0), candidate("f", 0.94, 60.0)
KNN = candidate("k", 0.8, 5.0, "classical")


def decided(**changes: Any) -> Decision:
    usual = {
        "named": NAMED,
        "best": BEST,
        "count": 3,
        "shown": Test(),
        "faster": None,
        "takes": None,
        "compared": 3,
    }
    usual |= {"close": False, "margin": 0.02, "uncompared": 0, "is_fastest": False}
    return Decision(**{**usual, **changes})


def open_question(**changes: Any) -> Decision:
    """The most accurate is named, and nothing is shown of others."""
    return decided(**{"named": BEST, "shown": None, **changes})


MORE = "try more epochs, another learning rate or pretrained weights."
SHOWN = "or more: shown on the same 1,000 test images with"
CANNOT = "Whether a faster one is as good, we cannot tell: f, g has"
SENTENCES: dict[str, tuple[Callable[[], str], str]] = {
    "alone": (
        lambda: answer.headline(decided(count=1)),
        "comes to 90.0 % balanced accuracy in 10.0 min. It is the only one that is done.",
    ),
    "the most accurate": (
        lambda: answer.headline(open_question()),
        "is the most accurate of 3: 95.0 % balanced accuracy in 20.0 min.",
    ),
    "worth its time": (
        lambda: answer.headline(decided()),
        "is worth its time: 90.0 % balanced accuracy in 10.0 min.",
    ),
    "worth its time and the best": (
        lambda: answer.headline(decided(named=BEST)),
        "is worth its time: 95.0 % balanced accuracy, the most accurate of 3, in 20.0 min.",
    ),
    "something is learned": (lambda: answer.learned_nothing(decided()), ""),
    "one learned nothing": (
        lambda: answer.learned_nothing(decided(guessing=0.25, count=1)),
        f"It is not shown to be better than always naming one class, which comes to 25.0 %: {MORE}",
    ),
    "none learned anything": (
        lambda: answer.learned_nothing(decided(guessing=0.125)),
        f"None of them is shown to be better than always naming one class, which comes to 12.5 %: {MORE}",
    ),
    "no price": (lambda: answer.price(decided(named=BEST)), ""),
    "the price": (
        lambda: answer.price(decided()),
        "The most accurate, b, g, has 5.0 points more and takes 2.0 times as long (20.0 min).",
    ),
    "a price for nothing": (
        lambda: answer.price(decided(best=candidate("b", 0.9004, 6000.0))),
        "The most accurate, b, g, has the same accuracy and takes 10 times as long (1.67 h).",
    ),
    "a price for little": (
        lambda: answer.price(decided(best=candidate("b", 0.9006, 660.0))),
        "The most accurate, b, g, has 0.1 points more and takes 1.1 times as long (11.0 min).",
    ),
    "nothing proved": (lambda: answer.proof(open_question()), ""),
    "no bound": (lambda: answer.proof(decided(shown=Test(bound=None))), ""),
    "proved": (
        lambda: answer.proof(decided()),
        f"No other configuration is better by 2 points {SHOWN} 3 trainings each, at 5 % error.",
    ),
    "proved by one training": (
        lambda: answer.proof(decided(shown=Test(seeds=1), margin=0.01)),
        f"No other configuration is better by 1 point {SHOWN} 1 training each, at 5 % error.",
    ),
    "proved of some": (
        lambda: answer.proof(decided(compared=2)),
        f"None of the 2 most accurate configurations is better by 2 points {SHOWN} 3 trainings each, at 5 % error.",
    ),
    "no doubt": (lambda: answer.doubt(decided()), ""),
    "several devices": (
        lambda: answer.doubt(open_question(on_several_devices=True, is_fastest=True)),
        "Whether a faster one is as good is not told: trials ran on several kinds of device.",
    ),
    "the fastest": (lambda: answer.doubt(open_question(is_fastest=True)), "None of the others is faster."),
    "close": (
        lambda: answer.doubt(open_question(close=True)),
        "Whether a faster one is as good cannot be told.",
    ),
    "close but not tested": (
        lambda: answer.doubt(open_question(close=True, faster=FAST)),
        "Whether a faster one is as good cannot be told.",
    ),
    "none close": (
        lambda: answer.doubt(open_question()),
        "No faster configuration comes within 2 points of it, by its mean.",
    ),
    "a faster one": (
        lambda: answer.doubt(open_question(faster=FAST, takes=Test(images_needed=4321))),
        f"{CANNOT} 1.0 points less in 60.0 s, 20 times faster. It would take about 4,300 test images.",
    ),
    "a faster one as good": (
        lambda: answer.doubt(open_question(faster=candidate("f", 0.9499, 400.0), takes=Test(seeds_needed=7))),
        f"{CANNOT} the same accuracy in 6.67 min, 3.0 times faster. It would take about 7 seeds.",
    ),
    "all compared": (lambda: answer.uncompared(decided()), ""),
    "one uncompared": (
        lambda: answer.uncompared(decided(uncompared=1)),
        "1 configuration has no readable predictions, so nothing is shown against all.",
    ),
    "two uncompared": (
        lambda: answer.uncompared(decided(uncompared=2)),
        "2 configurations have no readable predictions, so nothing is shown against all.",
    ),
    "no floor": (lambda: answer.classical_floor(decided(), [NAMED, BEST]), ""),
    "the floor is named": (lambda: answer.classical_floor(decided(named=KNN), [KNN, BEST]), ""),
    "the floor is best": (lambda: answer.classical_floor(decided(best=KNN), [KNN, NAMED]), ""),
    "the floor": (
        lambda: answer.classical_floor(decided(), [NAMED, KNN, candidate("x", 0.7, 1.0, "classical")]),
        "The best classical method, k, g, comes to 80.0 % balanced accuracy in 5.00 s.",
    ),
    "in one sentence": (
        lambda: answer.in_one_sentence(open_question(is_fastest=True)),
        "b, g is the most accurate of 3: 95.0 % balanced accuracy in 20.0 min. None of the others is faster.",
    ),
    "one in one sentence": (
        lambda: answer.in_one_sentence(open_question(count=1)),
        "b, g comes to 95.0 % balanced accuracy in 20.0 min. It is the only one that is done.",
    ),
}


@pytest.mark.parametrize(("said", "expected"), SENTENCES.values(), ids=SENTENCES)
def test_a_sentence_fits_the_decision(said: Callable[[], str], expected: str):
    assert said() == expected


@pytest.mark.parametrize(
    ("decision", "seeds"),
    [
        (None, 0),
        (decided(), 0),
        (open_question(count=1), 0),
        (open_question(guessing=0.25), 0),
        (open_question(on_several_devices=True), 0),
        (open_question(close=True), 0),
        (open_question(), 4),
        (open_question(takes=Test(seeds_needed=20)), 20),
        (open_question(takes=Test(seeds_needed=21)), 0),
        (open_question(takes=Test()), 0),
    ],
)
def test_how_many_seeds_would_make_it_firmer(decision: Decision | None, seeds: int):
    assert answer.more_seeds(decision) == seeds


def test_the_whole_answer_in_its_order():
    every = [NAMED, BEST, KNN]
    asked = decided(uncompared=1)
    assert answer.sentences(asked, every) == [
        f"n, g {answer.headline(asked)}",
        answer.price(asked),
        answer.proof(asked),
        answer.uncompared(asked),
        answer.classical_floor(asked, every),
    ]
    guessing = decided(guessing=0.25, uncompared=1)
    assert answer.sentences(guessing, [NAMED]) == [
        f"n, g {answer.headline(guessing)}",
        answer.learned_nothing(guessing),
        answer.uncompared(guessing),
    ]
    assert len(answer.sentences(decided(count=1), [NAMED])) == 1


@pytest.mark.parametrize(
    ("values", "times"),
    [
        ({"images_needed": 2000, "seeds_needed": 9}, 2.0),
        ({"images_needed": 4000, "seeds_needed": 9}, 3.0),
        ({"images_needed": 4000}, 4.0),
        ({"seeds_needed": 9, "seeds": 0}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_how_much_more_it_takes_to_tell(values: dict[str, int], times: float):
    assert answer._least_work(Test(**values)) == times
