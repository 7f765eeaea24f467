"""Weights that are missing: one answer of a server, or of none, stands for those that follow."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.trials import pretrained
from wbc.errors import InputError
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


@pytest.mark.parametrize(
    ("code", "said", "reason"),
    [
        (0, "a warning", None),
        (1, "Traceback\n  deep inside\nOSError: no room\n", "OSError: no room"),
        (7, " \n", "exit code 7"),
    ],
)
def test_keras_downloads_what_is_missing_in_a_process_of_its_own(monkeypatch, code, said, reason):
    commands, found = [], WeightsSource("keras-cache", Path("here.h5"))

    def run(command: list[str], env: dict[str, str], **options: bool) -> SimpleNamespace:
        assert options == {"capture_output": True, "text": True, "check": False}
        assert (env["KERAS_BACKEND"], env["CUDA_VISIBLE_DEVICES"], env["TF_CPP_MIN_LOG_LEVEL"]) == (
            "jax",
            "",
            "3",
        )
        commands.append(command)
        return SimpleNamespace(returncode=code, stderr=said)

    monkeypatch.setattr(pretrained, "check_reachable", lambda url: None)
    monkeypatch.setattr(pretrained, "installed_backends", lambda: ["jax", "torch"])
    monkeypatch.setattr(pretrained.subprocess, "run", run)
    monkeypatch.setattr(pretrained, "locate_weights", lambda *asked, **more: (found, asked, more))
    one, other = download("VGG16"), download("VGG19")
    if reason is None:
        assert pretrained.fetch([one, other]) == {
            Path(f"{name}.h5"): (found, ("imagenet", name, {}), {"image_size": 224})
            for name in ("VGG16", "VGG19")
        }
        asked = [["-P", "-m", "bench.worker.fetch", f'["{name}", {{}}, 224]'] for name in ("VGG16", "VGG19")]
        assert commands == [[sys.executable, *words] for words in asked]
        return
    with pytest.raises(InputError, match="the ImageNet weights of VGG16 are not on this machine") as caught:
        pretrained.fetch([one, other])
    assert caught.value.what.endswith(f"download them from https://weights.invalid/VGG16: {reason}")
    assert len(commands) == 1


def test_nothing_is_downloaded_where_a_server_does_not_answer(monkeypatch):
    monkeypatch.setattr(pretrained, "check_reachable", lambda url: "Connection refused")
    monkeypatch.setattr(pretrained.subprocess, "run", lambda *command, **options: pytest.fail("asked"))
    with pytest.raises(InputError, match=r"VGG16.*Connection refused; the same holds for VGG19"):
        pretrained.fetch([download("VGG16"), download("VGG19")])
    assert pretrained.fetch([]) == {}
