"""Trains a small melanoma classifier and writes everything that `audit run` needs.

    python examples/skin_lesions/train.py --data DIR --out DIR
    audit run DIR/audit.toml

DIR of --data holds `images.npz` (key `images`, (n, 64, 64, 3) uint8) and `cases.csv` with the columns lesion_id,
image_id, dx, dx_type, age, sex, localization and row. The images stay where they are; the manifest points at them.
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
MEAN, STD = (0.76, 0.55, 0.57), (0.14, 0.15, 0.17)
SHARES = {"train": 0.45, "validation": 0.15, "audit": 0.40}
TARGET_SENSITIVITY = 0.90
REGIONS = {
    "head and neck": {"face", "scalp", "neck", "ear"},
    "trunk": {"back", "trunk", "chest", "abdomen", "genital"},
    "upper limb": {"upper extremity", "hand"},
    "lower limb": {"lower extremity", "foot"},
}

Row = dict[str, str]


def read_rows(data: Path) -> list[Row]:
    with (data / "cases.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def split_by_lesion(rows: list[Row], seed: int) -> NDArray[np.str_]:
    """Draw the split of each lesion within its diagnosis, so that no lesion lies in two splits."""
    rng = np.random.default_rng(seed)
    diagnosis = {row["lesion_id"]: row["dx"] for row in rows}
    split: dict[str, str] = {}
    for name in sorted(set(diagnosis.values())):
        lesions = rng.permutation(sorted(lesion for lesion, dx in diagnosis.items() if dx == name))
        edges = np.round(np.cumsum(list(SHARES.values())) * len(lesions)).astype(int)
        for part, chosen in zip(SHARES, np.split(lesions, edges[:-1]), strict=True):
            split.update((str(lesion), part) for lesion in chosen)
    return np.array([split[row["lesion_id"]] for row in rows])


def prepared(images: NDArray[np.uint8]) -> torch.Tensor:
    """Return images as the audited model prepares them: range [0, 255] to [0, 1], then mean and standard deviation."""
    tensor = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255
    return (tensor - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def turned(batch: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A lesion has no upright position: turn and mirror each batch at random."""
    quarter, mirror = torch.randint(0, 4, (1,), generator=generator), torch.randint(0, 2, (1,), generator=generator)
    batch = torch.rot90(batch, int(quarter), (2, 3))
    return batch.flip(3) if int(mirror) else batch


def fit(images: torch.Tensor, labels: torch.Tensor, *, epochs: int, seed: int) -> nn.Module:
    """Train with the rare class weighted up; the weighting is undone by `calibrate`."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = small_cnn().train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    size = 64
    steps = max(1, -(-len(images) // size))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=4e-3, total_steps=epochs * steps)
    weight = (labels == 0).sum() / labels.sum()
    for epoch in range(epochs):
        total = 0.0
        for index in torch.randperm(len(images), generator=generator).split(size):
            logits = model(turned(images[index], generator))[:, 0]
            loss = functional.binary_cross_entropy_with_logits(logits, labels[index], pos_weight=weight)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(index)
        print(f"epoch {epoch + 1} of {epochs}: loss {total / len(images):.3f}", flush=True)
    return model.eval()


@torch.no_grad()
def answers(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return torch.cat([model(batch)[:, 0] for batch in images.split(256)])


def calibrate(model: nn.Module, logits: torch.Tensor, labels: torch.Tensor) -> None:
    """Fold slope and intercept of a logistic regression on the validation split into the last layer."""
    slope, intercept = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([slope, intercept], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = functional.binary_cross_entropy_with_logits(slope * logits + intercept, labels)
        value.backward()
        return value

    optimiser.step(loss)
    last = model[-1]
    with torch.no_grad():
        last.weight.mul_(slope.item())
        last.bias.mul_(slope.item()).add_(intercept.item())


def operating_point(probabilities: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Return the highest threshold that finds the target share of the validation split's melanomas."""
    positives = np.sort(probabilities[labels])
    missed = int(np.floor((1 - TARGET_SENSITIVITY) * len(positives)))
    # Rounded down: rounding up would miss the very case that the threshold was set by.
    return float(np.floor(positives[missed] * 1e6) / 1e6)


def region(localization: str) -> str:
    """Return the region of the body, "" where it is not recorded."""
    return next((name for name, places in REGIONS.items() if localization in places), "")


def write_manifest(out: Path, data: Path, rows: list[Row]) -> None:
    archive = (data / "images.npz").resolve()
    header = ["image_id", "lesion_id", "file", "dx", "dx_type", "sex", "age", "region"]
    with (out / "cases.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for row in rows:
            sex = "" if row["sex"] == "unknown" else row["sex"]
            file = f"{archive}#images[{row['row']}]"
            known = [row["image_id"], row["lesion_id"], file, row["dx"], row["dx_type"]]
            writer.writerow([*known, sex, row["age"], region(row["localization"])])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train the melanoma example and write its audit.")
    parser.add_argument("--data", type=Path, required=True, help="folder with images.npz and cases.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = read_rows(options.data)
    with np.load(options.data / "images.npz", allow_pickle=False) as archive:
        images = archive["images"][[int(row["row"]) for row in rows]]
    melanoma = np.array([row["dx"] == "mel" for row in rows])
    split = split_by_lesion(rows, options.seed)

    def part(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return prepared(images[split == name]), torch.from_numpy(melanoma[split == name]).float()

    model = fit(*part("train"), epochs=options.epochs, seed=options.seed)
    held_images, held_labels = part("validation")
    calibrate(model, answers(model, held_images), held_labels)
    probabilities = torch.sigmoid(answers(model, held_images)).double().numpy()
    threshold = operating_point(probabilities, held_labels.bool().numpy())

    options.out.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), options.out / "skin_lesions.safetensors")
    write_manifest(options.out, options.data, [row for row, name in zip(rows, split, strict=True) if name == "audit"])
    text = (HERE / "audit.template.toml").read_text(encoding="utf-8")
    (options.out / "audit.toml").write_text(text.replace("@operating_point@", f"{threshold:.6f}"), encoding="utf-8")
    for name in ("nets.py", "policy.toml"):
        shutil.copyfile(HERE / name, options.out / name)
    print(f"operating point {threshold:.6f}; next: audit run {options.out / 'audit.toml'}")


if __name__ == "__main__":
    main()
