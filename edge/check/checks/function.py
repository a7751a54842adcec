"""The function and its role: the limits of Lambda@Edge, and those of the checklist."""

from collections.abc import Callable

from ...aws.function import Function
from ...aws.lambda_at_edge import (
    ARCHITECTURE,
    HANDLER,
    MEMORY,
    PRINCIPALS,
    RUNTIMES,
    TIMEOUT,
    X402_TIMEOUT,
)
from ...aws.session import REGION
from ...runtime.handler import LONGEST_CALL, RESERVE
from ...runtime.x402.facilitator import X402
from ..facts import Unread
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned
from ..subject import Subject


def timeout(subject: Subject) -> Outcome:
    function = subject.snapshot.function
    if isinstance(function, Unread):
        return NotChecked(function.why)
    if subject.is_x402:
        return _standard_timeout(function)
    remedy = f"Set the timeout to {TIMEOUT} seconds, publish, and associate."
    if function.timeout < LONGEST_CALL + RESERVE:
        return Failed(
            f"Lambda ends the gate after {function.timeout} s. The gate waits up to"
            f" {LONGEST_CALL} s for the facilitator, and must answer after that.",
            remedy,
        )
    if function.timeout != TIMEOUT:
        return Warned(f"The timeout is {function.timeout} s, not {TIMEOUT}.", remedy)
    return Passed(f"{TIMEOUT} s; the gate gives up after {LONGEST_CALL} s by itself")


def _standard_timeout(function: Function) -> Outcome:
    if function.timeout != X402_TIMEOUT:
        return Failed(
            f"The timeout is {function.timeout} s, not {X402_TIMEOUT}. A settlement"
            f" waits for a chain, up to {X402.longest_settle:g} s.",
            f"Set the timeout to {X402_TIMEOUT} seconds, publish, and associate.",
        )
    return Passed(f"{X402_TIMEOUT} s; a settlement has {X402.longest_settle:g} s")


def memory(function: Function) -> Outcome:
    if function.memory < MEMORY:
        return Failed(
            f"The function has {function.memory} MB.", f"Give it {MEMORY} MB or more."
        )
    return Passed(f"{function.memory} MB")


def runtime(function: Function) -> Outcome:
    if function.runtime not in RUNTIMES:
        return Failed(
            f"The runtime is {function.runtime}.", f"Use one of {', '.join(RUNTIMES)}."
        )
    return Passed(function.runtime)


def architecture(function: Function) -> Outcome:
    if function.architectures != (ARCHITECTURE,):
        return Failed(
            f"The architecture is {', '.join(function.architectures)}.",
            f"Lambda@Edge has {ARCHITECTURE} only: create the function with that.",
        )
    return Passed(ARCHITECTURE)


def entry(function: Function) -> Outcome:
    if function.handler != HANDLER:
        return Failed(
            f"The handler is {function.handler}, which is not in the bundle:"
            " every request gets a 503.",
            f"Set it to {HANDLER}, publish, and associate.",
        )
    return Passed(HANDLER)


def region(function: Function) -> Outcome:
    if function.arn.region != REGION:
        return Failed(
            f"The function is in {function.arn.region}.", f"Create it in {REGION}."
        )
    return Passed(REGION)


def state(function: Function) -> Outcome:
    if function.state != "Active" or function.last_update != "Successful":
        return Failed(
            f"The version is {function.state}, its last update {function.last_update}.",
            "Wait until it is Active, or publish another version.",
        )
    return Passed("Active")


def environment(function: Function) -> Outcome:
    if function.environment:
        return Failed(
            f"There are environment variables: {', '.join(function.environment)}.",
            "Remove them. The bundle contains all that the gate needs.",
        )
    return Passed("none")


def features(function: Function) -> Outcome:
    if function.unsupported:
        return Failed(
            f"Lambda@Edge does not support {', '.join(function.unsupported)}.",
            "Remove it, publish, and associate the new version.",
        )
    return Passed("no layers, no VPC, no dead letters")


def log_format(function: Function) -> Outcome:
    if function.log_format != "Text":
        return Warned(
            f"The log format is {function.log_format}; the gate writes its own JSON,"
            " and the alarms' filters expect that.",
            "Set the log format to Text.",
        )
    return Passed("Text")


def trust(subject: Subject) -> Outcome:
    role = subject.snapshot.role
    if isinstance(role, Unread):
        return NotChecked(role.why)
    missing = ", ".join(sorted(PRINCIPALS - role.trusts))
    if missing:
        return Failed(
            f"The execution role does not trust {missing}.",
            "Add it to the principals of the role's trust policy.",
        )
    return Passed("lambda and edgelambda")


def may_log(subject: Subject) -> Outcome:
    denied = subject.snapshot.may_not_log
    if isinstance(denied, Unread):
        return NotChecked(denied.why)
    if denied:
        function = subject.snapshot.function
        named = None if isinstance(function, Unread) else function.log_group
        group = named or "/aws/lambda/*"
        return Failed(
            f"The execution role may not call {', '.join(sorted(denied))} in every"
            " Region. Without these permissions the gate runs without a log, and no"
            " alarm fires.",
            f"Allow it on arn:aws:logs:*:<account>:log-group:{group}:*.",
        )
    return Passed("simulated for a Region far from the function's")


def _of(examine: Callable[[Function], Outcome]) -> Callable[[Subject], Outcome]:
    def of_evidence(subject: Subject) -> Outcome:
        function = subject.snapshot.function
        if isinstance(function, Unread):
            return NotChecked(function.why)
        return examine(function)

    return of_evidence


CHECKS = (
    Check("function.timeout", "Lambda timeout fits the facilitator", timeout),
    Check("function.memory", "Lambda memory is at least 128 MB", _of(memory)),
    Check("function.runtime", "The runtime is one of Lambda@Edge's", _of(runtime)),
    Check("function.architecture", "The architecture is x86_64", _of(architecture)),
    Check("function.handler", "The handler is the bundle's", _of(entry)),
    Check("function.region", "The function is in us-east-1", _of(region)),
    Check("function.state", "The version is active", _of(state)),
    Check(
        "function.environment", "There are no environment variables", _of(environment)
    ),
    Check(
        "function.features", "Nothing that Lambda@Edge does not support", _of(features)
    ),
    Check("function.log-format", "The log is the gate's own JSON", _of(log_format)),
    Check("role.trust", "The role trusts Lambda and its replicas", trust),
    Check("role.logs", "The role may write logs in every Region", may_log),
)
