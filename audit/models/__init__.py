"""Models under audit: one file a kind, each with its preprocessing inside and a digest over all of it."""

from audit.models._bfloat16 import bfloat16_allowed, cpu_has_bfloat16
from audit.models._callable import CallableModel, from_callable
from audit.models._fast import bfloat16_pays, fast_copy, fast_predict, folded, has_convolutions
from audit.models._flavour import Flavour, flavour_of, load_flavour, refusal
from audit.models._held import held_copy
from audit.models._limited import in_parts, limited
from audit.models._load import load_model
from audit.models._network import TorchModel, from_module
from audit.models._objects import load_monitor, named_function
from audit.models._predictions import SavedPredictions
from audit.models._registered import Registered, RegistryError, client, fetch, parse_uri, registry_errors, resolve
from audit.models._scripts import sendable_scripts
from audit.models._threads import fitting_threads
from audit.models._training import load_training, make_training

__all__ = [
    "CallableModel", "Flavour", "Registered", "RegistryError", "SavedPredictions", "TorchModel", "bfloat16_allowed",
    "bfloat16_pays", "client", "cpu_has_bfloat16", "fast_copy", "fast_predict", "fetch", "fitting_threads",
    "flavour_of", "folded", "from_callable", "from_module", "has_convolutions", "held_copy", "in_parts", "limited",
    "load_flavour", "load_model", "load_monitor", "load_training", "make_training", "named_function", "parse_uri",
    "refusal", "registry_errors", "resolve", "sendable_scripts",
]  # fmt: skip
