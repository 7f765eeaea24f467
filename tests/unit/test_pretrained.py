"""Weights that are missing: one answer of a server, or of none, stands for those that follow."""

from pathlib import Path

import pytest

from bench.trials import pretrained
from wbc.specification import WeightsSource


def download(network: str) -> pretrained.Download:
    source = WeightsSource("download", path=Path(f"{network}.h5"), url=f"https://weights.invalid/{network}")
    return pretrained.Download(network, {}, 224, source.url, source.path, source)


@pytest.mark.parametrize(
    ("reasons", "asked", "said"),
    [
        ({}, ["VGG16", "VGG19", "Xception"], []),
        ({"VGG16": "Connection refused"}, ["VGG16"], ["VGG16"]),
        ({"VGG19": "Connection refused"}, ["VGG16", "VGG19"], ["VGG19"]),
        ({"VGG16": "the server answers 404"}, ["VGG16", "VGG19", "Xception"], ["VGG16"]),
        (
            {"VGG16": "the server answers 404", "VGG19": "Connection refused"},
            ["VGG16", "VGG19"],
            ["VGG16", "VGG19"],
        ),
    ],
)
def test_who_is_asked_and_what_is_said(monkeypatch, reasons: dict, asked: list[str], said: list[str]):
    seen = []

    def check(url: str) -> str | None:
        seen.append(url.rpartition("/")[2])
        return reasons.get(seen[-1])

    monkeypatch.setattr(pretrained, "check_reachable", check)
    networks = ["VGG16", "VGG19", "Xception", "Xception"]
    errors = pretrained.unavailable([download(network) for network in networks[: 3 + (len(asked) < 3)]])
    assert seen == asked
    assert [reasons[network] in error.what for error, network in zip(errors, said, strict=True)] == [
        True
    ] * len(said)
    rest = [network for network in networks[:3] if network not in asked]
    if rest:
        assert errors[-1].what.endswith(f"; the same holds for {', '.join(rest)}")
    assert not any("the same holds" in error.what for error in errors[: -1 if rest else None])
