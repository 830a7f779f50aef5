"""The folder in which either twin is audited, the attacker's networks beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from audit.reference._files import read_metadata
from audit.reference._writing import fill, write_table
from audit.reference.phantoms import PairedPatches, Patches
from audit.reference.systems.adversarial_transfer._learning import AUDIT, SEQUENCE, Settings

PATIENTS = {"smoke": 300, "standard": 1000, "full": 2000}
RELATIONS = ("same init", "other init", "other data", "other architecture")
_FACTORY = {"other architecture": "dense"}
_KINDS = ("nothing", "lesion", "lacune")
_HERE = Path(__file__).parent
_COLUMNS = (
    "case", "patient", "image", "lesions", "lacunes", "white_matter", "middle", "kind", "scanner", "sex", "age",
    "second_observer",
)  # fmt: skip
_MASKS = {"lesions": "lesions", "lacunes": "lacunes", "white_matter": "white"}


def write(name: str, folder: Path, *, weights: Path, seed: int, profile: str) -> None:
    """Write images, masks, manifest, target, surrogates, audit.toml and policy.toml.

    Args:
        name: One of the twins.
        folder: There already.
        weights: One file with the tensors of all networks, each under its name and a slash.
        seed: Of the cohort; no patient is one of the training, whatever the seed.
        profile: smoke, standard or full: how many patients.
    """
    settings = Settings()
    source = PairedPatches(PATIENTS[profile], seed=(seed, AUDIT), knobs=settings.knobs)
    _cases(folder, [source.patient(i) for i in range(len(source))])
    relations = _networks(name, folder, weights)
    (folder / "policy.toml").write_text(_policy(relations), encoding="utf-8")
    about = read_metadata(weights)
    fill(
        _HERE / "audit.toml", folder / "audit.toml", name=name, profile=profile, model_seed=about["seed"],
        operating_point=about["operating_point"], validation=about["validation_patients"],
        surrogates="".join(map(_surrogate, relations)),
    )  # fmt: skip


def _cases(folder: Path, made: list[Patches]) -> None:
    np.savez(folder / "images.npz", images=np.concatenate([m.images[:, SEQUENCE : SEQUENCE + 1] for m in made]))
    held = {key: np.concatenate([getattr(m, name) for m in made]).astype(np.uint8) for key, name in _MASKS.items()}
    np.savez(folder / "masks.npz", lesions=held["lesions"], lacunes=held["lacunes"], white_matter=held["white_matter"])
    write_table(folder / "cases.csv", _COLUMNS, map(_row, range(len(made)), made))


def _row(row: int, one: Patches) -> tuple[object, ...]:
    kind = _KINDS[one.middle[0]]
    return (
        f"patch-{row:05d}", f"patient-{row:05d}", f"images.npz#images[{row}]",
        *(f"masks.npz#{key}[{row}]" for key in _MASKS), "lesion" if kind == "lesion" else "none", kind, one.scanner,
        one.sex, one.age, "lesion" if one.second[0] else "none",
    )  # fmt: skip


def _networks(name: str, folder: Path, weights: Path) -> tuple[str, ...]:
    """Write one file a network and return what the attacker's networks share with the target."""
    from safetensors.numpy import load_file, save_file

    held = load_file(weights)
    names = {key.split("/")[0] for key in held}
    for one in names:
        file = f"{name}.safetensors" if one == "target" else f"{_file(one)}.safetensors"
        save_file({k.partition("/")[2]: v for k, v in held.items() if k.startswith(f"{one}/")}, folder / file)
    return tuple(r for r in RELATIONS if r in names)


def _policy(relations: tuple[str, ...]) -> str:
    """Return the policy without the rules on surrogates that this attacker has not."""
    parts = (_HERE / "policy.toml").read_text(encoding="utf-8").split("[[rule]]")
    lacking = [f'"transfer: {r}"' for r in RELATIONS if r not in relations]
    return "[[rule]]".join(p for p in parts if not any(words in p for words in lacking))


def _surrogate(relation: str) -> str:
    factory = f"audit.reference.systems.adversarial_transfer.nets:{_FACTORY.get(relation, 'plain')}"
    return (
        f'\n[[audit.surrogate]]\nrelation = "{relation}"\nkind = "torch"\npath = "{_file(relation)}.safetensors"\n'
        f'factory = "{factory}"\n'
    )


def _file(relation: str) -> str:
    return "attacker-" + relation.replace(" ", "-")
