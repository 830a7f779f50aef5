"""Execution: a plan of tasks, who does them, what is kept; clean predictions once, then probes in isolation."""

from audit.execution._crew import Crew, Executor, InProcess
from audit.execution._drive import ProbeRuns, Tally, asked_of, states_seen
from audit.execution._forecast import Forecast, forecast_run
from audit.execution._guard import Guard
from audit.execution._keys import Basis, answers_basis, mark_or_once, probes_basis
from audit.execution._log import RunLog
from audit.execution._marks import known_by_digest
from audit.execution._pool import Processes, lost
from audit.execution._predict import NO_NUMBER, OUTSIDE, SEGMENTATION_COLUMNS, Ask, Clean, clean_predictions
from audit.execution._progress import Progress, Silent
from audit.execution._ray import RayExecutor
from audit.execution._runner import Ran, Setting, order, probe_seed, redact, run_probe, why_not_applicable
from audit.execution._shards import Answers, out_of_memory, shard_size
from audit.execution._storage_files import StorageFiles
from audit.execution._store import Files, FolderFiles, Kept, Store
from audit.execution._tasks import Done, Task
from audit.execution._units import Passes, Plan, Unit, inputs_of, make_plan
from audit.execution._workshop import PREDICTIONS, Workshop
from audit.execution.foreseen import (
    unattainable,
    unattainable_by_rule,
    undeclared_acquisitions,
    warnings_before,
)

__all__ = [
    "NO_NUMBER", "OUTSIDE", "PREDICTIONS", "SEGMENTATION_COLUMNS", "Answers", "Ask", "Basis", "Clean", "Crew", "Done",
    "Executor", "Files", "FolderFiles", "Forecast", "Guard", "InProcess", "Kept", "Passes", "Plan", "ProbeRuns",
    "Processes", "Progress", "Ran", "RayExecutor", "RunLog", "Setting", "Silent", "StorageFiles", "Store", "Tally",
    "Task", "Unit", "Workshop", "answers_basis", "asked_of", "clean_predictions", "forecast_run", "inputs_of",
    "known_by_digest", "lost", "make_plan", "mark_or_once", "order", "out_of_memory", "probe_seed", "probes_basis",
    "redact", "run_probe", "shard_size", "states_seen", "unattainable", "unattainable_by_rule",
    "undeclared_acquisitions", "warnings_before", "why_not_applicable",
]  # fmt: skip
