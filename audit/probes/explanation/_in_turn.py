"""Curves of explained cases, one batch a unit of work: each goes on from where the one before it stood."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from audit.core import Arrays, Estimate, ProbeContext
from audit.models import fast_predict
from audit.probes._images import load_images
from audit.probes._parted import alone, tell, told
from audit.probes.explanation._collect import Found, explained_batch
from audit.probes.explanation._maps import Explainer, batches

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from audit.probes.explanation._collect import Predict

    Tested = dict[tuple[str, str], Estimate]
    Test = Callable[[ProbeContext, NDArray[np.float32], NDArray[np.float64]], Tested]

_CURVE, _SUM = "curve", "sum"


@dataclass(kw_only=True, eq=False)
class Turn:
    """How far it went.

    Args:
        headline: The method that is drawn with every fill.
        tested: What the self-test gave, None before the first case that has something to explain.
        ready: Cases that were read so far.
    """

    headline: str
    tested: Tested | None = None
    ready: int = 0


def in_turn(
    ctx: ProbeContext, made: Explainer, found: Found, cases: NDArray[np.int64], ends: Sequence[int], test: Test
) -> Iterator[Turn]:
    """Explain cases batch by batch and add their curves to what was found; give how far it went after each batch.

    What a batch draws depends on what the ones before it drew, so that no two can be done at once; a run that is taken
    up again has the finished ones.

    Args:
        ctx: The probe's context.
        made: Makes the maps, and keeps which methods it refused.
        found: What was found so far.
        cases: The cases.
        ends: Numbers of cases, rising, that no batch reaches across.
        test: The self-test, on the images of the first batch.
    """
    turn, model = Turn(headline=made.methods[0]), ctx.model
    known: list[Predict] = []

    def predict() -> Predict:
        # The same for every batch: what is fast is chosen on the images of the first.
        if not known:
            known.append(fast_predict(model, load_images(ctx.cohort, found.cases[0])))
        return known[0]

    for part in batches(cases, made.batch, ends):
        ready = turn.ready + part.size
        given = alone(
            ctx, f"cases explained, up to {ready}",
            lambda rng, part=part, ready=ready: _unit(  # type: ignore[misc]
                replace(ctx, rng=rng), made, found, part, ready, turn, predict if found.cases else None, test
            ),
        )  # fmt: skip
        turn.ready = ready
        _add(made, found, turn, given)
        ctx.sink.progress(ready, cases.size)
        yield turn


def _unit(
    ctx: ProbeContext, made: Explainer, found: Found, part: NDArray[np.int64], ready: int, turn: Turn,
    predict: Callable[[], Predict] | None, test: Test,
) -> Arrays:  # fmt: skip
    """Return all that one batch adds."""
    own = replace(made, ctx=ctx, refused=dict(made.refused), completeness={})
    batch = explained_batch(ctx, own, part, ready, predict)
    if batch is None:
        return {"state": told(None)}
    headline, tested = turn.headline, None
    if turn.tested is None:
        headline = next(iter(batch.methods), headline)
        tested = test(ctx, batch.images, found.shares)
    alike = Found(shares=found.shares)
    alike.add(ctx, batch, headline)
    curves = [(*key, name) for key, of in alike.curves.items() for name in of]
    examples = {} if found.examples else alike.examples
    state = {
        "refused": own.refused, "checked": own.checked, "headline": headline, "curves": curves,
        "sums": list(own.completeness), "examples": list(examples),
        "tested": None if tested is None else [[*key, asdict(estimate)] for key, estimate in tested.items()],
    }  # fmt: skip
    return {
        "state": told(state), "cases": alike.cases[0], "names": alike.names[0], "values": alike.values[0],
        **{f"{_CURVE} {i}": alike.curves[fill, way][name][0] for i, (fill, way, name) in enumerate(curves)},
        **{f"{_SUM} {i}": errors[0] for i, errors in enumerate(own.completeness.values())},
        **{f"example {name}": shown for name, shown in examples.items()},
    }  # fmt: skip


def _add(made: Explainer, found: Found, turn: Turn, given: Arrays) -> None:
    """Add what one batch gave."""
    state = tell(given["state"])
    if state is None:
        return
    made.checked = state["checked"]
    made.refused.update(state["refused"])
    for i, name in enumerate(state["sums"]):
        made.completeness.setdefault(name, []).append(given[f"{_SUM} {i}"])
    for i, (fill, way, name) in enumerate(state["curves"]):
        found.curves.setdefault((fill, way), {}).setdefault(name, []).append(given[f"{_CURVE} {i}"])
    found.cases.append(given["cases"])
    found.names.append(given["names"])
    found.values.append(given["values"])
    found.examples = found.examples or {name: given[f"example {name}"] for name in state["examples"]}
    turn.headline = state["headline"]
    if state["tested"] is not None:
        turn.tested = {
            (way, fill): Estimate(**{**of, "curve": tuple(tuple(row) for row in of["curve"])})
            for way, fill, of in state["tested"]
        }  # fmt: skip
