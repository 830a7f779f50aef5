"""The envelope of a time stamp, in DER: as much of it as it takes to put its certificates in order."""

from __future__ import annotations

_SEQUENCE, _FIRST = 0x30, 0xA0


def as_response(token: bytes) -> bytes:
    """Return the response that an authority would have sent with a token."""
    return _value(_SEQUENCE, b"\x30\x03\x02\x01\x00" + token)


def in_order(response: bytes) -> bytes:
    """Return a response with its certificates in the order that DER asks for.

    Some authorities leave them in the order of their chain. They are a set, and no signature covers its order.

    Args:
        response: A response with a token.

    Raises:
        ValueError: It is none, or not in definite lengths.
    """
    status, token = _parts(_only(response, _SEQUENCE))
    kind, content = _parts(_only(token, _SEQUENCE))
    signed = _parts(_only(_only(content, _FIRST), _SEQUENCE))
    # The certificates are the part with the first tag of its own.
    signed = [_value(_FIRST, b"".join(sorted(_parts(_only(p, _FIRST))))) if p[0] == _FIRST else p for p in signed]
    inner = _value(_FIRST, _value(_SEQUENCE, b"".join(signed)))
    return _value(_SEQUENCE, status + _value(_SEQUENCE, kind + inner))


def _value(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _only(data: bytes, tag: int) -> bytes:
    """Return the content of the one value that data is."""
    start, end = _span(data, 0)
    if data[0] != tag or end != len(data):
        raise ValueError("another value than was expected")
    return data[start:end]


def _parts(content: bytes) -> list[bytes]:
    """Return the values that stand one behind the other."""
    found, at = [], 0
    while at < len(content):
        _, end = _span(content, at)
        found.append(content[at:end])
        at = end
    return found


def _span(data: bytes, at: int) -> tuple[int, int]:
    """Return where the content of a value begins and ends."""
    if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
        raise ValueError("no value of a known kind")
    first, start = data[at + 1], at + 2
    if first < 128:
        size = first
    elif 0 < (wide := first & 0x7F) <= 4:
        size, start = int.from_bytes(data[start : start + wide], "big"), start + wide
    else:
        raise ValueError("no definite length")
    if start + size > len(data):
        raise ValueError("it ends too early")
    return start, start + size
