"""What a page needs to know of a file to hold it: its bytes as a URL, and how large a picture is."""

import base64
import struct

_PNG = b"\x89PNG\r\n\x1a\n"

HEAD = 24
"""How many bytes of a picture tell its size."""


def url(data: bytes, kind: str) -> str:
    """`data` as a URL, given its media type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def pixels(data: bytes) -> tuple[int, int] | None:
    """The width and height of a PNG, from its head; None for what is none."""
    if not data.startswith(_PNG) or len(data) < HEAD:
        return None
    width, height = struct.unpack(">II", data[16:HEAD])
    return width, height
