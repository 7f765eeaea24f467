"""Suites with random keys and values: each is read, or refused with a message of ours that can be read.

LEUKOBENCH_RANDOM_SUITES says how many (100); a failure names its seed.
"""

import json
import math
import os
import random
import tomllib
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from bench.errors import InputError, ResultsError
from bench.suite.resolve import resolve_suite
from bench.suite.schema import SuiteFile

COUNT = int(os.environ.get("LEUKOBENCH_RANDOM_SUITES", "100"))
LONGEST = 600
"""Characters of a message."""

DEMONSTRATION = tomllib.loads((Path(__file__).parents[2] / "suites" / "demo.toml").read_text())

TEXTS = (
    *(
        "",
        " ",
        "\u00e9",
        "\u202e",
        "\u0000",
        "two\nlines",
        "[red]x[/red]",
        "x" * 300,
        "../up",
        "~nobody",
        "/dev/null",
    ),
    *(
        "/root",
        "/proc/self/mem",
        "os:system",
        ":",
        "own:",
        "all",
        "auto",
        "cpu:0",
        "cpu:-3",
        "gpu:x",
        "1e999",
        "5m",
    ),
    *(
        "none",
        "random",
        "imagenet",
        "classical",
        "scratch",
        "transfer",
        "finetune",
        "torch",
        "paper",
        "LeNet5",
        "SVM",
    ),
)
NUMBERS = (0, -1, 1, 2, 31, 32, 2**31, 2**63, 10**30, 0.5, -0.0, 1e-300, 1e308, math.inf, -math.inf, math.nan)
TIMES = (datetime(2026, 1, 2, 3, 4), date(2026, 1, 2), time(3, 4))


def keys_of(model: type[BaseModel], depth: int = 0) -> list[str]:
    """The keys of a table, and those of the tables in it."""
    found = []
    for name, field in model.model_fields.items():
        found.append(field.alias or name)
        inner = [
            one for one in getattr(field.annotation, "__args__", (field.annotation,)) if isinstance(one, type)
        ]
        if depth < 2:
            found += [key for one in inner if issubclass(one, BaseModel) for key in keys_of(one, depth + 1)]
    return found


KEYS = sorted({*keys_of(SuiteFile), "name", "build", "learning_rate", "alpha", "depth", "unknown"})


def a_value(chosen: random.Random, depth: int = 0) -> Any:
    """Anything that TOML can write."""
    kinds: list[Callable[[], Any]] = [
        lambda: chosen.choice(TEXTS),
        lambda: chosen.choice(NUMBERS),
        lambda: chosen.choice([True, False]),
        lambda: chosen.choice(TIMES),
    ]
    if depth < 3:
        kinds += [
            lambda: [a_value(chosen, depth + 1) for _ in range(chosen.randrange(4))],
            lambda: {chosen.choice(KEYS): a_value(chosen, depth + 1) for _ in range(chosen.randrange(4))},
        ]
    return chosen.choice(kinds)()


def changed(chosen: random.Random, content: Any, depth: int = 0) -> Any:
    """The content with a value changed, added, left out, or given twice, somewhere in it."""
    if isinstance(content, dict) and (content or depth == 0):
        content, kind = dict(content), chosen.randrange(4)
        if kind == 0 or not content:
            content[chosen.choice(KEYS)] = a_value(chosen)
        elif kind == 1:
            del content[chosen.choice(list(content))]
        else:
            key = chosen.choice(list(content))
            content[key] = changed(chosen, content[key], depth + 1)
        return content
    if isinstance(content, list) and content and chosen.random() < 0.8:
        number = chosen.randrange(len(content))
        if chosen.random() < 0.2:
            return [*content, content[number]]
        return [*content[:number], changed(chosen, content[number], depth + 1), *content[number + 1 :]]
    return a_value(chosen)


def written(value: Any) -> str:
    """A value as TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {written(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value)
    return value.isoformat() if isinstance(value, date | time) else repr(value)


def torn(chosen: random.Random, text: str) -> str:
    """The text with a character that another editor, or nobody, would have put there."""
    place = chosen.randrange(len(text))
    cut = chosen.randrange(2)
    return (
        text[:place]
        + chosen.choice(["\x00", "\ufeff", "=", "[", '"', "\r", "#", "'''", ""])
        + text[place + cut :]
    )


def a_suite(seed: int) -> str:
    """The text of a suite."""
    chosen = random.Random(seed)
    content: Any = DEMONSTRATION
    for _ in range(chosen.choice([1, 1, 2, 4])):
        content = changed(chosen, content)
    text = "".join(f"{json.dumps(key)} = {written(value)}\n" for key, value in content.items()) or "\n"
    return torn(chosen, text) if chosen.random() < 0.2 else text


@pytest.mark.parametrize("first", range(0, COUNT, 50))
def test_a_suite_is_read_or_refused_in_words(tmp_path: Path, first: int):
    refused = 0
    for seed in range(first, min(COUNT, first + 50)):
        path = tmp_path / "suite.toml"
        path.write_bytes(a_suite(seed).encode("utf-8", "surrogatepass"))
        try:
            resolve_suite(path, tmp_path / "cache")
        except (InputError, ResultsError) as error:
            refused += 1
            assert len(str(error)) <= LONGEST, f"seed {seed}: {error}"
            assert error.what.strip(), f"seed {seed}"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
    assert refused, "the suites are too tame"
    assert not (tmp_path / "cache").exists(), "nothing may be written"
