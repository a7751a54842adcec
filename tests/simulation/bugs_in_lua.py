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
        "tonumber(string.sub(past, 1, 6)) + 1 or 1",
        "tonumber(string.sub(past, 1, 6)) or 1",
    ),
    _in(
        "claim",
        "released records may be claimed without limit",
        "if attempt > tonumber(ARGV[4]) then return '\\2R' .. past end",
        "",
    ),
    _in(
        "claim",
        "a claim overwrites a finished record",
        "elseif state then\n  return held\nend\nif past and not tonumber(",
        "end\nif past and not tonumber(",
    ),
    _in(
        "claim",
        "a claim overwrites a record in progress",
        "  if own or not same or string.sub(held, 76, 76) ~= '0' then return {held, left} end\n",
        "",
    ),
    _in(
        "claim",
        "a record in progress expires with its lease",
        "begun, 'PX', ARGV[2])",
        "begun, 'PX', string.sub(ARGV[1], 77, 86))",
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
        " or lease > retention - left then return",
        " then return",
    ),
    _in(
        "take_over",
        "a take-over is applied after its not-after instant",
        _LATE,
        "if false then",
    ),
    _in(
        "take_over",
        "abandoned records may be taken over without limit",
        "if attempt > tonumber(ARGV[4]) and not inquires then",
        "if false then",
    ),
    _in(
        "take_over",
        "an inquiry counts as an attempt",
        "if not inquires then attempt = attempt + 1 end",
        "attempt = attempt + 1",
    ),
    _in(
        "complete",
        "a completion overwrites another",
        "  return {redis.call('GET', KEYS[1])}\n",
        "",
    ),
    _in(
        "complete",
        "a completion is not written if its claim was lost",
        "local t = redis.call('TIME')\n",
        "if state ~= 'P' then return 'claim_lost' end\nlocal t = redis.call('TIME')\n",
    ),
    _in(
        "complete",
        "a completion is not written if another request took the key",
        "local t = redis.call('TIME')\n",
        "if state == 'P' and not own then return 'claim_taken' end\nlocal t = redis.call('TIME')\n",
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
        "a completed record is kept for five seconds",
        ".. now .. ARGV[3], 'PX', ARGV[2])",
        ".. now .. ARGV[3], 'PX', 5000)",
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
        "a renewal does not extend the expiry from which the lease counts",
        "local renewed = redis.call('PEXPIRE', KEYS[1], ARGV[2])",
        "local renewed = 1",
    ),
    _in(
        "renew",
        "a late renewal revives a lease that has ended",
        " or string.sub(held, 77) == '0000000000'",
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
        "a release resets the number of attempts",
        "if attempts > 0 and left > 0 then",
        "if false then",
    ),
    _in(
        "release",
        "a withdrawn claim counts as an attempt",
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
        "an abandonment does not end the lease",
        "redis.call('SETRANGE', KEYS[1], 75, '10000000000')",
        "",
    ),
    _in(
        "abandon",
        "an undone take-over keeps its owner",
        "  redis.call('SETRANGE', KEYS[1], 2, string.rep('\\0', 16))\n",
        "",
    ),
    _in(
        "abandon",
        "an undone take-over counts as an attempt",
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
        "mark",
        "a server's mark is another one at every look",
        "if mark == '' then\n",
        "if true then redis.call('DEL', KEYS[1])\n",
    ),
    _in(
        "mark",
        "a server's mark never expires",
        "redis.call('PEXPIRE', KEYS[1], ARGV[2])",
        "",
    ),
    # Effects that are declared
    _in(
        "claim",
        "a record without effects is claimed before its lease has lapsed",
        "  if not lease or not retention or lease > retention - left then return {held, left} end\n",
        "",
    ),
    _in(
        "claim",
        "an attempt that may have had effects counts as having done nothing",
        " or string.sub(held, 76, 76) ~= '0' then",
        " then",
    ),
    _in(
        "claim",
        "a different request may claim a key whose effects had not begun",
        "if own or not same or string.sub(held, 76, 76)",
        "if own or string.sub(held, 76, 76)",
    ),
    _in(
        "renew",
        "a script does not write that effects begin",
        "(ARGV[4] or string.sub(held, 76, 76)) .. ARGV[3]",
        "string.sub(held, 76, 76) .. ARGV[3]",
    ),
    _in(
        "renew",
        "a renewal forgets that effects have begun",
        "(ARGV[4] or string.sub(held, 76, 76)) .. ARGV[3]",
        "(ARGV[4] or '0') .. ARGV[3]",
    ),
    _in(
        "abandon",
        "an abandoned attempt counts as having done nothing",
        "75, '10000000000')",
        "75, '00000000000')",
    ),
    _in(
        "take_over",
        "a take-over forgets that effects had begun",
        ".. '1' ..",
        ".. string.sub(ARGV[1], 76, 76) ..",
    ),
    _in(
        "watch",
        "waiters are not told that effects had not begun",
        "if lease and retention and lease <= retention - left then return false end",
        "",
    ),
)
