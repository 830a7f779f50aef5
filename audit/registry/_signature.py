"""Whether a webhook is MLflow's: HMAC-SHA256 over delivery id, time stamp and body, as MLflow signs from 3.3 on."""

from __future__ import annotations

import base64
import hashlib
import hmac

SIGNATURE, TIMESTAMP, DELIVERY = "X-MLflow-Signature", "X-MLflow-Timestamp", "X-MLflow-Delivery-Id"
WINDOW = 300
_VERSION = "v1"
_LONGEST = 200


def sign(secret: bytes, delivery: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a delivery: "v1," and the base64 of the code.

    Args:
        secret: Shared with MLflow.
        delivery: Id of the delivery.
        timestamp: Seconds since 1970, as text.
        body: The bytes that were sent.
    """
    code = hmac.new(secret, f"{delivery}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"{_VERSION},{base64.b64encode(code).decode()}"


def is_signed(secret: bytes, delivery: str, timestamp: str, body: bytes, signature: str) -> bool:
    """Tell whether a signature is right; takes as long for a wrong one as for a right one."""
    return hmac.compare_digest(sign(secret, delivery, timestamp, body).encode(), signature.encode())


def is_recent(timestamp: str, now: float) -> bool:
    """Tell whether a time stamp is at most five minutes from now, either way."""
    return timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 15 and abs(now - int(timestamp)) <= WINDOW


def is_id(delivery: str) -> bool:
    """Tell whether a delivery id can be kept; one with a point could be split from the time in two ways."""
    return 0 < len(delivery) <= _LONGEST and delivery.isascii() and delivery.isprintable() and "." not in delivery
