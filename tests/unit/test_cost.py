"""Time per image and bytes of a classifier, with a clock that the test controls."""

from wbc.evaluation.cost import BatchTimer, Cost


def timed(*batches: tuple[int, float]) -> BatchTimer:
    """A timer that has timed batches of (images, seconds)."""
    times = iter([time for _, seconds in batches for time in (0.0, seconds)])
    timer = BatchTimer(lambda: next(times))
    for images, _ in batches:
        with timer.batch(images):
            pass
    return timer


def test_the_median_of_full_batches_after_the_first():
    timer = timed((16, 9.0), (16, 2.0), (16, 4.0), (16, 2.0), (5, 7.0))
    assert timer.cost(100) == Cost(100, 0.125, 16, 3)
    assert not timer.wants_more


def test_a_later_prediction_adds_batches():
    assert timed((16, 9.0), (3, 5.0), (16, 2.0), (3, 0.1), (16, 2.0)).cost(0) == Cost(0, 0.125, 16, 2)


def test_more_batches_are_wanted_unless_they_are_slow():
    assert BatchTimer().wants_more
    assert timed((4, 9.0)).wants_more, "the first one only warms up"
    assert timed((4, 9.0), (4, 0.1), (4, 0.1)).wants_more
    assert not timed((4, 9.0), (4, 0.1), (4, 0.1), (4, 0.1)).wants_more
    assert not timed((4, 9.0), (4, 2.0)).wants_more
    assert timed((4, 9.0), (4, 0.999)).wants_more and not timed((4, 9.0), (4, 1.0)).wants_more


def test_stages_add_up():
    backbone, head = Cost(1000, 0.01, 16, 20), Cost(50, 0.001, 16, 3)
    assert head + backbone == Cost(1050, 0.011, 16, 3)
    assert list((head + backbone).figures()) == [
        "model_bytes",
        "inference_s",
        "inference_batch_size",
        "inference_batches",
    ]
