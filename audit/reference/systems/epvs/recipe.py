"""Train the network of four regions, write the folder of its audit, measure its training-size curves."""

from __future__ import annotations

from audit.reference._system import Made, Say
from audit.reference.systems.epvs._curves import curves
from audit.reference.systems.epvs._folder import write
from audit.reference.systems.epvs._learning import TRAINING, Settings, tables, trained
from audit.reference.systems.epvs._measuring import figures

__all__ = ["curves", "train", "write"]


def train(name: str, *, seed: int, say: Say) -> Made:
    """Train on what observer 1 counted; see `audit.reference._system.Recipe`.

    Args:
        name: The system.
        seed: Of patients, weights and order.
        say: Is told how far it is.
    """
    settings = Settings()
    say(f"scanning {settings.patients} training patients, four regions each")
    found = tables(settings, seed=seed, part=TRAINING, n=settings.patients)
    net = trained(found, settings, seed=seed, say=say)
    say(f"counting in {settings.tested} test patients")
    tensors = {key: value.numpy() for key, value in net.state_dict().items()}
    return Made(
        tensors=tensors, metadata={"name": name, "training_patients": str(settings.patients)},
        figures=figures(net, settings, seed=seed),
    )  # fmt: skip
