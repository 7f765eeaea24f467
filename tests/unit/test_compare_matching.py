"""Which trials, attempts and runs of two sides belong together."""

import pytest
from comparison_equipment import (
    matched,
    measurement,
    record,
    trial,
)

from bench.compare.judging import judge
from bench.compare.matching import match, shared_runs
from bench.compare.reading import Side
from bench.compare.verdict import (
    Status,
)
from bench.errors import ExitCode


def test_new_and_gone_name_the_nearest_trial():
    one, other = trial(epochs=3), trial(epochs=5)
    verdict = matched([measurement(one, record(one))], [measurement(other, record(other))])
    assert [found.status for found in verdict.trials] == [Status.GONE, Status.NEW]
    assert "epochs 3, there 5" in verdict.trials[0].notes[0]
    assert verdict.exit_code == ExitCode.NOT_ENOUGH_EVIDENCE


def test_a_trial_that_differs_in_more_than_three_settings_is_not_near():
    changes = {"epochs": 5, "batch_size": 7, "l1": 0.1, "l2": 0.1}
    one = measurement(trial(), record(trial()))
    for number in (3, 4):
        other = trial(**dict(list(changes.items())[:number]))
        (gone, _) = matched([one], [measurement(other, record(other))]).trials
        assert bool(gone.notes) is (number == 3)


def test_a_run_that_is_on_both_sides_is_named():
    of = trial()
    old, same, new = (measurement(of, record(of, 10.0, attempt=number)) for number in (1, 1, 2))
    assert shared_runs(Side("a", (old,)), Side("b", (new,))) == ""
    assert "Both sides are the same runs" in shared_runs(Side("a", (old,)), Side("b", (same,)))
    assert "1 of 2 runs of b are runs of a, too" in shared_runs(Side("a", (old,)), Side("b", (same, new)))


def test_seeds_are_paired_and_joined():
    trials = [trial(seed=seed) for seed in (0, 1)]
    old = [measurement(of, record(of, 10 + of.settings.seed)) for of in trials for _ in range(2)]
    new = [measurement(of, record(of, 10 + of.settings.seed)) for of in reversed(trials) for _ in range(3)]
    (found,) = match(Side("old", tuple(old)), Side("new", tuple(new)))
    assert len(found.pairs) == 4 and len(found.candidate_only) == 2
    assert all(pair.baseline.key == pair.candidate.key for pair in found.pairs)
    assert found.settings == trials[0].settings
    (alone,) = match(Side("old", tuple(old)), Side("new", ()))
    assert alone.settings == trials[0].settings


def test_the_nearest_trial_of_the_other_side_is_the_one_that_differs_in_least():
    base, two, one = trial(epochs=3), trial(batch_size=7, l1=0.1), trial(epochs=5)
    old = [measurement(base, record(base))]
    new = [measurement(of, record(of)) for of in (two, one)]
    gone, *both = match(Side("old", tuple(old)), Side("new", tuple(new)))
    assert gone.notes == (f"nearest trial of the candidate: {both[1].label} (epochs 3, there 5)",)
    assert [note for found in both for note in found.notes] == [
        f"nearest trial of the baseline: vgg16-scratch-3e ({differing})"
        for differing in ("batch_size 7, there 16, l1 0.1, there None", "epochs 5, there 3")
    ]


def test_configurations_with_pairs_have_no_nearest_trial():
    trials = [trial(epochs=3), trial(epochs=4)]
    old, new = (
        Side(name, tuple(measurement(of, record(of)) for of in ofs))
        for name, ofs in (("old", trials), ("new", trials[::-1]))
    )
    assert [(len(found.pairs), found.notes) for found in match(old, new)] == [(1, ())] * 2
    assert [found.settings.epochs for found in match(old, new)] == [3, 4], "the order is the baseline's"


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ({"seed": 0}, {"seed": 1}),
        *(
            ({"weights": {"name": "own", "sha256": a}}, {"weights": {"name": "own", "sha256": b}})
            for a, b in ("ab", "ba")
        ),
    ],
)
def test_what_is_not_comparable_has_the_runs_of_both_sides_and_the_settings_of_the_baseline(own, other):
    old, new = (measurement(of, record(of)) for of in (trial(**own), trial(**other)))
    (found,) = match(Side("old", (old,)), Side("new", (new,)))
    assert (found.baseline_only, found.candidate_only, found.settings) == (
        (old,),
        (new,),
        old.record.trial.settings,
    )


def test_attempts_are_paired_in_their_order_and_the_rest_stays_alone():
    of, other = trial(seed=0), trial(seed=1)
    old = [measurement(of, record(of, seconds)) for seconds in (1.0, 2.0, 3.0)]
    new = [
        measurement(of, record(of, failure=("crashed", "a signal"))),
        *(measurement(of, record(of, s)) for s in (4.0, 5.0)),
    ]
    new.append(measurement(other, record(other, 6.0)))
    (found,) = match(Side("old", tuple(old)), Side("new", tuple(new)))
    assert [(one.baseline, one.candidate) for one in found.pairs] == [(old[0], new[1]), (old[1], new[2])]
    assert (found.baseline_only, found.candidate_only) == ((old[2],), (new[0], new[3]))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ((1, 2), (3, 4), ""),
        ((1, 2), (1, 2), "Both sides are the same runs: each is compared with itself, which shows nothing."),
        ((1, 2), (2, 3, 4), "1 of 3 runs of new are runs of old, too."),
        ((1, 2), (1,), "1 of 1 runs of new are runs of old, too."),
        ((1,), (1, 2), "1 of 2 runs of new are runs of old, too."),
    ],
)
def test_runs_that_both_sides_share_are_told(old, new, said: str):
    of = trial()
    sides = [
        Side(name, tuple(measurement(of, record(of, attempt=number)) for number in numbers))
        for name, numbers in (("old", old), ("new", new))
    ]
    found = shared_runs(*sides)
    assert found.startswith(said) and bool(found) == bool(said)


def reasons(old: list, new: list) -> list[tuple[str, str]]:
    """Status and reason of each configuration of two sides."""
    sides = [
        Side(name, tuple(measurement(of, record(of)) for of in ofs)) for name, ofs in (("a", old), ("b", new))
    ]
    return [(str(one.status), one.reason) for one in judge(match(*sides)).trials]


def weighted(content: str, **settings):
    return trial(weights={"name": "own", "sha256": content * 12}, **settings)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            [trial(digest="a" * 12)],
            [trial(digest="b" * 12)],
            [("not comparable", f"the images differ ({'a' * 8} and {'b' * 8})")],
        ),
        (
            [weighted("a", digest="d1")],
            [weighted("b", digest="d2")],
            [
                (
                    "not comparable",
                    f"the images differ (d1 and d2); the pretrained weights differ ({'a' * 8} and {'b' * 8})",
                )
            ],
        ),
        (
            [trial()],
            [trial(data={"source": "synthetic", "digest": "d0", "test_digest": "t"})],
            [("not comparable", "the images of the external test differ (None and t)")],
        ),
        (
            [trial(digest="a"), trial(digest="c", seed=1)],
            [trial(digest="b"), trial(digest="d", seed=1)],
            [("not comparable", "the images differ (a and b)")],
        ),
        (
            [weighted("a")],
            [weighted("c"), trial("LeNet5")],
            [
                ("not comparable", f"the pretrained weights differ ({'a' * 8} and {'c' * 8})"),
                ("new", "the baseline has not done it"),
            ],
        ),
        ([trial(seed=0)], [trial(seed=1)], [("not comparable", "no seed is on both sides")]),
        (
            [trial(data={"digest": "d0", "split_seed": 1})],
            [trial(data={"digest": "d0", "split_seed": 2}, seed=1)],
            [("not comparable", "no seed is on both sides; no split_seed is on both sides")],
        ),
        (
            [weighted("a"), weighted("b")],
            [weighted("c"), weighted("d")],
            [
                ("not comparable", f"the pretrained weights differ ({'a' * 8} and {'c' * 8})"),
                ("not comparable", f"the pretrained weights differ ({'b' * 8} and {'d' * 8})"),
            ],
        ),
        (
            [weighted("a", epochs=3)],
            [weighted("c", epochs=4)],
            [("gone", "the candidate has not done it"), ("new", "the baseline has not done it")],
        ),
    ],
)
def test_why_trials_of_equal_settings_have_no_pair(old, new, expected):
    assert sorted(reasons(old, new)) == sorted(expected)


def test_equal_labels_get_what_tells_their_trials_apart():
    trials = [trial(l1=0.1), trial(l1=0.2), trial("LeNet5")]
    sides = [Side(name, tuple(measurement(of, record(of)) for of in trials)) for name in "ab"]
    assert sorted(one.label for one in match(*sides)) == [
        "lenet5-scratch-3e",
        "vgg16-scratch-3e (l1 0.1)",
        "vgg16-scratch-3e (l1 0.2)",
    ]
