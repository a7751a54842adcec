"""Which policy a request has: the only one, the one for its path, or the choice of a
function.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from posixpath import normpath
from typing import Never

from .asgi import Scope
from .errors import ConfigurationError
from .policy import Policy, is_async

PolicyOf = Callable[[Scope], Policy | None]


def policy_of(
    policy: Policy | Mapping[str, Policy] | PolicyOf, check: Callable[[Policy], None]
) -> PolicyOf:
    """`check` sees every policy and raises ConfigurationError for one that cannot work
    in this app: at construction, or at a request where a function chooses.
    """
    if isinstance(policy, Policy):
        check(policy)
        return lambda _: policy
    if isinstance(policy, Mapping):
        return _by_path(policy, check)
    if isinstance(policy, type) or not callable(policy):
        raise ConfigurationError(
            f"IdempotencyMiddleware(policy={policy!r}): policy must be a Policy(...), "
            "a mapping from paths to policies, or a function that returns one for an "
            "ASGI scope."
        )
    if is_async(policy):
        raise ConfigurationError(
            f"IdempotencyMiddleware(policy={policy!r}): policy must be an ordinary "
            "function, not an async one."
        )
    return _by_function(policy, check)


def _by_function(function: PolicyOf, check: Callable[[Policy], None]) -> PolicyOf:
    def found(scope: Scope) -> Policy | None:
        policy: object = function(scope)
        if policy is None:
            return None
        if not isinstance(policy, Policy):
            raise ConfigurationError(
                f"The policy function returned {policy!r:.60}. It has to return a "
                "Policy, or None to let a request pass untouched."
            )
        check(policy)
        return policy

    return found


def _by_path(
    policies: Mapping[str, Policy], check: Callable[[Policy], None]
) -> PolicyOf:
    if not policies:
        raise ConfigurationError(
            "IdempotencyMiddleware(policy={}): an empty mapping protects nothing. Name "
            "a path, or '/*' for all."
        )
    for pattern, policy in policies.items():
        _check_pattern(pattern)
        if not isinstance(policy, Policy):
            _refuse(pattern, f"{policy!r:.60} is not a Policy(...).")
        check(policy)
    patterns = _Patterns(policies)

    def found(scope: Scope) -> Policy | None:
        paths = _paths(scope)
        policy = patterns.match(paths)
        if "//" in paths[0] or "/." in paths[0] or paths[0].endswith("/"):
            # Most apps answer 404; some, such as StaticFiles, resolve it.
            resolved = [normpath(f"/{path.lstrip('/')}") for path in paths]
            other = patterns.match(resolved)
            if policy is None or (other is not None and other.require_key):
                return other
        return policy

    return found


class _Patterns:
    """The patterns of the gate's routes.toml: a path, or a prefix with `/*`, which
    covers the prefix itself and everything below it. A path goes before a prefix, and a
    longer prefix before a shorter one.
    """

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._exact = {
            path: each for path, each in policies.items() if not path.endswith("/*")
        }
        self._prefixes = sorted(
            (
                (path.removesuffix("*"), each)
                for path, each in policies.items()
                if path.endswith("/*")
            ),
            key=lambda prefix: len(prefix[0]),
            reverse=True,
        )

    def match(self, paths: Sequence[str]) -> Policy | None:
        for path in paths:
            if path in self._exact:
                return self._exact[path]
        for prefix, policy in self._prefixes:
            for path in paths:
                if f"{path}/".startswith(prefix):
                    return policy
        return None


def _paths(scope: Scope) -> tuple[str, ...]:
    """The path with the prefixes of mounts and the server's root path, and without
    them. A mounted app knows its routes without; the gate's list has them with it.
    Either way of writing protects.
    """
    # Starlette's routes match a path that has a line feed at its end.
    path: str = scope["path"].removesuffix("\n")
    root: str = scope.get("root_path", "")
    return (path, *_beyond(root.rstrip("/"), path)) if root else (path,)


def _beyond(root: str, path: str) -> Iterator[str]:
    """With each part of the root path taken off, or put in front where the server has
    not done that."""
    segments = root.split("/")
    for n in range(1, len(segments)):
        front, end = "/".join(segments[: n + 1]), "/".join(segments[n:])
        if f"{path}/".startswith(f"{front}/"):
            yield path.removeprefix(front)
        else:
            yield f"/{end}{path}"


def _check_pattern(pattern: object) -> None:
    """A pattern that matches nothing would leave a paid path free."""
    if not isinstance(pattern, str) or not pattern.startswith("/"):
        _refuse(pattern, "a path must be a string that begins with '/'.")
    literal = pattern.removesuffix("*") if pattern.endswith("/*") else pattern
    if "*" in literal:
        _refuse(pattern, "'*' may only stand at the end, as in '/api/*'.")
    if odd := sorted(set("?#%{}()<>\\") & set(literal)):
        _refuse(pattern, f"{odd[0]!r} has no meaning here. {_PREFIX}")
    segments = literal.split("/")[1:]
    if any(segment.startswith((":", "$")) for segment in segments):
        _refuse(pattern, f"placeholders have no meaning here. {_PREFIX}")
    if {".", ".."} & set(segments) or "" in segments[:-1]:
        _refuse(pattern, "write the path that '.', '..' and '//' lead to.")


_PREFIX = "Write the part before it and '/*', as in '/orders/*'."


def _refuse(pattern: object, why: str) -> Never:
    raise ConfigurationError(
        f"IdempotencyMiddleware(policy={{{pattern!r}: ...}}): {why}"
    )
