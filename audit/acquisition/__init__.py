"""Physical changes of an image: draw the parameters, then apply them.

A knob draws parameters in physical units for one image (`Knob.sample`), `apply` makes the image that the changed
acquisition would have stored. The parameters are plain values and can be kept and replayed.
"""

from audit.acquisition._catalogue import KNOBS, knobs_of
from audit.acquisition._change import STAGES, Change, Knob, Parameters, apply
from audit.acquisition._frame import Frame, ImageSpec, describe, field_of, frame_of
from audit.acquisition._mr_physics import spin_echo, t1_ms

__all__ = [
    "KNOBS", "STAGES", "Change", "Frame", "ImageSpec", "Knob", "Parameters", "apply", "describe", "field_of",
    "frame_of", "knobs_of", "spin_echo", "t1_ms",
]  # fmt: skip
