"""How long severity curves take, as a ratio to the bare forward passes that they ask for.

    python benchmarks/acquisition.py [--cases 64] [--repeats 3]

Two models answer the same planes of the MR phantom: ResNet-18 with random weights at 224 x 224, and the demo's network
at 96 x 96. Both sides use one thread for the network. Beside the time on the clock stands that of all processors, which
other work on the machine does not lengthen; the next acquisition is made beside the answers, so the clock is
the shorter one where a second processor is free.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from audit.core import BUDGETS, Envelope, KnobRange, ModelSpec, ProbeContext
from audit.models import from_module
from audit.probes.shift._severities import knobs_asked, severities
from audit.probes.shift._simulated import simulate
from audit.testing import ArrayImages, context, scene, small_cohort

RANGES = {
    "mr_noise": (0.0, 0.05), "mr_bias": (0.0, 0.3), "mr_contrast": (-0.2, 0.2), "mr_gain": (-0.2, 0.2),
    "mr_resolution": (0.0, 0.3), "mr_motion": (0.0, 2.0), "mr_ghost": (0.0, 0.2),
}  # fmt: skip


def resnet():
    from torchvision.models import resnet18

    net = resnet18(weights=None, num_classes=1)
    import torch

    net.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    return net.eval()


def demo_net():
    from audit.reference import lesion_net

    return lesion_net().eval()


def made(net, size: int, cases: int) -> ProbeContext:
    planes = np.stack([scene("mr", size=size, seed=i).image for i in range(cases)])
    spec = ModelSpec(
        kind="torch", task="binary", output="logits", path="none", factory="none:none", classes=("a", "b"),
        input=replace(scene("mr", size=size).input, range=(0.0, 4095.0)),
    )  # fmt: skip
    model = from_module(net, spec, notes=(), phantom=True)
    cohort = small_cohort(np.arange(cases) % 2, images=ArrayImages(array=planes))
    ranges = {k: KnobRange(low=a, high=b, source="benchmark") for k, (a, b) in RANGES.items()}
    budget = replace(BUDGETS["standard"], severity_cases=None)
    return context(model, cohort, envelope=Envelope(knobs=ranges, tolerated_drop=0.05), budget=budget)


def measured(ctx: ProbeContext) -> tuple[np.ndarray, np.ndarray, int]:
    from audit.acquisition import describe, frame_of

    images = np.stack([ctx.cohort.images.load(i) for i in range(len(ctx.cohort))])
    spec = describe(images[0], frame_of(ctx.card.input), noise=False)
    knobs, _ = knobs_asked(ctx, spec)
    tried = [t for k in knobs for t in severities(k, ctx.envelope.knobs[k.name], brief=False)]
    size = ctx.budget.batch_size
    ctx.model.predict(images[:size])
    began = np.array([time.perf_counter(), time.process_time()])
    simulate(ctx, np.arange(len(images)), tried)
    middle = np.array([time.perf_counter(), time.process_time()])
    for _ in tried:
        for i in range(0, len(images), size):
            ctx.model.predict(images[i : i + size])
    return middle - began, np.array([time.perf_counter(), time.process_time()]) - middle, len(tried)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    for name, net, size in (("ResNet-18, 224 x 224", resnet(), 224), ("demo's network, 96 x 96", demo_net(), 96)):
        ctx = made(net, size, asked.cases)
        rows = [measured(ctx) for _ in range(asked.repeats)]
        ratios = np.median([whole / bare for whole, bare, _ in rows], axis=0)
        bare = min(b[1] for _, b, _ in rows) / (rows[0][2] * asked.cases) * 1000
        print(
            f"{name}: {rows[0][2]} acquisitions of {asked.cases} cases, {bare:.2f} ms of a processor a bare answer, "
            f"ratio {ratios[0]:.2f} by the clock, {ratios[1]:.2f} by the processors (median of {asked.repeats})",
            flush=True,
        )


if __name__ == "__main__":
    main()
