"""Write what the operator of a gate has: images, cases.csv, audit.toml, two policies and the map."""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path

import numpy as np

from audit.reference import demo_cohort, load_demo

HERE = Path(__file__).parent


def write(folder: Path, per_label: int = 700) -> Path:
    """Write the files into a folder and return it; the cohort is the demo's, of simulated images."""
    folder.mkdir(parents=True, exist_ok=True)
    cohort = demo_cohort(per_label=per_label)
    assert cohort.images is not None
    images = np.stack([cohort.images.load(i) for i in range(len(cohort))])
    np.savez(folder / "images.npz", x=images.astype(np.uint16))
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream)
        rows.writerow(["case", "file", "label", "sex", "protocol"])
        levels = [cohort.attributes[name].levels for name in ("sex", "protocol")]
        for i in range(len(cohort)):
            rows.writerow([cohort.case_ids[i], f"images.npz#x[{i}]", int(cohort.targets[i]), *(v[i] for v in levels)])
    card = load_demo("healthy", "smoke").model.card
    assert card.input is not None
    assert card.input.range is not None
    text = (HERE / "audit.template.toml").read_text(encoding="utf-8")
    text = text.replace("@operating_point@", repr(card.operating_point))
    text = text.replace("@brightest@", f"{card.input.range[1]:g}")
    (folder / "audit.toml").write_text(text, encoding="utf-8")
    for name in ("policy.toml", "lenient.toml", "gate.toml"):
        shutil.copyfile(HERE / name, folder / name)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    print(write(parser.parse_args().out))
