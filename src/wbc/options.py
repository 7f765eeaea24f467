"""The options of a network or a method, which a suite may set beside its name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wbc.errors import InputError, did_you_mean

OptionValue = bool | int | float | str


@dataclass(frozen=True)
class Option:
    """A keyword argument of a network or a method."""

    name: str
    """The keyword."""
    default: OptionValue
    """The value if none is given. Its type is the type of the option."""
    minimum: float = -math.inf
    """Smallest allowed number."""
    below: float = math.inf
    """Numbers must be smaller than this one."""
    maximum: float = math.inf
    """Largest allowed number."""
    choices: tuple[OptionValue, ...] = ()
    """The allowed values, words or numbers; empty for a range of numbers."""
    in_backbone: bool = True
    """Whether the option changes the network without its top, and so which weights fit. Dropout does not."""

    @property
    def kind(self) -> str:
        """The allowed values, in words."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if isinstance(self.default, bool):
            return "true or false"
        number = "an integer" if isinstance(self.default, int) else "a number"
        below = f" and below {self.below:g}" if self.below < math.inf else ""
        maximum = f" and at most {self.maximum:g}" if self.maximum < math.inf else ""
        return f"{number}, at least {self.minimum:g}{below}{maximum}"

    def check(self, value: Any) -> OptionValue | None:
        """The value in the type of the option (1 becomes 1.0), or None if it is not allowed."""
        if self.choices:
            equal = [choice for choice in self.choices if choice == value and not isinstance(value, bool)]
            return equal[0] if equal else None
        if isinstance(self.default, bool) or isinstance(value, bool):
            return value if isinstance(self.default, bool) and isinstance(value, bool) else None
        if not isinstance(value, int if isinstance(self.default, int) else int | float):
            return None
        allowed = self.minimum <= value < self.below and value <= self.maximum
        return type(self.default)(value) if allowed else None


class Configurable:
    """Something with a name and options."""

    name: str
    options: tuple[Option, ...]
    """The options that a suite may set, in the order of labels."""

    def check_options(self, options: Mapping[str, Any]) -> dict[str, OptionValue]:
        """The given options, in the catalog's order and with the types of the catalog.

        Raises:
            InputError: There is no such option, or its value is not allowed.
        """
        known = [option.name for option in self.options]
        for name in options:
            if name not in known:
                way_out = (
                    f"Its options are: {', '.join(known)}." if known else "It has no options; remove it."
                )
                guess = did_you_mean(name, known)
                raise InputError(
                    f"{self.name} has no option {name!r}" + (f" ({guess})" if guess else ""), way_out
                )
        checked: dict[str, OptionValue] = {}
        for option in self.options:
            if option.name in options:
                value = option.check(options[option.name])
                if value is None:
                    raise InputError(
                        f"{option.name} of {self.name} must be {option.kind}, not {options[option.name]!r}",
                        f"The default is {option.default}.",
                    )
                checked[option.name] = value
        return checked

    def sources(self) -> dict[str, str]:
        """Files outside `wbc` that the result depends on: module -> SHA-256 of the file."""
        return {}

    def all_options(self, options: Mapping[str, Any]) -> dict[str, OptionValue]:
        """Option -> its value, given or default."""
        return {option.name: option.default for option in self.options} | self.check_options(options)

    def label(self, options: Mapping[str, Any]) -> str:
        """Name and options in one word, such as `MobileNet-alpha0.5`.

        Options appear in the catalog's order. A default appears only if it was given.
        """
        words = [self.name]
        for name, value in self.check_options(options).items():
            words.append((name if value else f"no_{name}") if isinstance(value, bool) else f"{name}{value}")
        return "-".join(words)
