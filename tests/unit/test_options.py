"""Options of networks and methods: which values are allowed, how they are said, and how labels are made."""

import pytest

from wbc.backbones import check_classifier, find_backbone
from wbc.classical.catalog import METHODS
from wbc.errors import InputError
from wbc.options import Configurable, Option

COUNT = Option("trees", 300, minimum=1, maximum=500)
SHARE = Option("dropout", 0.5, minimum=0.0, below=1.0)
FLAG = Option("flag", False)
WORD = Option("kind", "plain", choices=("plain", "bypass"))
WIDTH = Option("alpha", 1.0, choices=(0.5, 1.0), in_backbone=True)


class Thing(Configurable):
    name = "Thing"
    options = (COUNT, SHARE, FLAG, WORD, WIDTH)


@pytest.mark.parametrize(
    ("option", "value", "found"),
    [
        (COUNT, 1, 1),
        (COUNT, 500, 500),
        (COUNT, 0, None),
        (COUNT, 501, None),
        (COUNT, 7.0, None),
        (COUNT, True, None),
        (COUNT, "7", None),
        (SHARE, 0, 0.0),
        (SHARE, 0.25, 0.25),
        (SHARE, 0.999, 0.999),
        (SHARE, 1.0, None),
        (SHARE, -0.001, None),
        (SHARE, False, None),
        (FLAG, True, True),
        (FLAG, False, False),
        (FLAG, 1, None),
        (FLAG, "true", None),
        (WORD, "bypass", "bypass"),
        (WORD, "other", None),
        (WIDTH, 1, 1.0),
        (WIDTH, True, None),
        (WIDTH, 0.75, None),
        (Option("free", 1), -(10**9), -(10**9)),
    ],
)
def test_a_value_is_allowed_and_in_the_type_of_its_option(option, value, found):
    checked = option.check(value)
    assert checked == found and type(checked) is type(found)


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        (COUNT, "an integer, at least 1 and at most 500"),
        (SHARE, "a number, at least 0 and below 1"),
        (FLAG, "true or false"),
        (WORD, "one of plain, bypass"),
        (WIDTH, "one of 0.5, 1.0"),
    ],
)
def test_what_is_allowed_in_words(option, kind):
    assert option.kind == kind


def test_options_are_checked_in_the_order_of_the_catalog():
    checked = Thing().check_options({"kind": "bypass", "dropout": 0, "trees": 7})
    assert list(checked.items()) == [("trees", 7), ("dropout", 0.0), ("kind", "bypass")]
    assert Thing().all_options({"trees": 7}) == {
        **{"trees": 7, "dropout": 0.5, "flag": False},
        **{"kind": "plain", "alpha": 1.0},
    }
    assert Thing().sources() == {}


@pytest.mark.parametrize(
    ("options", "what", "way_out"),
    [
        (
            {"tree": 7},
            "Thing has no option 'tree' (did you mean trees?)",
            "Its options are: trees, dropout, flag, kind, alpha.",
        ),
        ({"xyz": 7}, "Thing has no option 'xyz'", "Its options are: trees, dropout, flag, kind, alpha."),
        (
            {"trees": 0},
            "trees of Thing must be an integer, at least 1 and at most 500, not 0",
            "The default is 300.",
        ),
    ],
)
def test_what_is_wrong_with_an_option(options, what, way_out):
    with pytest.raises(InputError) as caught:
        Thing().check_options(options)
    assert (caught.value.what, caught.value.way_out) == (what, way_out)


def test_a_thing_without_options_says_so():
    class Bare(Configurable):
        name, options = "Bare", ()

    with pytest.raises(InputError) as caught:
        Bare().check_options({"trees": 7})
    assert str(caught.value) == "Bare has no option 'trees'.\nIt has no options; remove it."
    assert Bare().label({}) == "Bare"


@pytest.mark.parametrize(
    ("options", "label"),
    [
        ({}, "Thing"),
        ({"flag": True}, "Thing-flag"),
        ({"flag": False, "trees": 300}, "Thing-trees300-no_flag"),
        ({"kind": "bypass", "alpha": 1}, "Thing-kindbypass-alpha1.0"),
    ],
)
def test_a_label_has_the_options_that_were_given(options, label):
    assert Thing().label(options) == label


@pytest.mark.parametrize(
    ("name", "mode", "what"),
    [
        ("SVM", "transfer", "SVM is a classical method, but mode is 'transfer'"),
        ("SVM", "features", "SVM is a classical method, but mode is 'features'"),
        ("LeNet5", "classical", "LeNet5 is a network, but mode is 'classical'"),
        ("LeNet", "scratch", "unknown network or method 'LeNet' (did you mean LeNet5?)"),
        ("SWM", "classical", "unknown network or method 'SWM' (did you mean SVM?)"),
    ],
)
def test_a_mode_has_its_own_names(name, mode, what):
    with pytest.raises(InputError) as caught:
        find_backbone(name, mode)
    assert caught.value.what == what and caught.value.way_out


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("SWM", {}, "unknown method 'SWM' (did you mean SVM?)"),
        ("xyz", {}, "unknown method 'xyz'"),
        (
            "SVM",
            {"features": "hog"},
            "SVM gets the features of the network, so features = 'hog' means nothing",
        ),
    ],
)
def test_a_classifier_of_features_is_a_method(name, options, what):
    with pytest.raises(InputError) as caught:
        check_classifier(name, options)
    assert caught.value.what == what and caught.value.way_out
    assert check_classifier("RandomForest", {"trees": 7}) == {"trees": 7}


def test_the_methods_and_their_defaults():
    """As the documentation lists them; what is below a minimum is refused."""
    defaults = {name: method.all_options({}) for name, method in METHODS.items()}
    assert defaults == {
        "SVM": {"features": "cell", "C": 10.0, "kernel": "rbf"},
        "RandomForest": {"features": "cell", "trees": 300, "min_leaf": 1},
        "DecisionTree": {"features": "cell", "min_leaf": 5},
        "KNN": {"features": "cell", "neighbors": 5},
        "MLP": {"features": "cell", "hidden": 32, "l2": 0.01},
    }
    least = {"C": 1e-6, "trees": 1, "min_leaf": 1, "neighbors": 1, "hidden": 1, "l2": 0.0}
    for method in METHODS.values():
        for option in method.options:
            if option.name in least:
                assert option.minimum == least[option.name] and option.check(option.minimum) is not None
                assert option.check(option.minimum - 1) is None
    assert [one.choices for one in METHODS["SVM"].options] == [
        *(("cell", "hog", "color", "pixels"), (), ("rbf", "linear"))
    ]
