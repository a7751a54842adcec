"""How a function becomes a rule of cfn-lint: what is wrong with a kind of resource.

cfn-lint loads rules file by file, not as a package, so the files beside this one get
it with cfn-lint's own `import_filename`. A name with an underscore is not loaded as
rules.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_AWS = Path(__file__).parent.parent / "aws"

_cfnlint: Any = import_module("cfnlint.rules")  # it ships no types

Properties = dict[str, Any]


def known(module: str) -> Any:
    """A module of edge/aws, which `deploy` and `check` go by as well. One that imports
    nothing of the package: it is loaded by its file."""
    return import_module("cfnlint.helpers").import_filename(module, str(_AWS))


class Template:
    """What a rule may want to know besides the resource it looks at."""

    def __init__(self, cfn: Any) -> None:
        self._cfn = cfn

    def parameter(self, value: dict[str, Any]) -> dict[str, Any] | None:
        """The parameter that this function refers to."""
        found: Any = self._cfn.template.get("Parameters", {}).get(value.get("Ref"))
        return found if isinstance(found, dict) else None

    def values(self, value: Any) -> list[Any]:
        """What a property can become: of a parameter, all that it allows."""
        if not isinstance(value, dict):
            return [value]
        parameter = self.parameter(value) or {}
        allowed = parameter.get("AllowedValues", [parameter.get("Default")])
        return [each for each in allowed if each is not None]

    def all(self, kind: str) -> Iterator[tuple[str, Properties]]:
        """Resources of this kind, once for each way in which conditions can fall."""
        for name, resource in self._cfn.get_resources(kind).items():
            path = ["Resources", name, "Properties"]
            found = resource.get("Properties", {})
            for each in self._cfn.get_object_without_nested_conditions(found, path):
                yield name, each["Object"]


Wrong = Callable[[Template, Properties], Iterator[str]]


def rule(id_: str, shortdesc: str, kind: str, wrong: Wrong) -> type:
    """A class, because that is what cfn-lint looks for."""

    def match(_self: Any, cfn: Any) -> list[Any]:
        template = Template(cfn)
        found = {
            (name, message)
            for name, properties in template.all(kind)
            for message in wrong(template, properties)
        }
        return [
            _cfnlint.RuleMatch(["Resources", name, "Properties"], message)
            for name, message in sorted(found)
        ]

    members = {"id": id_, "shortdesc": shortdesc, "tags": ["edge"], "match": match}
    return type(id_, (_cfnlint.CloudFormationLintRule,), members)
