"""The gate's function: reads its state from Lambda, and changes it."""

import re
from typing import Any

from ..aws.function import Function, parse_function
from ..aws.session import REGION
from .model import (
    NOTHING,
    Broken,
    Condition,
    Configuration,
    Configure,
    CreateFunction,
    Done,
    Outcome,
    Publish,
    Superseded,
    UpdateCode,
    Version,
    condition_of,
)


class Functions:
    """One function, through boto3's client."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def latest(self) -> Function | None:
        try:
            found = self._client.get_function_configuration(FunctionName=self._name)
        except self._client.exceptions.ResourceNotFoundException:
            return None
        return parse_function(found)

    def versions(self) -> tuple[Version, ...]:
        pages = self._client.get_paginator("list_versions_by_function").paginate(
            FunctionName=self._name
        )
        found = (
            _version(int(each["Version"]), parse_function(each))
            for page in pages
            for each in page["Versions"]
            if each["Version"].isdigit()  # the other one is $LATEST
        )
        return tuple(sorted(found, key=lambda version: version.number))

    def condition(self, version: int) -> Condition:
        """A list of versions does not tell it."""
        found = parse_function(
            self._client.get_function_configuration(
                FunctionName=self._name, Qualifier=str(version)
            )
        )
        if found.state == "Inactive":
            return Broken(
                "it has not been used for a long time. Invoke it once, for example with"
                f" aws lambda invoke --region {REGION} --function-name {self._name}"
                f" --qualifier {version} /dev/null, and repeat the command"
            )
        return condition_of(found)

    def address(self, version: int) -> str:
        """An address from which the bundle can be read for some minutes."""
        found = self._client.get_function(
            FunctionName=self._name, Qualifier=str(version)
        )
        return str(found["Code"]["Location"])

    def create(self, step: CreateFunction, bundle: bytes) -> Outcome:
        configuration = step.configuration
        return self._asked(
            f"created {self._name}",
            self._client.create_function,
            Code={"ZipFile": bundle},
            Architectures=[configuration.architecture],
            PackageType="Zip",
            Description="x402 gate",
            **_settings(configuration),
        )

    def update_code(self, step: UpdateCode, bundle: bytes) -> Outcome:
        return self._asked(
            f"updated the code of {self._name}",
            self._client.update_function_code,
            ZipFile=bundle,
            Architectures=[step.architecture],
            **_if_still(step.revision),
        )

    def configure(self, step: Configure) -> Outcome:
        return self._asked(
            f"configured {self._name}",
            self._client.update_function_configuration,
            **_if_still(step.revision),
            **_settings(step.configuration),
        )

    def publish(self, step: Publish) -> Outcome:
        of = "none" if step.replaces == NOTHING else f"version {step.replaces}"
        return self._asked(
            f"published a version of {self._name}",
            self._client.publish_version,
            Description=f"replaces {of}",
            **_if_still(step.revision),
        )

    def _asked(self, said: str, operation: Any, **parameters: Any) -> Outcome:
        exceptions = self._client.exceptions
        try:
            operation(FunctionName=self._name, **parameters)
        except exceptions.InvalidParameterValueException as refused:
            if "cannot be assumed by Lambda" not in str(refused):
                raise
            return Superseded("Lambda does not know the new role yet")
        except exceptions.ResourceConflictException:
            return Superseded(f"{self._name} is being changed")
        except exceptions.PreconditionFailedException:
            return Superseded(f"{self._name} was changed by somebody else")
        return Done(said)


def _if_still(revision: str | None) -> dict[str, str]:
    """Lambda refuses when somebody changed it since. A stand-in may not tell which."""
    return {"RevisionId": revision} if revision else {}


def _settings(configuration: Configuration) -> dict[str, Any]:
    return {
        "Runtime": configuration.runtime,
        "Handler": configuration.handler,
        "Role": configuration.role,
        "Timeout": configuration.timeout,
        "MemorySize": configuration.memory,
    }


def _version(number: int, function: Function) -> Version:
    found = re.fullmatch(r"replaces (?:version (\d+)|none)", function.description)
    return Version(number, function, int(found[1] or NOTHING) if found else None)
