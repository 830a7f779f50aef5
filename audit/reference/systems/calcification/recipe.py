"""How the calcification twins are trained and audited; see `audit.reference._system.Recipe`."""

from __future__ import annotations

from pathlib import Path

from audit.reference._system import Made, Say
from audit.reference.systems.calcification._folder import write
from audit.reference.systems.calcification._training import Settings, fit

__all__ = ["curves", "train", "write"]


def train(name: str, *, seed: int, say: Say) -> Made:
    """Train a twin, about two minutes of one core; see `Recipe.train`."""
    from audit.reference.systems.calcification._measured import figures
    from audit.reference.systems.calcification.nets import NETS

    net = NETS[name]()
    net.load_state_dict(fit(Settings(), seed=seed, say=say).state_dict())
    net.eval()
    say("measuring on test patients")
    return Made(
        tensors={key: value.numpy() for key, value in net.state_dict().items()},
        metadata={"output": "mask_logits", "factory": f"{NETS[name].__module__}:{NETS[name].__name__}"},
        figures=figures(net, seed=seed),
    )


def curves(name: str, folder: Path, *, say: Say) -> None:
    """There are none; see `Recipe.curves`."""
    del folder
    say(f"{name} has no curves")
