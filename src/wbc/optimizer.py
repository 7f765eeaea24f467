"""The plain description of an optimiser. Free of Keras."""

from dataclasses import dataclass, replace
from typing import Any

from wbc.errors import InputError

_ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}

ARGUMENTS: dict[str, dict[str, float | bool]] = {
    "SGD": {"momentum": 0.0, "nesterov": False},
    "Nesterov": {"momentum": 0.9},
    "RMSprop": {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7},
    "Adam": _ADAM,
    "AdamW": _ADAM,
    "Nadam": _ADAM,
    "Adamax": _ADAM,
    "Adagrad": {"epsilon": 1e-7},
    "Adadelta": {"rho": 0.95, "epsilon": 1e-7},
}
"""Optimiser -> its own arguments, with Keras' defaults.

The names are those of `keras.optimizers`, and `Nesterov` for SGD with Nesterov's momentum (section 3.6 of the
thesis counts it as an optimiser of its own)."""

OPTIMIZERS = tuple(ARGUMENTS)

OWN_ARGUMENTS = tuple(dict.fromkeys(name for own in ARGUMENTS.values() for name in own))
"""Every argument that belongs to some optimisers only."""

LEARNING_RATE = 1e-3
LEARNING_RATES = {"SGD": 1e-2, "Nesterov": 1e-2}
"""Keras' rates where a suite names an optimiser without one: of most, and of the others."""

WEIGHT_DECAY = {"AdamW": 0.004}
"""Keras' weight decay where a suite gives none; 0 for all others."""


@dataclass(frozen=True)
class OptimizerSpecification:
    """A Keras optimiser whose rate falls as `learning_rate / (1 + decay * step)`.

    The defaults are the thesis' (its section 5.4). An argument that is None has Keras' own default, or none.

    Attributes:
        name: One of `OPTIMIZERS`.
        learning_rate: At the first step.
        decay: Of the learning rate, a step.
        weight_decay: Decoupled from the gradient, as Keras does it: every step takes
            `learning_rate * weight_decay` of each weight away (Loshchilov and Hutter: Decoupled Weight Decay
            Regularization, 2019). For SGD without momentum that is the L2 penalty of the older papers.
        momentum: Share of the last step that goes into the next.
        nesterov: Whether the gradient is taken ahead of that step.
        rho: How slowly the mean of squared gradients forgets.
        beta_1: How slowly the mean of gradients forgets.
        beta_2: How slowly the mean of squared gradients forgets.
        epsilon: Keeps the division by that mean finite.
    """

    name: str = "RMSprop"
    learning_rate: float = 1e-5
    decay: float = 1e-3
    weight_decay: float | None = None
    momentum: float | None = None
    nesterov: bool | None = None
    rho: float | None = None
    beta_1: float | None = None
    beta_2: float | None = None
    epsilon: float | None = None

    def check(self) -> None:
        """Raise InputError if an argument is not the optimiser's own, or they make no sense together."""
        own = ARGUMENTS[self.name]
        for argument in OWN_ARGUMENTS:
            if getattr(self, argument) is not None and argument not in own:
                having = [name for name, arguments in ARGUMENTS.items() if argument in arguments]
                raise InputError(
                    f"{self.name} has no {argument}",
                    f"Its own keys are {', '.join(own)}; {argument} belongs to {', '.join(having)}.",
                )
        if self.name == "Nesterov" or self.nesterov:
            momentum = self.momentum if self.momentum is not None else own["momentum"]
            if not momentum:
                raise InputError(
                    "Nesterov's momentum needs a momentum above 0",
                    "Set momentum = 0.9, or leave nesterov out.",
                )

    def slower(self) -> "OptimizerSpecification":
        """The same at a tenth of its rate: the default of the second stage of fine-tuning."""
        return replace(self, learning_rate=self.learning_rate / 10)

    def resolved(self) -> dict[str, Any]:
        """Every value that matters, spelled out: name, learning_rate, decay, weight_decay, own arguments.

        `Nesterov` becomes the SGD that it is, so that both ways to write it are the same optimiser.
        """
        self.check()
        own = {
            argument: default if getattr(self, argument) is None else getattr(self, argument)
            for argument, default in ARGUMENTS[self.name].items()
        }
        name = self.name
        if name == "Nesterov":
            name, own = "SGD", {**own, "nesterov": True}
        weight_decay = self.weight_decay
        if weight_decay is None:
            weight_decay = WEIGHT_DECAY.get(name, 0.0)
        numbers = {
            "learning_rate": self.learning_rate,
            "decay": self.decay,
            "weight_decay": weight_decay,
            **own,
        }
        # 1 and 1.0 are the same rate, and must be the same trial.
        typed = {key: value if isinstance(value, bool) else float(value) for key, value in numbers.items()}
        return {"name": name, **typed}
