"""Simulates small CT volumes, trains a 3-D network on them and writes everything that `audit run` needs.

    python examples/phantom_volumes/train.py --out DIR
    audit run DIR/audit.toml

Nothing is downloaded: the volumes are drawn from a seed.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np
import torch
from nets import small_cnn3d
from numpy.typing import NDArray
from phantom import HIGHEST, LOWEST, Scans, scans
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent
TRAINING, VALIDATION, AUDIT = 480, 120, 320
"""Patients of each split; they are drawn one after the other, so none is in two."""
TARGET_SENSITIVITY = 0.90


def prepared(cohort: Scans) -> torch.Tensor:
    """Return volumes as the deployed pipeline prepares them: the range mapped to [0, 1]."""
    return (torch.from_numpy(cohort.volumes[:, None]).float() - LOWEST) / (HIGHEST - LOWEST)


def fit(cohort: Scans, *, epochs: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    volumes, labels = prepared(cohort), torch.from_numpy(cohort.label).float()[:, None]
    model = small_cnn3d().train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for epoch in range(epochs):
        total = 0.0
        for index in torch.randperm(len(volumes), generator=generator).split(32):
            loss = functional.binary_cross_entropy_with_logits(model(volumes[index]), labels[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(index)
        rate.step()
        if (epoch + 1) % 5 == 0 or epoch + 1 == epochs:
            print(f"epoch {epoch + 1} of {epochs}: loss {total / len(volumes):.3f}", flush=True)
    return model.eval()


@torch.no_grad()
def probabilities(model: nn.Module, cohort: Scans) -> NDArray[np.float64]:
    answers: NDArray[np.float64] = model(prepared(cohort)).double().sigmoid()[:, 0].numpy()
    return answers


def operating_point(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the highest threshold that finds the target share of the validation split's nodules."""
    positives = np.sort(scores[labels == 1])
    missed = int(np.floor((1 - TARGET_SENSITIVITY) * len(positives)))
    return float(np.clip(np.floor(positives[missed] * 1e6) / 1e6, 1e-6, 1 - 1e-6))


def write_manifest(out: Path, cohort: Scans) -> None:
    np.save(out / "volumes.npy", cohort.volumes)
    np.save(out / "nodules.npy", cohort.nodules.astype(np.uint8))
    with (out / "cases.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["scan_id", "patient", "volume", "nodule", "label", "sex", "scanner"])
        for row in range(len(cohort.label)):
            writer.writerow([
                f"scan-{row:03d}", f"patient-{cohort.patient[row]:03d}", f"volumes.npy#[{row}]",
                f"nodules.npy#[{row}]", "nodule" if cohort.label[row] else "none", cohort.sex[row],
                cohort.scanner[row],
            ])  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Simulate and train the volume example and write its audit.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    rng = np.random.default_rng(options.seed)
    training, validation, audited = (scans(patients, rng) for patients in (TRAINING, VALIDATION, AUDIT))

    model = fit(training, epochs=options.epochs, seed=options.seed)
    threshold = operating_point(probabilities(model, validation), validation.label)

    options.out.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), options.out / "phantom_volumes.safetensors")
    write_manifest(options.out, audited)
    text = (HERE / "audit.template.toml").read_text(encoding="utf-8")
    (options.out / "audit.toml").write_text(text.replace("@operating_point@", f"{threshold:.6f}"), encoding="utf-8")
    for name in ("nets.py", "policy.toml"):
        shutil.copyfile(HERE / name, options.out / name)
    print(f"operating point {threshold:.6f}; next: audit run {options.out / 'audit.toml'}")


if __name__ == "__main__":
    main()
