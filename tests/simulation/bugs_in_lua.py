"""Bugs to plant in the scripts: what finds them is in docs/proof.md."""

from .bug import Bug, Change


def _in(script: str, name: str, old: str, new: str) -> Bug:
    file = f"origin_middleware/stores/redis/lua/{script}.lua"
    return Bug(name, (Change(file, old, new),))


_LATE = "if now > tonumber(ARGV[3]) then"
_OWNED = "if redis.call('GETRANGE', KEYS[1], 0, 17) ~= ARGV[1] then return 0 end"
_WOKEN = "for channel in string.gmatch("

BUGS = (
    _in(
        "claim",
        "a claim is applied after its not-after instant",
        _LATE,
        "if false then",
    ),
    _in(
        "claim",
        "attempts are not counted",
        "string.format('%06d', attempts + 1)",
        "string.format('%06d', attempts)",
    ),
    _in(
        "claim",
        "released records may be claimed without end",
        "if attempts >= tonumber(ARGV[4]) then return held end",
        "",
    ),
    _in(
        "claim",
        "a claim overwrites a finished record",
        "if state and state ~= 'R' then return held end",
        "",
    ),
    _in(
        "claim",
        "a claim overwrites one in progress",
        "if state == 'P' then return {held, redis.call('PTTL', KEYS[1])} end",
        "if state == 'P' then state, held = nil, nil end",
    ),
    _in(
        "claim",
        "a record in progress expires with its lease",
        "begun, 'PX', ARGV[2])",
        "begun, 'PX', string.sub(ARGV[1], 51, 60))",
    ),
    _in(
        "take_over",
        "a take-over ignores the fingerprint",
        " or not same or ",
        " or ",
    ),
    _in(
        "take_over",
        "a take-over ignores the lease",
        " or lease > retention - left then",
        " then",
    ),
    _in(
        "take_over",
        "a take-over is applied after its not-after instant",
        _LATE,
        "if false then",
    ),
    _in(
        "take_over",
        "abandoned records are taken over without end",
        "if attempts >= tonumber(ARGV[4]) and not inquires then",
        "if false then",
    ),
    _in(
        "take_over",
        "to inquire counts as an attempt",
        "if not inquires then attempts = attempts + 1 end",
        "attempts = attempts + 1",
    ),
    _in(
        "complete",
        "a completion overwrites another",
        "  return {redis.call('GET', KEYS[1])}\n",
        "",
    ),
    _in(
        "complete",
        "a completion whose claim is lost is not written",
        "local waiting = ''\n",
        "if state == '' then return 'claim_lost' end\nlocal waiting = ''\n",
    ),
    _in(
        "complete",
        "a completion whose claim was taken is not written",
        "local waiting = ''\n",
        "if state == 'P' and not own then return 'claim_taken' end\n"
        "local waiting = ''\n",
    ),
    _in(
        "complete",
        "a repeated completion is not recognised",
        "  if own then return 'owned' end\n",
        "",
    ),
    _in(
        "complete",
        "a completion wakes nobody",
        _WOKEN + "waiting",
        _WOKEN + "''",
    ),
    _in(
        "complete",
        "a completion is kept as long as a lease",
        "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])",
        "redis.call('SET', KEYS[1], ARGV[1], 'PX', 5000)",
    ),
    _in(
        "complete",
        "a record points to a body that is not there",
        "if KEYS[2] and redis.call('GETRANGE', KEYS[2], 0, 0) == '' then",
        "if false then",
    ),
    _in(
        "renew",
        "a renewal ignores the owner",
        "if string.sub(held, 1, 18) ~= ARGV[1] or ",
        "if ",
    ),
    _in(
        "renew",
        "a renewal forgets the lease",
        "redis.call('SETRANGE', KEYS[1], 50, ARGV[3])",
        "",
    ),
    _in(
        "renew",
        "a renewal forgets the expiry, from which the lease counts",
        "local renewed = redis.call('PEXPIRE', KEYS[1], ARGV[2])",
        "local renewed = 1",
    ),
    _in(
        "renew",
        "a late renewal revives a lease that has ended",
        " or string.sub(held, 51) == '0000000000'",
        "",
    ),
    _in(
        "release",
        "a release ignores the owner",
        _OWNED,
        "if redis.call('GETRANGE', KEYS[1], 1, 1) ~= 'P' then return 0 end",
    ),
    _in(
        "release",
        "a release forgets the attempts",
        "if attempts > 0 and left > 0 then",
        "if false then",
    ),
    _in(
        "release",
        "a claim that is withdrawn counts as an attempt",
        " - tonumber(ARGV[2] or 0)",
        "",
    ),
    _in(
        "release",
        "a release wakes nobody",
        _WOKEN + "string.sub(past, 20)",
        _WOKEN + "''",
    ),
    _in(
        "abandon",
        "an abandonment ignores the owner",
        _OWNED,
        "if redis.call('GETRANGE', KEYS[1], 1, 1) ~= 'P' then return 0 end",
    ),
    _in(
        "abandon",
        "an abandonment leaves the lease as it is",
        "redis.call('SETRANGE', KEYS[1], 50, '0000000000')",
        "",
    ),
    _in(
        "abandon",
        "a take-over that is undone keeps its owner",
        "  redis.call('SETRANGE', KEYS[1], 2, string.rep('\\0', 16))\n",
        "",
    ),
    _in(
        "abandon",
        "a take-over that is undone counts as an attempt",
        " - tonumber(ARGV[2])",
        "",
    ),
    _in(
        "watch",
        "a wait is not registered",
        "redis.pcall('APPEND', KEYS[1], ARGV[1] .. ',')",
        "local _ = 0",
    ),
    _in(
        "watch",
        "a released record looks held to those who wait",
        "if state == 'R' then return false end\n",
        "if state == 'R' then return {held, 0} end\n",
    ),
    _in(
        "mark",
        "the mark of a server is another each time",
        "if mark == '' then\n",
        "if true then redis.call('DEL', KEYS[1])\n",
    ),
    _in(
        "mark",
        "the mark of a server never expires",
        "redis.call('PEXPIRE', KEYS[1], ARGV[2])",
        "",
    ),
)
