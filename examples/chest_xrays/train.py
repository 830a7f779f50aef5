"""Trains a small pneumonia classifier and writes everything that `audit run` needs.

    python examples/chest_xrays/train.py --data DIR --out DIR
    audit run DIR/audit.toml

DIR of --data holds `images.npz` (key `images`, (n, 28, 28) uint8) and `cases.csv` with the columns case_id, label,
split (train or validation) and row. The images stay where they are; the manifest points at them.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np
import torch
from nets import small_cnn
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

HERE = Path(__file__).resolve().parent
AUDIT_SHARE = 0.30
TARGET_SENSITIVITY = 0.95

Row = dict[str, str]


def read_rows(data: Path) -> list[Row]:
    with (data / "cases.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def splits(rows: list[Row], seed: int) -> NDArray[np.str_]:
    """Keep the source's validation split for the threshold and draw the audit split from its training split."""
    rng = np.random.default_rng(seed)
    split = np.array([row["split"] for row in rows], dtype="U10")
    split[(split == "train") & (rng.random(len(rows)) < AUDIT_SHARE)] = "audit"
    return split


def fit(images: torch.Tensor, labels: torch.Tensor, *, epochs: int, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = small_cnn().train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    for epoch in range(epochs):
        total = 0.0
        for index in torch.randperm(len(images), generator=generator).split(64):
            loss = functional.cross_entropy(model(images[index]), labels[index])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach()) * len(index)
        print(f"epoch {epoch + 1} of {epochs}: loss {total / len(images):.3f}", flush=True)
    return model.eval()


@torch.no_grad()
def probabilities(model: nn.Module, images: torch.Tensor) -> NDArray[np.float64]:
    answers: NDArray[np.float64] = model(images).double().softmax(1)[:, 1].numpy()
    return answers


def operating_point(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Return the highest threshold that finds the target share of the validation split's pneumonias."""
    positives = np.sort(scores[labels])
    missed = int(np.floor((1 - TARGET_SENSITIVITY) * len(positives)))
    return float(np.floor(positives[missed] * 1e6) / 1e6)


def write_manifest(out: Path, data: Path, rows: list[Row]) -> None:
    archive = (data / "images.npz").resolve()
    with (out / "cases.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["case_id", "file", "label"])
        writer.writerows([row["case_id"], f"{archive}#images[{row['row']}]", row["label"]] for row in rows)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train the pneumonia example and write its audit.")
    parser.add_argument("--data", type=Path, required=True, help="folder with images.npz and cases.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = read_rows(options.data)
    with np.load(options.data / "images.npz", allow_pickle=False) as archive:
        images = archive["images"][[int(row["row"]) for row in rows]]
    pneumonia = np.array([row["label"] == "pneumonia" for row in rows])
    split = splits(rows, options.seed)

    def part(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        scaled = torch.from_numpy(images[split == name][:, None]).float() / 255
        return scaled, torch.from_numpy(pneumonia[split == name]).long()

    model = fit(*part("train"), epochs=options.epochs, seed=options.seed)
    held_images, held_labels = part("validation")
    threshold = operating_point(probabilities(model, held_images), held_labels.bool().numpy())

    options.out.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), options.out / "chest_xrays.safetensors")
    write_manifest(options.out, options.data, [row for row, name in zip(rows, split, strict=True) if name == "audit"])
    text = (HERE / "audit.template.toml").read_text(encoding="utf-8")
    (options.out / "audit.toml").write_text(text.replace("@operating_point@", f"{threshold:.6f}"), encoding="utf-8")
    for name in ("nets.py", "policy.toml"):
        shutil.copyfile(HERE / name, options.out / name)
    print(f"operating point {threshold:.6f}; next: audit run {options.out / 'audit.toml'}")


if __name__ == "__main__":
    main()
