"""What an app asks for in one request: `POST /thumbnails`, and a body that names some of them.

    {"thumbnails": ["AWpK-8fd....jpg", "https://thumbs.example.com/ASso1ywx...@2x.jpg"], "seconds": 2}

A body that is not in this form is told what is wrong with it.
"""

import json
import math
from dataclasses import dataclass
from typing import Self

from shrinkmeister.exceptions import BatchError, BatchTooLargeError
from shrinkmeister.protocol.encryption import MAX_LENGTH


def max_body(most: int) -> int:
    """Return the bytes that the body for so many thumbnails may have."""
    # A URL is a token, and before that not much.
    return 2 * MAX_LENGTH * most + 1000


@dataclass(frozen=True)
class Batch:
    """texts    each a URL of this server, what stands behind its slash, or a token
    seconds  after which no thumbnail is begun that has still to be made
    """

    texts: tuple[str, ...]
    seconds: float

    @classmethod
    def parse(cls, body: bytes, most: int, seconds: float) -> Self:
        """most: thumbnails; seconds: at most, and where the body says nothing. Raises BatchError."""
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BatchError("The body is not JSON.") from error
        texts = fields.get("thumbnails") if isinstance(fields, dict) else None
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            raise BatchError('The body is not {"thumbnails": ["<token>.jpg", ...]}.')
        if len(texts) > most:
            raise BatchTooLargeError(
                f"The body asks for {len(texts)} thumbnails; this server answers for {most} at once."
            )
        given = fields.get("seconds", seconds)
        if type(given) not in (int, float) or not 0 <= given < math.inf:
            raise BatchError('"seconds" of the body is not a number, 0 at least.')
        return cls(tuple(texts), min(given, seconds))
