"""HTTP/2 written frame by frame (RFC 9113), for what no client library would send."""

from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 0, 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4
CANCEL: Final = (8).to_bytes(4)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Return one frame (section 4.1)."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def head(path: str) -> bytes:
    """Return the header block of a POST."""
    fields = {
        b":method": b"POST",
        b":scheme": b"http",
        b":authority": b"x",
        b":path": path.encode(),
    }
    return b"".join(field(*pair) for pair in fields.items())


def field(name: bytes, value: bytes) -> bytes:
    """Return one header field, literal and not indexed (RFC 7541 section 6.2.2)."""
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value
