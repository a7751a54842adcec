"""The gate's function: what Lambda says of it, and what is asked of Lambda."""

import re
from collections.abc import Iterator
from typing import Any

from ..aws.lambda_at_edge import unsupported, variables
from .observed import (
    Absent,
    Broken,
    Busy,
    Condition,
    Configuration,
    Function,
    Ready,
    Version,
)
from .outcome import Done, Outcome, Superseded
from .steps import Configure, CreateFunction, Publish, UpdateCode


class Functions:
    """One function, through boto3's client."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def observe(self) -> Absent | Function:
        try:
            found = self._client.get_function_configuration(FunctionName=self._name)
        except self._client.exceptions.ResourceNotFoundException:
            return Absent()
        return Function(
            arn=found["FunctionArn"],
            revision=found.get("RevisionId", ""),
            code=found["CodeSha256"],
            configuration=_configuration(found),
            condition=_condition(found),
            unfit=tuple(_unfit(found)),
        )

    def versions(self) -> tuple[Version, ...]:
        pages = self._client.get_paginator("list_versions_by_function").paginate(
            FunctionName=self._name
        )
        found = (
            _version(each)
            for page in pages
            for each in page["Versions"]
            if each["Version"].isdigit()  # the other one is $LATEST
        )
        return tuple(sorted(found, key=lambda version: version.number))

    def condition(self, version: int) -> Condition:
        """A list of versions does not tell it."""
        found = self._client.get_function_configuration(
            FunctionName=self._name, Qualifier=str(version)
        )
        if found.get("State") == "Inactive":
            return Broken(
                "it was not used for long. Invoke it once, for example with"
                f" aws lambda invoke --function-name {self._name}"
                f" --qualifier {version}, and repeat the command"
            )
        return _condition(found)

    def address(self, version: int) -> str:
        """From where the bundle can be read for some minutes."""
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
        known = step.replaces is not None
        text = f"replaces version {step.replaces}" if known else "replaces none"
        return self._asked(
            f"published a version of {self._name}",
            self._client.publish_version,
            Description=text,
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


def _configuration(found: dict[str, Any]) -> Configuration:
    return Configuration(
        runtime=found.get("Runtime", "none"),
        handler=found.get("Handler", "none"),
        role=found["Role"],
        timeout=found["Timeout"],
        memory=found["MemorySize"],
        architecture=found.get("Architectures", ["x86_64"])[0],
    )


def _version(found: dict[str, Any]) -> Version:
    replaces = re.fullmatch(r"replaces version (\d+)", found.get("Description", ""))
    return Version(
        number=int(found["Version"]),
        code=found["CodeSha256"],
        configuration=_configuration(found),
        unfit=tuple(_unfit(found)),
        replaces=int(replaces[1]) if replaces else None,
    )


def _condition(found: dict[str, Any]) -> Condition:
    """Without a state it was made before there were states: active all the same."""
    state, update = found.get("State", "Active"), found.get("LastUpdateStatus")
    if state == "Pending":
        return Busy("it is being created")
    if update == "InProgress":
        return Busy("it is being updated")
    if state not in ("Active", "Inactive"):  # an update wakes an inactive one
        reason = found.get("StateReason", "no reason given")
        return Broken(f"its state is {state}: {reason}")
    return Ready()


def _unfit(found: dict[str, Any]) -> Iterator[str]:
    names = variables(found)
    if names:
        yield f"environment variables ({', '.join(names)})"
    yield from unsupported(found)
