"""Train the network on counts, write the folder of its audit, measure how much training its map needs."""

from __future__ import annotations

from audit.reference._system import Made, Say
from audit.reference.phantoms import scanned
from audit.reference.systems.gp_unet._curves import curves
from audit.reference.systems.gp_unet._folder import write
from audit.reference.systems.gp_unet._learning import TEST, TRAINING, Settings, cohort, trained
from audit.reference.systems.gp_unet._measuring import figures

__all__ = ["curves", "train", "write"]


def train(name: str, *, seed: int, say: Say) -> Made:
    """Train on what observer 1 counted; see `audit.reference._system.Recipe`.

    Args:
        name: The system.
        seed: Of patients, weights and order.
        say: Is told how far it is.
    """
    settings = Settings()
    say(f"scanning {settings.patients} training patients")
    found = scanned(cohort(settings.patients, seed=seed, part=TRAINING, knobs=settings.chosen))
    net = trained(found, settings, seed=seed, say=say)
    say(f"counting and pointing in {settings.tested} test patients")
    table = scanned(cohort(settings.tested, seed=seed, part=TEST, knobs=settings.knobs))
    return Made(
        tensors={key: value.numpy() for key, value in net.state_dict().items()},
        metadata={"name": name, "training_patients": str(settings.patients)},
        figures=figures(net, table, seed=seed),
    )
