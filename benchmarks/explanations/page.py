"""The page of the results: every figure in it comes from them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.explanations.tasks import KINDS

GOALS = {
    ("deletion", "ours, fp32"): ("at most 0.6 of the limit", lambda limit, _: limit <= 0.6),
    ("deletion", "ours, bf16 screening"): ("3 times as fast as Quantus", lambda _, peer: peer >= 3),
    ("road", "ours, fp32"): (
        "at most 3 times the limit, and 3 times as fast as Quantus", lambda limit, peer: limit <= 3 and peer >= 3,
    ),
    ("randomisation", "ours, fp32"): ("at most 1.05 of the limit", lambda limit, _: limit <= 1.05),
}  # fmt: skip
TITLES = {
    "deletion": "Deletion, 32 steps", "road": "ROAD, 5 shares",
    "randomisation": "Randomisation of every layer, saliency, rank correlation",
}  # fmt: skip
SAME = 1e-4


def written(found: dict[str, Any]) -> str:
    """Return the page."""
    return "\n".join([*_head(found), *_speed(found), *_parity(found), *_maps(found), *_memory(found)]) + "\n"


def _head(found: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    accuracy = ", ".join(f"{KINDS[n].title} {p['accuracy']:.2f}" for n, p in found["prepared"].items())
    return [
        "# Explanations against other programs",
        "",
        "Written by `make bench-explanations`: every figure was measured by that command on one machine "
        f"({found['cores']} cores, no GPU), one job of one thread at a time, {found['seconds'] / 60:.0f} minutes in "
        f"all{found.get('pieces', '')}, "
        f"{found['rounds']} rounds. The machine's load over the last quarter of an hour was {found['load']:.1f}: above "
        f"{found['cores']}, other work took part of the cores. Ratios carry over to other machines, times do not, "
        f"and on "
        "another processor bfloat16 may bring nothing"
        + ("." if found["bfloat16"] else "; this one does not compute in it itself."),
        "",
        f"Versions: {versions}, Python {found['python']}; the explanations as of commit {found['commit']}. Quantus "
        f"calls "
        "`numpy.trapz`, which numpy 2.4 no longer has; it was given back to it.",
        "",
        "Simulated images, an organ in noise with or without a lesion; networks of two logits trained on them for "
        f"seconds, right on new images in a share of: {accuracy}. The order of the pixels is drawn, and the same for "
        "both sides.",
        "",
    ]


def _speed(found: dict[str, Any]) -> list[str]:
    lines = [
        "## Speed", "",
        "The limit is as many plain eager float32 forward passes of the same network (for randomisation: gradients) as "
        "the metric asks for, in batches of as many images, timed before and after it in the same "
        "process. Seconds are those of the "
        "processor, on "
        "one thread. Medians over rounds, in brackets the "
        "least "
        "and the largest. `fp32` is what is reported: batch normalisation folded into convolutions, weights channels "
        "last, where the answers agree with the network's; `bf16 screening` computes in bfloat16, and no number "
        "that is "
        "reported comes from it.", "",
        "| metric | network | engine | of the limit | times as fast as Quantus | goal | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    rows = [
        _row(metric, name, engine, rounds)
        for metric, networks in found["timings"].items() for name, rounds in networks.items() for engine in rounds[0]
    ]  # fmt: skip
    return [*lines, *rows, ""]


def _row(metric: str, name: str, engine: str, rounds: Sequence[dict[str, Any]]) -> str:
    start = f"| {TITLES[metric]} | {KINDS[name].title} | {engine} |"
    errors = [r[engine]["error"] for r in rounds if "error" in r[engine]]
    if errors:
        return f"{start} lost: {_plain(errors[0])} | | | |"
    limits = [r[engine]["seconds"] / r[engine]["limit"] for r in rounds]
    peers = [
        r["Quantus"]["seconds"] / r[engine]["seconds"] * _work(r, engine) for r in rounds if "error" not in r["Quantus"]
    ]
    goal, meets = GOALS.get((metric, engine), ("", None))
    faster = _spread(peers) if peers and engine != "Quantus" else ""
    reached = "" if meets is None else "reached" if meets(median(limits), median(peers or [0.0])) else "missed"
    return f"{start} {_spread(limits)} | {faster} | {goal} | {reached} |"


def _work(one: dict[str, Any], engine: str) -> float:
    """Return by how much more a side was asked for, where the two count layers in their own way."""
    mine, theirs = one[engine].get("layers"), one["Quantus"].get("layers")
    return 1.0 if mine is None or theirs is None else (mine + 1) / (theirs + 1)


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def _parity(found: dict[str, Any]) -> list[str]:
    same = found["parity"]
    rows = [
        ("pixel flipping with the darkest value, each step", n, d["black"], d.get("error")) for n, d in
        same["deletion"].items()
    ]  # fmt: skip
    imputed = same["imputation"]
    return [
        "## Where the definitions are the same", "",
        f"Largest absolute distance; the goal is {SAME:g}.", "",
        "| number | network | distance | |", "| --- | --- | --- | --- |",
        *[f"| {what} | {KINDS[n].title} | {_number(v, e)} | {_agree(v, e)} |" for what, n, v, e in rows],
        f"| linear imputation without noise, solved strictly | {KINDS['cnn2'].title} | {_number(imputed['strict'])} | "
        f"{_agree(imputed['strict'])} |",
        f"| rank correlation | {KINDS['cnn2'].title} | {_number(same['similarity']['spearman'])} | "
        f"{_agree(same['similarity']['spearman'])} |",
        "", "## Where they are not, and why", "",
        f"- ROAD solves its linear system to a thousandth of a standard deviation here, and to the end in Quantus: the "
        f"imputed images differ by up to {_number(imputed['used'])} at a standard deviation of "
        f"{imputed['spread']:.2f}, "
        "far below the noise that is put on them (0.01 of it). Quantus reports how often the decision stays; here the "
        "probability of the decision is followed, and the area is held against controls.",
        _road(same["road"]),
        f"- The fill \"mean\" of pixel flipping: Quantus takes the mean of the image that is half flipped already. Its "
        f"curve is {_number(same['mean_fill']['anew'])} from one whose mean is taken anew at each step, and "
        f"{_number(same['mean_fill']['once'])} from one with the mean of the image. Here the image's own mean is "
        f"put in, "
        "so that a pixel's replacement does not hang on the order in which others were replaced.",
        "- Curves here include the image itself and the image of which all is removed; Quantus begins after the first "
        "step and has steps of one size, here they are closer together where small lesions lie.",
        "- Randomisation: Quantus draws a layer's weights by its `reset_parameters` and keeps one seed; here "
        "convolutions "
        "and linear layers are drawn by a stated rule from the run's generator, norms lose what they learnt, and "
        "similarity is held against that of maps which share nothing.",
        "", "What folding and bfloat16 change in the deletion curves, largest distance from the eager float32 network:",
        "", "| network | fp32, a point | bf16, a point | bf16, an area | bf16, rank correlation of areas |",
        "| --- | --- | --- | --- | --- |",
        *[
            f"| {KINDS[n].title} | {_number(d['fold_curve'])} | {_number(d['bf16_curve'])} | "
            f"{_number(d['bf16_area'])} | "
            f"{d['bf16_rank']:.4f} |"
            for n, d in same["deletion"].items()
        ],
        "",
    ]  # fmt: skip


def _road(road: dict[str, Any]) -> str:
    said = []
    for name, one in road.items():
        if one["peers"] is None:
            said.append(f"{KINDS[name].title}: Quantus is lost there ({_plain(one['error'] or 'no answer')})")
        elif one["ours"] is not None:
            apart = max(abs(a - b) for a, b in zip(one["ours"], one["peers"], strict=True))
            said.append(f"{KINDS[name].title}: shares of decisions that stay differ by up to {apart:.2f} of 16 images")
    return f"- {'; '.join(said)}. Noise is drawn anew on each side."


def _maps(found: dict[str, Any]) -> list[str]:
    lines = [
        "## Maps", "",
        "Ours go through captum, too: on a copy of the network whose layers are split into their uses. Largest "
        "distance "
        "from captum on the network as it is, relative to the largest value of the map.", "",
        "| network | method | distance | times as long as captum alone | |", "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for name, one in found["parity"]["attributions"].items():
        for method, apart in one["apart"].items():
            factor = one["ours"]["seconds"][method] / one["peers"]["seconds"][method]
            note = ""
            if apart > SAME and method == "deep_lift":
                ours, theirs = (one[side]["completeness"].get(method, float("nan")) for side in ("ours", "peers"))
                note = (
                    f"captum's map misses the change of the output that it must add up to by {theirs:.1%} in the "
                    f"median, "
                    f"ours by {ours:.2%}"
                )
            elif apart > SAME and method == "integrated_gradients":
                ours, theirs = (one[side]["completeness"].get(method, float("nan")) for side in ("ours", "peers"))
                note = (
                    f"ours takes more than 32 points where the sum misses the change of the output: by {ours:.1%} in "
                    f"the median, captum's by {theirs:.1%}"
                )
            elif apart > SAME:
                note = "differs"
            lines.append(f"| {KINDS[name].title} | {method} | {_number(apart)} | {factor:.1f} | {note} |")
        for method, reason in one["ours"].get("refused", {}).items():
            lines.append(f"| {KINDS[name].title} | {method} | refused | | {_plain(reason)} |")
        for method, reason in one["peers"].get("errors", {}).items():
            lines.append(f"| {KINDS[name].title} | {method} | captum is lost | | {_plain(reason)} |")
    return [
        *lines, "",
        "DeepLIFT in captum hooks tensors. Where a pool directly follows a ReLU both hook the same one, and the "
        "ReLU is "
        "told the gradient before the pool has changed it, so the map does not add up; "
        "and where the windows of a pool overlap, unpooling keeps one share of several. Here every layer has an "
        "input of "
        "its own, and a map that does not add up is refused. What ours takes longer is the checks: finite differences "
        "and a second way of computing the map, on the first batch of a probe.", "",
    ]  # fmt: skip


def _memory(found: dict[str, Any]) -> list[str]:
    if not found["memory"]:
        return []
    lines = [
        "## Memory", "",
        "Integrated gradients, saliency, DeepLIFT, guided backpropagation and Grad-CAM of volumes, each in a "
        "process of "
        "its own, libraries included.", "", "| volumes | largest resident size | goal | |", "| --- | --- | --- | --- |",
    ]  # fmt: skip
    for name, one in found["memory"].items():
        if "error" in one:
            lines.append(f"| {name} | lost: {_plain(one['error'])} | | |")
            continue
        held = "reached" if one["held"] else "missed"
        lines.append(f"| {name} | {one['mb']:.0f} MB | {one['limit_mb']:.0f} MB | {held} |")
    return [*lines, ""]


def _number(value: float | None, error: str | None = None) -> str:
    return f"lost: {_plain(error or 'no answer')}" if value is None else f"{value:.1e}"


def _agree(value: float | None, error: str | None = None) -> str:
    return "" if value is None or error else "the same" if value <= SAME else "not the same"


def _plain(text: str) -> str:
    """Return a message without paths of the machine, fit for a cell."""
    return re.sub(r"/\S+/", "", text).replace("|", "/").replace("\n", " ")[:140]
