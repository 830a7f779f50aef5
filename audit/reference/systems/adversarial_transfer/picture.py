"""The picture of the docs: `python -m audit.reference.systems.adversarial_transfer.picture OUT.png`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from audit.reference._drawing import points, two_parts
from audit.reference._files import read_figures
from audit.reference.systems.adversarial_transfer._attacking import HEADLINE, perturbed
from audit.reference.systems.adversarial_transfer._learning import TEST, Settings, patches
from audit.reference.systems.adversarial_transfer.nets import plain

HERE = Path(__file__).parent
SHOWN = ("the target itself", "same init", "other init", "other data", "other architecture")
WORDS = ("the target\nitself", "same\nstart", "other\nstart", "other\ndata", "other\narchitecture")


def draw(path: Path) -> None:
    """Draw a patch, what is added to it, and what is left of the AUC by the network that it was made on, as PNG.

    Args:
        path: The file.
    """
    two_parts(path, (9, 3.2), 1.7, _patches, _figures)


def _figures(axes: Any) -> None:
    for k, name in enumerate(("adversarial-transfer", "adversarial-apart")):
        found = {f.name: f for f in read_figures(HERE / f"{name}.figures.json")[1]}
        for attack, style in (("20 steps", {}), ("shuffled", {"fmt": "x"})):
            keys = [f"per cent of the clean auc, {attack}, {on}" for on in SHOWN]
            at = np.array([i for i, key in enumerate(keys) if key in found])
            figures = [found[key] for key in keys if key in found]
            points(axes, at + (k - 0.5) * 0.25, figures, k, label=f"{name}, {attack}", **style)
    axes.set_xticks(range(len(SHOWN)), WORDS, fontsize=8)
    axes.set_ylim(0, 108)
    axes.set_ylabel("% of the clean AUC", fontsize=8)
    axes.set_title("phantom, 400 test patients, 1 % of full scale; 95 % intervals", fontsize=9)
    axes.legend(fontsize=7, loc="lower right", frameon=False)
    axes.figure.subplots_adjust(bottom=0.2)


def _patches(part: Any) -> None:
    import torch
    from safetensors.torch import load_file

    part.suptitle("phantom: a lesion that is missed after a change of 1 %", fontsize=8)
    held = load_file(HERE / "adversarial-transfer.safetensors")
    net = plain().eval()
    net.load_state_dict({k.partition("/")[2]: v for k, v in held.items() if k.startswith("target/")})
    some = patches(60, 46, TEST, Settings())
    lesions = np.flatnonzero(some.labels[:, 0])
    every, made = (
        some.images[lesions],
        perturbed(net, some.images[lesions], some.labels[lesions, 0], epsilon=HEADLINE, steps=20),
    )
    with torch.no_grad():
        ps, qs = (net(torch.from_numpy(i)).sigmoid()[:, 0].numpy() for i in (every, made))
    row = int(np.flatnonzero((ps > 0.8) & (qs < 0.2))[0])
    image, changed, before, after = every[row : row + 1], made[row : row + 1], ps[row], qs[row]
    shown = (
        (image, 0.7, f"p = {before:.2f}"),
        (changed - image, None, "change, -1 to 1 %"),
        (changed, 0.7, f"p = {after:.2f}"),
    )
    for axes, (values, top, words) in zip(part.subplots(1, 3), shown, strict=True):
        low, high = (0, top) if top else (-HEADLINE, HEADLINE)
        axes.imshow(values[0, 0], cmap="gray", vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(words, fontsize=8)
        axes.set_axis_off()


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
