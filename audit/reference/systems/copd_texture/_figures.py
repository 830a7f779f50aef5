"""Figures of a trained texture classifier on patients it never saw, beside those of densitometry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from audit.core import Estimate, Levels
from audit.reference._system import Figure
from audit.reference.phantoms import RESCAN, SCAN, SHALLOW
from audit.reference.systems.copd_texture._cohorts import HORIZON, Scanned, followed
from audit.reference.systems.copd_texture.nets import risk_net, texture_net

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVELS = Levels()
RESAMPLES = 1000
_BATCH = 32


def answers(tensors: Mapping[str, NDArray[Any]], regions: NDArray[np.int16], *, risk: bool = False) -> Floats:
    """Return what the network says of scans.

    Args:
        tensors: Its buffers.
        regions: (m, regions, z, y, x) HU.
        risk: Ask for probabilities instead of logits.

    Returns:
        (m,) logits, or probabilities.
    """
    import torch

    net = risk_net() if risk else texture_net()
    net.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in tensors.items()})
    net = net.float().eval()
    with torch.inference_mode():
        parts = [
            net(torch.from_numpy(regions[i : i + _BATCH].astype(np.float32)))[:, 0].double()
            for i in range(0, len(regions), _BATCH)
        ]
        return np.asarray(torch.cat(parts).numpy())


def figure(name: str, found: Estimate, method: str = "") -> Figure:
    """Return an estimate as a figure."""
    low, high = found.bounds(LEVELS.pointwise) or (None, None)
    return Figure(
        name=name, value=found.value, low=low, high=high, n=found.n, n_patients=found.n_patients,
        method=method or found.method, missing=found.missing or "",
    )  # fmt: skip


def present(said: Floats, cases: Scanned) -> tuple[Figure, ...]:
    """Return the figures of [copd-texture].

    Args:
        said: (m,) logits of the examinations.
        cases: The examinations, some of them again and at a shallower breath.
    """
    from audit import stats

    first = cases.rows(SCAN)
    ill, who = cases.patients.copd[cases.of[first]], cases.of[first]
    dense, truth = cases.density["ra950"], cases.density["extent"]
    chance = 1 / (1 + np.exp(-said[first]))
    out = [
        figure("auc", stats.auc(said[first], ill, who, LEVELS)),
        figure("auc, RA950", stats.auc(dense[first], ill, who, LEVELS)),
        figure("auc, planted extent of emphysema", stats.auc(truth[first], ill, who, LEVELS)),
        figure("auc minus that of RA950", stats.auc_difference(said[first], dense[first], ill, who, LEVELS)),
        figure("auc, regions of the rescan", _auc_of(said, cases, RESCAN)),
        figure("auc, shallower breath", _auc_of(said, cases, SHALLOW)),
        figure("calibration slope", stats.calibration(chance, ill, who, LEVELS).slope),
    ]
    for name, values in (("", said), (", RA950", dense)):
        out.append(figure(f"icc of scan and rescan{name}", _icc(values, cases)))
        out.append(figure(f"change at 15 % less volume, in SD between patients{name}", _moved(values, cases)))
    return tuple(out)


def _auc_of(said: Floats, cases: Scanned, kind: int) -> Estimate:
    from audit.stats import auc

    rows = cases.rows(kind)
    return auc(said[rows], cases.patients.copd[cases.of[rows]], cases.of[rows], LEVELS)


def _icc(values: Floats, cases: Scanned) -> Estimate:
    """Return ICC(1,1) of scan and rescan, each at a breath of its own."""
    from audit.stats import Repeats, repeat_icc

    rows = np.concatenate([cases.rows(SCAN)[: len(cases.rows(RESCAN))], cases.rows(RESCAN)])
    repeats = Repeats(values=values[rows], sets=cases.of[rows], patients=cases.of[rows])
    return repeat_icc(repeats, LEVELS, np.random.default_rng(0), resamples=RESAMPLES)


def _moved(values: Floats, cases: Scanned) -> Estimate:
    """Return the mean change from the scan to the shallower one, in standard deviations between patients."""
    from audit.stats import mean

    shallow, scale = cases.rows(SHALLOW), values[cases.rows(SCAN)].std()
    before = values[cases.rows(SCAN)[: len(shallow)]]
    return mean((values[shallow] - before) / scale, cases.of[shallow], LEVELS)


def future(risk: Floats, cases: Scanned) -> tuple[Figure, ...]:
    """Return the figures of [future-copd].

    Args:
        risk: (m,) probabilities of COPD by the horizon.
        cases: The examinations, some of them again.
    """
    from audit.stats import auc_difference_at_horizon, calibration_at_horizon, observed_risk, ranking_at_horizon

    years, more = f"{HORIZON:g} years", {"resamples": RESAMPLES}
    first = cases.rows(SCAN)
    own, dense = followed(cases.patients, risk[first]), cases.density["ra950"]
    ranked = ranking_at_horizon(own, LEVELS, np.random.default_rng(0), **more)
    held = calibration_at_horizon(own, LEVELS, np.random.default_rng(0), **more)
    apart = auc_difference_at_horizon(own, dense[first], LEVELS, np.random.default_rng(0), **more)
    out = [
        figure(f"auc at {years}", ranked["auc_at_horizon"]), figure(f"c-index, {years}", ranked["c_index"]),
        figure(f"calibration slope at {years}", held["slope_at_horizon"]),
        figure(f"observed minus expected risk at {years}", held["observed_minus_expected"]),
        figure(f"observed risk at {years}", observed_risk(own, LEVELS, np.random.default_rng(0), **more)),
        figure(f"auc at {years} minus that of RA950", apart),
    ]  # fmt: skip
    for name, values in (("RA950", dense), ("planted extent of emphysema", cases.density["extent"])):
        theirs = followed(cases.patients, values[first])
        found = ranking_at_horizon(theirs, LEVELS, np.random.default_rng(0), **more)
        out.append(figure(f"auc at {years}, {name}", found["auc_at_horizon"]))
    out += [figure(f"icc of scan and rescan{n}", _icc(v, cases)) for n, v in (("", risk), (", RA950", dense))]
    return tuple(out)
