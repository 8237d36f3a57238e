"""The Lua scripts that Redis runs as one step each.

Redis runs nothing else meanwhile, but it does not undo what a script wrote before it failed. A
script therefore begins with what can be refused: its first write, for which Redis checks memory,
replicas and disk, and once only; then its PUBLISH, which the ACL may forbid; then the other writes,
whose keys Redis has checked before it started the script
(https://redis.io/docs/latest/develop/programmability/eval-intro/).
"""

from __future__ import annotations

from typing import Final

# Reads the counter; anything but a number of up to 15 digits (exact in a double) counts as missing.
_READ_EPOCH: Final = """
local stored = redis.call('GET', KEYS[2]) or ''
local epoch = #stored <= 15 and string.match(stored, '^%d+$') and tonumber(stored) or 0
"""

# KEYS: lease, epoch.  ARGV: holder, lease_ms, above, after_loss.
# Returns {held, epoch, taken, previous epoch}.
# A new epoch is not below the server's clock, see DecisionWriter.claim_lease: admitters ignore
# epochs below their own, and after the restore of an old snapshot the counter would give one.
# Numbers are written with %.0f because Lua would write large ones in scientific notation.
CLAIM_LEASE: Final = (
    _READ_EPOCH
    + """
local held_by = redis.call('GET', KEYS[1])
if (held_by and held_by ~= ARGV[1]) or (epoch == 0 and ARGV[4] == '0') then
  return {0, string.format('%.0f', epoch), 0, string.format('%.0f', epoch)}
end
local current, taken = epoch, 0
if not held_by or epoch == 0 then
  taken = 1
  current = math.max(epoch + 1, tonumber(redis.call('TIME')[1]), tonumber(ARGV[3]) + 1)
  redis.call('SET', KEYS[2], string.format('%.0f', current))
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1, string.format('%.0f', current), taken, string.format('%.0f', epoch)}
"""
)

# KEYS: lease, epoch, decision, allow, latches.
# ARGV: holder, epoch, lease_ms, document, ttl_ms, allow, latches, channel.
# Returns {result, receivers of the announcement}.
# A free lease with no higher epoch means that no other evaluator wrote since: it is taken back in
# place, so that a store which lost its data is whole again after one cycle. A lower epoch in the
# store than the publisher's means that the store lost its data and an older writer was quicker: the
# newer one wins.
# The lease comes first because renewing it alone misleads no reader, see above.
PUBLISH: Final = (
    _READ_EPOCH
    + """
if epoch > tonumber(ARGV[2]) then return {'fenced', 0} end
local held_by = redis.call('GET', KEYS[1])
if held_by and held_by ~= ARGV[1] and epoch == tonumber(ARGV[2]) then return {'lease_lost', 0} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
local receivers = redis.call('PUBLISH', ARGV[8], ARGV[4])
redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
redis.call('SET', KEYS[4], ARGV[6], 'PX', ARGV[5])
redis.call('SET', KEYS[5], ARGV[7])
redis.call('SET', KEYS[2], ARGV[2])
return {'published', receivers}
"""
)

# KEYS: lease.  ARGV: holder.
RELEASE_LEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

# KEYS: override.  ARGV: document, ttl_ms, channel.
# Announced first: an announcement whose SET is refused only makes the evaluator read the override
# once more, while an override that was set but reported as failed would surprise the operator.
PUT_OVERRIDE: Final = """
redis.call('PUBLISH', ARGV[3], ARGV[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

# KEYS: admitted.  ARGV: the most fields, and the most bytes of a field or value, that are read.
# Returns {number of fields, field, value, field, value, ...}; without fields if they are too many.
# Longer fields and values are cut, so that no content of the hash fills the reader's memory.
READ_ADMITTED: Final = """
local answer = {redis.call('HLEN', KEYS[1])}
if answer[1] > tonumber(ARGV[1]) then return answer end
for _, item in ipairs(redis.call('HGETALL', KEYS[1])) do
  answer[#answer + 1] = string.sub(item, 1, tonumber(ARGV[2]))
end
return answer
"""

# KEYS: override.  ARGV: channel.
CLEAR_OVERRIDE: Final = """
redis.call('PUBLISH', ARGV[1], '')
return redis.call('DEL', KEYS[1])
"""
