"""Images that are read shard by shard: the same numbers whatever the shards, and each reads its own images only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from audit.core import BUDGETS, OtherSplit, Probe, ProbeContext
from audit.errors import ReadError
from audit.probes.data import BurnedInText, DeclaredFormat, NearDuplicates, PatientInTwoSplits
from audit.testing import saved_context, small_cohort
from tests.probes.data._pictures import scenes
from tests.probes.data.test_data007 import written
from tests.probes.parted import check_any_shards, check_cost_of_a_shard

PROBES: tuple[type[Probe], ...] = (PatientInTwoSplits, NearDuplicates, BurnedInText, DeclaredFormat)


@dataclass(frozen=True)
class Counted:
    """Images that know how often one was read; None cannot be read."""

    given: Sequence[Any]
    reads: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.given)

    def load(self, index: int) -> Any:
        """Return one image; see `audit.core.ImageSource`."""
        self.reads.append(index)
        if self.given[index] is None:
            raise ReadError("damaged")
        return np.asarray(self.given[index])


def mixed() -> tuple[ProbeContext, Counted, Counted]:
    """Return scenes of which some cannot be read, are flat, a volume, come twice or hold text, and another split."""
    planes = scenes(26)
    given: list[Any] = [None, *planes[:20]]
    given[3] = np.full((1, 96, 96), 7.0)
    given[5] = np.stack([planes[4, 0]] * 6)[None]
    given[7] = planes[1].copy()
    given[9] = np.flip(planes[7], axis=2).copy()
    for place in (11, 12, 18):
        given[place] = written(300 + 0.4 * planes[place, 0])[None]
    own, theirs = Counted(given), Counted([planes[25], None, planes[11], planes[24], planes[0] * 2 + 5])
    n = len(given)
    split = OtherSplit(
        name="train", case_ids=np.array([f"t{i}" for i in range(5)]), images=theirs,
        patient_ids=np.array([f"other-{i}" for i in range(5)]), dates=None,
    )  # fmt: skip
    cohort = replace(small_cohort(np.arange(n) % 2, patients=np.arange(n), others=(split,)), images=own)
    return saved_context(np.linspace(0.1, 0.9, n), cohort, budget=BUDGETS["smoke"]), own, theirs


@pytest.mark.parametrize("probe", PROBES)
def test_the_size_of_a_shard_changes_no_number(probe: type[Probe]) -> None:
    """Images one by one, as usual, or all at once: the same measurements and figures, to the bit."""
    check_any_shards(probe, lambda: mixed()[0])


@pytest.mark.parametrize("probe", PROBES)
def test_a_shard_by_itself_reads_its_own_images(probe: type[Probe]) -> None:
    """What another worker reads for one shard is that shard, and one image at most to learn how large they are."""
    ctx, own, theirs = mixed()
    check_cost_of_a_shard(probe, ctx, passes=lambda: len(own.reads) + len(theirs.reads), prologue=1)


def test_the_mixture_holds_what_it_is_made_of() -> None:
    """Two pictures come twice, one of them mirrored; one is in the other split; three hold text."""
    ctx, _, _ = mixed()
    counts = {
        (m.condition.get("stratum"), m.condition["parameter"]): m.value for m in NearDuplicates().run(ctx)
    }  # fmt: skip
    assert counts["within the cohort", "identical"] == 1
    assert counts["within the cohort", "mirrored or inverted"] == 1
    assert counts["train", "near-duplicate"] >= 1
    assert counts[None, "cannot be read"] == 2
    assert counts[None, "one value throughout"] == 1
    (faults,) = [m for m in BurnedInText().run(mixed()[0]) if m.metric == "faults"]
    assert faults.value == 3
