"""Densitometry: how much of a lung lies below a threshold. It learns nothing but where to cut."""

from audit.reference._system import System

SYSTEMS = (
    System(
        name="densitometry", title="Emphysema or none from the share of the lung below -950 HU",
        task="binary", slides="82-84", package="densitometry",
    ),
)  # fmt: skip
