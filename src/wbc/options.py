"""The options of a network or a method: what a suite may set beside its name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wbc.errors import InputError, did_you_mean

OptionValue = bool | int | float | str


@dataclass(frozen=True)
class Option:
    """A keyword that changes what is built under a name.

    Attributes:
        name: The keyword.
        default: The value that is taken where none is given; its type is the type of the option.
        minimum: Smallest allowed number.
        below: Numbers must stay below this one.
        maximum: Largest allowed number.
        choices: The values that are allowed, where they are few: words or numbers.
        in_backbone: Whether the option changes a network without its top (dropout does not), and
            so which weights fit.
    """

    name: str
    default: OptionValue
    minimum: float = -math.inf
    below: float = math.inf
    maximum: float = math.inf
    choices: tuple[OptionValue, ...] = ()
    in_backbone: bool = True

    @property
    def kind(self) -> str:
        """The values that are allowed, in words."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if isinstance(self.default, bool):
            return "true or false"
        number = "an integer" if isinstance(self.default, int) else "a number"
        below = f" and below {self.below:g}" if self.below < math.inf else ""
        maximum = f" and at most {self.maximum:g}" if self.maximum < math.inf else ""
        return f"{number}, at least {self.minimum:g}{below}{maximum}"

    def check(self, value: Any) -> OptionValue | None:
        """The value in the option's own type (1 becomes 1.0), or None if it is not allowed."""
        if self.choices:
            alike = [choice for choice in self.choices if choice == value and not isinstance(value, bool)]
            return alike[0] if alike else None
        if isinstance(self.default, bool) or isinstance(value, bool):
            return value if isinstance(self.default, bool) and isinstance(value, bool) else None
        if not isinstance(value, int if isinstance(self.default, int) else int | float):
            return None
        allowed = self.minimum <= value < self.below and value <= self.maximum
        return type(self.default)(value) if allowed else None


class Configurable:
    """Something with a name and options.

    Attributes:
        name: Its name.
        options: The options that a suite may set, in the order of labels.
    """

    name: str
    options: tuple[Option, ...]

    def check_options(self, options: Mapping[str, Any]) -> dict[str, OptionValue]:
        """The options that are given, in the catalogue's order and in their own types.

        Raises:
            InputError: There is no such option, or its value is not allowed.
        """
        known = [option.name for option in self.options]
        for name in options:
            if name not in known:
                way_out = (
                    f"Its options are: {', '.join(known)}." if known else "It has no options; leave it out."
                )
                guess = did_you_mean(name, known)
                raise InputError(
                    f"{self.name} has no option {name!r}" + (f" ({guess})" if guess else ""), way_out
                )
        checked = {}
        for option in self.options:
            if option.name in options:
                value = option.check(options[option.name])
                if value is None:
                    raise InputError(
                        f"{option.name} of {self.name} must be {option.kind}, not {options[option.name]!r}",
                        f"It is {option.default} if it is left out.",
                    )
                checked[option.name] = value
        return checked

    def sources(self) -> dict[str, str]:
        """Files outside `wbc` that the result depends on: module -> SHA-256 of its file."""
        return {}

    def all_options(self, options: Mapping[str, Any]) -> dict[str, OptionValue]:
        """The value of every option, given or default."""
        return {option.name: option.default for option in self.options} | self.check_options(options)

    def label(self, options: Mapping[str, Any]) -> str:
        """Name and options in one word without spaces, such as `MobileNet-alpha0.5`.

        Options stand in the catalogue's order; a default is spelled out only if it was given.
        """
        words = [self.name]
        for name, value in self.check_options(options).items():
            words.append((name if value else f"no_{name}") if isinstance(value, bool) else f"{name}{value}")
        return "-".join(words)
