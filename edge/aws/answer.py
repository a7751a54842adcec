"""A distribution as CloudFront answers, and the parts that botocore does not know.

botocore leaves out of an answer what its model of the API has no name for. It writes
with the same model, and UpdateDistribution replaces the whole configuration: what was
left out would be taken off the distribution. So the XML that arrived is compared with
what would be written back.
"""

from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, fromstring

from ..errors import AwsTrouble

# After every answer, with its bytes.
_ARRIVED = "response-received.cloudfront.GetDistribution"

_CONFIG = "DistributionConfig"


class Answer(NamedTuple):
    distribution: dict[str, Any]
    etag: str
    unknown: tuple[str, ...] | None
    """What writing it back would lose, by its place in the configuration:
    `Origins.api.CustomOriginConfig.OriginMtlsConfig`. None: nobody can tell, because
    botocore has not shown what arrived."""


def get_distribution(client: Any, id_: str) -> Answer:
    """Through boto3's client. Raises AwsTrouble if there is no such distribution."""
    arrived: list[bytes] = []

    def keep(response_dict: dict[str, Any] | None, **_: Any) -> None:
        if response_dict is not None:
            arrived.append(response_dict["body"])

    client.meta.events.register(_ARRIVED, keep)
    try:
        answer = client.get_distribution(Id=id_)
    except client.exceptions.NoSuchDistribution as missing:
        raise AwsTrouble(
            f"there is no distribution {id_} in this account."
            " Is --distribution-id right, and the profile?"
        ) from missing
    finally:
        client.meta.events.unregister(_ARRIVED, keep)
    found = answer["Distribution"]
    unknown = _unknown(client, found[_CONFIG], arrived[-1]) if arrived else None
    return Answer(found, answer.get("ETag", ""), unknown)


def _unknown(client: Any, config: dict[str, Any], arrived: bytes) -> tuple[str, ...]:
    whole = fromstring(arrived)  # noqa: S314 - as above
    before = next(each for each in whole if _tag(each) == _CONFIG)
    after = fromstring(_written(client, config))  # noqa: S314 - botocore wrote it
    return tuple(dict.fromkeys(_lost(before, after, ())))


def _written(client: Any, config: dict[str, Any]) -> bytes:
    """The body of an UpdateDistribution that changes nothing."""
    model = client.meta.service_model
    serializer = import_module("botocore.serialize").create_serializer(model.protocol)
    request = serializer.serialize_to_request(
        {"Id": "ID", "IfMatch": "ETAG", _CONFIG: config},
        model.operation_model("UpdateDistribution"),
    )
    body: bytes = request["body"]
    return body


def _lost(before: Element, after: Element, place: tuple[str, ...]) -> Iterator[str]:
    """Lists keep their order, and members of a structure have none."""
    if before.attrib != after.attrib or _value(before) != _value(after):
        yield ".".join(place) or _CONFIG
    left = defaultdict(list)
    for each in after:
        left[_tag(each)].append(each)
    for each in before:
        inner = (*place, *_name(each))
        same = left[_tag(each)]
        if same:
            yield from _lost(each, same.pop(0), inner)
        else:
            yield ".".join(inner)


def _name(element: Element) -> tuple[str, ...]:
    """An origin by its id, a behaviour by its pattern. `Items` says nothing."""
    for child in element:
        if _tag(child) in ("Id", "PathPattern") and child.text:
            return (child.text,)
    return () if _tag(element) == "Items" else (_tag(element),)


def _value(element: Element) -> str:
    """Of an element with others in it, white space says nothing."""
    return "" if len(element) else (element.text or "").strip()


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]
