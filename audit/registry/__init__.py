"""The gate on an MLflow registry: one version checked, versions watched for, webhooks served."""

from audit.registry._gate import Gate, Outcome, Refusal
from audit.registry._isolate import Limits
from audit.registry._orders import Order, order_for, read_map
from audit.registry._queue import Queue
from audit.registry._serve import HookServer
from audit.registry._tags import EVIDENCE_TAG, FILES_TAG, MODEL_TAG, REASON_TAG, RUN_TAG, TAGS, VERDICT_TAG
from audit.registry._work import Worker, only_gate

__all__ = [
    "EVIDENCE_TAG", "FILES_TAG", "MODEL_TAG", "REASON_TAG", "RUN_TAG", "TAGS", "VERDICT_TAG",
    "Gate", "HookServer", "Limits", "Order", "Outcome", "Queue", "Refusal", "Worker", "only_gate", "order_for",
    "read_map",
]  # fmt: skip
