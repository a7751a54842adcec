"""The ARN of a function or of one of its versions, taken apart."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arn:
    """arn:aws:lambda:us-east-1:111122223333:function:name:7"""

    region: str
    name: str
    version: str | None


def parse_arn(text: str) -> Arn:
    parts = text.split(":")
    if len(parts) < 7 or parts[2] != "lambda":
        return Arn(region="", name=text, version=None)
    return Arn(parts[3], parts[6], parts[7] if len(parts) > 7 else None)
