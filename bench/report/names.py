"""What configurations are called in tables and figures."""

import pandas as pd


def labels(configurations: pd.DataFrame) -> list[str]:
    """The network of every row, with its weights and variant where rows of one mode would else look alike.

    Args:
        configurations: With the columns of `bench.report.frame.CONFIGURATION`.
    """
    several = configurations.groupby(["network", "mode"], dropna=False)["weights"].transform("nunique") > 1
    names = []
    for row, with_weights in zip(configurations.itertuples(), several, strict=True):
        extra = [row.weights] if with_weights else []
        extra += [row.variant] if isinstance(row.variant, str) and row.variant else []
        names.append(", ".join([row.network, *extra]))
    return names


def group_name(mode: str, epochs: float) -> str:
    """`transfer, 100 epochs`; classical methods know no epochs."""
    if not epochs or pd.isna(epochs):
        return str(mode)
    return f"{mode}, {int(epochs)} epoch{'' if epochs == 1 else 's'}"


def group_file(mode: str, epochs: float) -> str:
    """The same as part of a file's name."""
    return str(mode) if not epochs or pd.isna(epochs) else f"{mode}-{int(epochs)}"


def groups_of(configurations: pd.DataFrame) -> list[tuple[tuple[str, float], pd.DataFrame]]:
    """The configurations by mode and epochs, in the order in which they appear."""
    return list(configurations.groupby(["mode", "epochs"], sort=False))
