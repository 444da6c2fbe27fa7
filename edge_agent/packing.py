"""How the bodies of spool rows are kept: compressed, so that an outage of days fits the disk of a gateway. Pure."""

from __future__ import annotations

import zlib

COMPRESSED_FROM = 300
"""Least bytes of a body that is compressed; less is not worth the time."""
_COMPRESSION = 1
"""The fastest level: the best one takes twice the time for a tenth of the bytes."""
_DICTIONARY = (
    b'"IsHistorical":true,"Status":{"Code":2147483648}"SourcePicoseconds":"Value":true}"Value":false}'
    b'"MessageType":"ua-data","PublisherId":"","WriterGroupName":"gauge","Messages":[{"DataSetWriterId":1,'
    b'"WriterGroupName":"record","Messages":[{"DataSetWriterId":1,"DataSetWriterName":"","MessageType":"ua-deltaframe",'
    b'"Payload":{"":{"SourceTimestamp":"2026-01-01T00:00:00.0000000Z","Value":"1"},'
    b'".double":{"SourceTimestamp":"2026-01-01T00:00:00.0000000Z","Value":100.0}}}]}'
)
"""What every body holds, so that a small one needs not spell it. Spools were written with it: it never changes."""


def packed(body: bytes) -> tuple[bytes, int | None]:
    """Return a body as it is kept, and how large it is whole; None when it is kept whole."""
    if len(body) < COMPRESSED_FROM:
        return body, None
    packer = zlib.compressobj(_COMPRESSION, zdict=_DICTIONARY)
    return packer.compress(body) + packer.flush(), len(body)


def unpacked(body: bytes, whole: int | None) -> bytes:
    """Return a body as it is sent; one that was damaged on the disk as it is."""
    try:
        return body if whole is None else zlib.decompressobj(zdict=_DICTIONARY).decompress(body)
    except zlib.error:
        return body
