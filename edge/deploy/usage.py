"""The help texts of the commands."""

EXIT_STATUS = """\
Exit status: 0 when it is done, 1 when AWS did not do it or took too long, 2 when you
have to change something first or did not agree, 130 when it was interrupted.
"""

DEPLOY = """\
Put the gate in front of an API: create or update its function, publish a version, run
it in every behaviour of the distribution that reaches the API's origin, switch caching
off where a route is paid for, and wait until every edge location has it.

What changes is shown first. It is safe to repeat and to interrupt: until the last
change the site works as before, after it as planned.
"""

DEPLOY_EPILOG = f"""\
Without --bundle it builds one first, from the same environment as build.
The permissions it needs are in edge/deploy/permissions.json.
{EXIT_STATUS}"""

ROLLBACK = """\
Run the version of the gate that was live before, in every behaviour that runs one, and
wait until every edge location has it. Policies stay as they are.

A version has the keys that it was built with. If you have revoked its API key since,
every paid request would get a 500.
"""

ROTATE = """\
Replace the API key or the signing secret of a gate that is live: build a bundle with
the new one from the environment, publish it, run it in every behaviour that runs the
gate, and wait until every edge location has it. Then, and not before, it says that the
old one may go. Both work until then.

It reads the bundle that is live to see that the key is a new one.
"""

ROLLBACK_EPILOG = EXIT_STATUS

ROTATE_EPILOG = f"""\
The environment is as for build.
{EXIT_STATUS}"""
