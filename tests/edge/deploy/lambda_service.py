"""Lambda, as far as one function goes: states, revisions and versions."""

import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

from tests.edge.deploy.clock import Clock
from tests.edge.deploy.iam_service import IamService
from tests.edge.deploy.wire import AwsError, Parameters

ARN = "arn:aws:lambda:us-east-1:123456789012:function"
# A list of versions leaves these out.
UNLISTED = ("State", "LastUpdateStatus", "StateReason")
PAGE = 50


class LambdaService:
    """`latest` and `published` are as AWS shows them, less what passes."""

    def __init__(self, clock: Clock, iam: IamService) -> None:
        self._clock = clock
        self._iam = iam
        self._changes = 0
        self.at_work = 2.0
        """Seconds after every change."""
        self._revision = ""
        self._published_revision = ""
        self._ready_at: dict[str, float] = {}
        self.latest: Parameters | None = None
        self.published: list[Parameters] = []
        self.bundles: dict[str, bytes] = {}

    def get_function_configuration(self, **given: Any) -> Parameters:
        return self._shown(given["FunctionName"], given.get("Qualifier", "$LATEST"))

    def get_function(self, FunctionName: str, Qualifier: str) -> Parameters:  # noqa: N803 - AWS's names
        shown = self._shown(FunctionName, Qualifier)
        return {
            "Configuration": shown,
            "Code": {"Location": f"https://s3.invalid/{shown['CodeSha256']}"},
        }

    def list_versions_by_function(self, **given: Any) -> Parameters:
        self._found(given["FunctionName"], "$LATEST")
        start = int(given.get("Marker", 0))
        every = [self.latest or {}, *self.published]
        page = [
            {name: each[name] for name in each if name not in UNLISTED}
            for each in every[start : start + PAGE]
        ]
        answer: Parameters = {"Versions": page}
        if start + PAGE < len(every):
            answer["NextMarker"] = str(start + PAGE)
        return answer

    def create_function(self, **given: Any) -> Parameters:
        name = given.pop("FunctionName")
        if self.latest is not None:
            raise AwsError("ResourceConflictException", f"Function exist: {name}")
        self._check_role(given["Role"])
        self.latest = {
            "FunctionName": name,
            "FunctionArn": f"{ARN}:{name}",
            "Version": "$LATEST",
            **self._digested(given.pop("Code")["ZipFile"]),
            **given,
        }
        return self._changed()

    def update_function_code(self, **given: Any) -> Parameters:
        latest = self._changeable(given)
        latest |= self._digested(given.pop("ZipFile")) | given
        return self._changed()

    def update_function_configuration(self, **given: Any) -> Parameters:
        latest = self._changeable(given)
        if "Role" in given:
            self._check_role(given["Role"])
        latest |= given
        return self._changed()

    def publish_version(self, **given: Any) -> Parameters:
        latest = self._changeable(given)
        if self._revision != self._published_revision:
            number = str(len(self.published) + 1)
            self._ready_at[number] = self._clock.now() + self.at_work
            self._published_revision = self._revision
            self.published.append(
                latest
                | {
                    "Version": number,
                    "FunctionArn": f"{latest['FunctionArn']}:{number}",
                    "Description": given.get("Description", ""),
                }
            )
        return self._shown(latest["FunctionName"], self.published[-1]["Version"])

    def is_ours(self, arn: str) -> bool:
        return self.latest is not None and arn.startswith(self.latest["FunctionArn"])

    def version(self, arn: str) -> Parameters:
        """As CloudFront looks it up."""
        if not re.fullmatch(rf"{ARN}:[\w-]+:\d+", arn):
            raise AwsError(
                "InvalidLambdaFunctionAssociation",
                f"The function ARN must reference a specific function version: {arn}",
            )
        for each in self.published:
            if each["FunctionArn"] == arn:
                return self._shown(each["FunctionName"], each["Version"])
        raise AwsError("InvalidLambdaFunctionAssociation", f"no function {arn}")

    def _changeable(self, given: Parameters) -> Parameters:
        latest = self._found(given.pop("FunctionName"), "$LATEST")
        if self._clock.now() < self._ready_at["$LATEST"]:
            raise AwsError("ResourceConflictException", "an update is in progress")
        if given.pop("RevisionId") != self._revision:
            raise AwsError("PreconditionFailedException", "The RevisionId is not it")
        return latest

    def _changed(self) -> Parameters:
        assert self.latest is not None
        self._changes += 1
        self.latest.pop("State", None)  # whatever it was, it is over
        self._revision = f"revision-{self._changes}"
        self._ready_at["$LATEST"] = self._clock.now() + self.at_work
        return self._shown(self.latest["FunctionName"], "$LATEST")

    def _shown(self, name: str, qualifier: str) -> Parameters:
        found = self._found(name, qualifier)
        is_ready = self._clock.now() >= self._ready_at.get(qualifier, 0.0)
        is_new = qualifier != "$LATEST" or self._changes == 1
        passing = {
            "State": "Pending" if is_new and not is_ready else "Active",
            "LastUpdateStatus": "Successful" if is_ready else "InProgress",
            "RevisionId": self._revision if qualifier == "$LATEST" else qualifier,
        }
        return passing | found

    def _found(self, name: str, qualifier: str) -> Parameters:
        for each in [self.latest, *self.published]:
            if each and (each["FunctionName"], each["Version"]) == (name, qualifier):
                return each
        raise AwsError("ResourceNotFoundException", f"Function not found: {name}")

    def _digested(self, bundle: bytes) -> Parameters:
        digest = b64encode(sha256(bundle).digest()).decode()
        self.bundles[f"https://s3.invalid/{digest}"] = bundle
        return {"CodeSha256": digest, "CodeSize": len(bundle)}

    def _check_role(self, arn: str) -> None:
        if not self._iam.may_be_assumed(arn):
            raise AwsError(
                "InvalidParameterValueException",
                "The role defined for the function cannot be assumed by Lambda.",
            )
