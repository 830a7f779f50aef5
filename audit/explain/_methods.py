"""The names of the attribution methods, and which of them a model allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.core import Access, ModelCard, Profile

SALIENCY, INPUT_X_GRADIENT = "saliency", "input_x_gradient"
INTEGRATED_GRADIENTS, INTEGRATED_GRADIENTS_ABSOLUTE = "integrated_gradients", "integrated_gradients_absolute"
GRADIENT_SHAP, DEEP_LIFT, GUIDED_BACKPROP = "gradient_shap", "deep_lift", "guided_backprop"
GRAD_CAM, GRAD_CAM_SIGNED = "grad_cam", "grad_cam_signed"
OCCLUSION, RISE, OWN_MAP = "occlusion", "rise", "own_map"

BY_GRADIENT = (
    INTEGRATED_GRADIENTS, INTEGRATED_GRADIENTS_ABSOLUTE, INPUT_X_GRADIENT, SALIENCY, GRADIENT_SHAP,
)  # fmt: skip
"""Need nothing but the gradient of the output: no hook touches a layer."""
BY_HOOK = (DEEP_LIFT, GUIDED_BACKPROP, GRAD_CAM, GRAD_CAM_SIGNED)
"""Look into the network's layers."""
AT_THE_IMAGE = (INPUT_X_GRADIENT, SALIENCY, GUIDED_BACKPROP, GRAD_CAM, GRAD_CAM_SIGNED)
"""Look at the gradient at the image alone, and at no path that leads to it."""
BY_QUERY = (OCCLUSION, RISE)
"""Need answers only."""
METHODS: tuple[str, ...] = (*BY_GRADIENT, *BY_HOOK, *BY_QUERY, OWN_MAP)
"""All methods; the first one is the headline."""

DEFAULTS: dict[Profile, tuple[str, ...]] = {
    "smoke": (INTEGRATED_GRADIENTS, SALIENCY, GRAD_CAM),
    "standard": (
        INTEGRATED_GRADIENTS, INTEGRATED_GRADIENTS_ABSOLUTE, INPUT_X_GRADIENT, SALIENCY, DEEP_LIFT, GUIDED_BACKPROP,
        GRAD_CAM,
    ),
    "full": METHODS,
}  # fmt: skip
"""Which methods a profile looks at where `[audit.explain] methods` names none; a model that can only be asked has
occlusion and RISE in every profile, and a model's own map is always among them where it gives one."""


def methods_for(model: Any, card: ModelCard, layer: str | None = None, *, own: Any = None) -> tuple[str, ...]:
    """Return the methods that a model and the access to it allow, in the order of `METHODS`.

    A method that is named here can still be refused when it is run, for a reason that only shows then: see
    `attribute`.

    Args:
        model: The model.
        card: Its card, which says how deep it may be probed.
        layer: Declared layer for Grad-CAM.
        own: The model's own maps, see `audit.explain.OwnMap`; None: looked for on the module.
    """
    from audit.explain._own import own_map_of

    del layer
    if card.access < Access.QUERY:
        return ()
    allowed = set(BY_QUERY)
    if card.access >= Access.GRADIENT:
        allowed |= {*BY_GRADIENT, *BY_HOOK}
    if own is not None or own_map_of(model) is not None:
        allowed.add(OWN_MAP)
    return tuple(name for name in METHODS if name in allowed)


def chosen(allowed: Sequence[str], profile: Profile, asked: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the methods that a run looks at, in the order of `METHODS`.

    Args:
        allowed: What the model allows.
        profile: The run's profile.
        asked: `[audit.explain] methods`; empty: the profile's defaults, or what can be had by asking. A model's own
            map is looked at whatever is named here.
    """
    # Users are shown that map: a list of methods must be no way to leave it out of the audit.
    wanted = {*(asked or DEFAULTS[profile]), OWN_MAP}
    found = tuple(name for name in allowed if name in wanted)
    without = not (set(allowed) & set(BY_GRADIENT))
    return tuple(n for n in allowed if n in (*BY_QUERY, *found)) if without and not asked else found
