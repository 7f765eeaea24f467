"""The plain description of an optimizer. Free of Keras."""

from dataclasses import dataclass, replace
from typing import Any, Literal

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
"""Optimizer -> its own arguments, with Keras' defaults.

The names are those of `keras.optimizers`. `Nesterov` is SGD with Nesterov's momentum, which section 3.6 of
the thesis lists as an optimizer of its own."""

OPTIMIZERS = tuple(ARGUMENTS)

OWN_ARGUMENTS = tuple(dict.fromkeys(name for own in ARGUMENTS.values() for name in own))
"""Every argument that only some optimizers have."""

SEARCH = "search"
"""Instead of a learning rate: a range test before training finds it (`wbc.training.rate_search`)."""

LEARNING_RATE = 1e-3
LEARNING_RATES = {"SGD": 1e-2, "Nesterov": 1e-2}
"""Keras' default learning rates: of most optimizers, and of the exceptions."""

WEIGHT_DECAY = {"AdamW": 0.004}
"""Keras' default weight decay; 0 for all other optimizers."""


@dataclass(frozen=True)
class OptimizerSpecification:
    """A Keras optimizer whose learning rate decays as `learning_rate / (1 + decay * step)`.

    The defaults are those of the thesis (section 5.4). An argument of None means Keras' default. An optimizer
    that does not have the argument needs None.
    """

    name: str = "RMSprop"
    """One of `OPTIMIZERS`."""
    learning_rate: float | Literal["search"] = 1e-5
    """Learning rate of the first step, or `SEARCH`."""
    decay: float = 1e-3
    """Decay of the learning rate per step."""
    weight_decay: float | None = None
    """Weight decay, decoupled from the gradient: each step removes `learning_rate * weight_decay` of each
    weight (Loshchilov and Hutter: Decoupled Weight Decay Regularization, 2019). For SGD without momentum this
    equals the L2 penalty of older papers."""
    momentum: float | None = None
    """Fraction of the last step that is added to the next."""
    nesterov: bool | None = None
    """Whether the gradient is taken after that momentum step."""
    rho: float | None = None
    """Decay rate of the mean of squared gradients."""
    beta_1: float | None = None
    """Decay rate of the mean of gradients."""
    beta_2: float | None = None
    """Decay rate of the mean of squared gradients."""
    epsilon: float | None = None
    """Keeps the division by that mean finite."""
    epsilon_outside: bool | None = None
    """RMSprop only: divide by sqrt(mean) + epsilon, as Keras 2 did, and not by sqrt(mean + epsilon), as Keras 3
    does. With an epsilon of 1e-7 a steady gradient of 1e-5 then takes steps that are 31 times longer."""

    def check(self) -> None:
        """Raise InputError if the optimizer lacks an argument, or the arguments contradict each other."""
        own = ARGUMENTS[self.name]
        for argument in OWN_ARGUMENTS:
            if getattr(self, argument) is not None and argument not in own:
                having = [name for name, arguments in ARGUMENTS.items() if argument in arguments]
                raise InputError(
                    f"{self.name} has no {argument}",
                    f"Its keys are {', '.join(own)}; {argument} belongs to {', '.join(having)}.",
                )
        if self.epsilon_outside and (self.name != "RMSprop" or self.momentum):
            raise InputError(
                "epsilon_outside is for RMSprop without momentum, as Keras 2 had it",
                "Remove epsilon_outside, or the momentum.",
            )
        if self.name == "Nesterov" or self.nesterov:
            momentum = self.momentum if self.momentum is not None else own["momentum"]
            if not momentum:
                raise InputError(
                    "Nesterov's momentum needs a momentum above 0",
                    "Set momentum = 0.9, or remove nesterov.",
                )

    def slower(self) -> "OptimizerSpecification":
        """The same at a tenth of its learning rate: the default for the second stage of fine-tuning.

        A rate that is searched stays a word; its tenth is taken once it is found.
        """
        rate = self.learning_rate
        return self if isinstance(rate, str) else replace(self, learning_rate=rate / 10)

    def under(self, protocol: str) -> "OptimizerSpecification":
        """As the Keras of a protocol (`wbc.protocols`) has it; what is spelled out stays."""
        plain_rmsprop = self.name == "RMSprop" and not self.momentum
        if protocol == "thesis-2018" and plain_rmsprop and self.epsilon_outside is None:
            return replace(self, epsilon_outside=True)
        return self

    def resolved(self) -> dict[str, Any]:
        """Every value that has an effect: name, learning_rate, decay, weight_decay and its own arguments.

        `Nesterov` becomes SGD, so that both ways to write it give the same optimizer.
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
        # 1 and 1.0 are the same rate, and must give the same trial.
        typed = {
            key: value if isinstance(value, bool | str) else float(value) for key, value in numbers.items()
        }
        # Named only where it is on: the optimizers of earlier records do not know it.
        outside = {"epsilon_outside": True} if self.epsilon_outside else {}
        return {"name": name, **typed, **outside}
