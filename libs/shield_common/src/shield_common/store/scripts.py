"""The Lua scripts that Redis runs as one step each.

Redis checks memory before a script's first write and runs nothing else meanwhile, so a script's
writes and its PUBLISH happen together or not at all
(https://redis.io/docs/latest/develop/programmability/eval-intro/).
"""

from __future__ import annotations

from typing import Final

# Reads the counter; what is no number of up to 15 digits (exact in a double) counts as missing.
_READ_EPOCH: Final = """
local stored = redis.call('GET', KEYS[2]) or ''
local epoch = #stored <= 15 and string.match(stored, '^%d+$') and tonumber(stored) or 0
"""

# KEYS: lease, epoch.  ARGV: holder, lease_ms, above, after_loss.
# Returns {held, epoch, taken, previous epoch}.
# A missing counter starts at the server's clock, see DecisionWriter.claim_lease. Numbers are
# written with %.0f because Lua would write large ones in scientific notation.
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
  if epoch == 0 then
    current = tonumber(redis.call('TIME')[1])
  else
    current = epoch + 1
  end
  current = math.max(current, tonumber(ARGV[3]) + 1)
  redis.call('SET', KEYS[2], string.format('%.0f', current))
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {1, string.format('%.0f', current), taken, string.format('%.0f', epoch)}
"""
)

# KEYS: lease, epoch, decision, allow, latches.
# ARGV: holder, epoch, lease_ms, document, ttl_ms, allow, latches, channel.
# A free lease with no higher epoch means that nobody wrote since: it is taken back in place, so
# that a store which lost its data is whole again after one cycle. A lower epoch in the store than
# the publisher's means that it lost its data and an older writer was quicker: the newer one wins.
PUBLISH: Final = (
    _READ_EPOCH
    + """
if epoch > tonumber(ARGV[2]) then return 'fenced' end
local held_by = redis.call('GET', KEYS[1])
if held_by and held_by ~= ARGV[1] and epoch == tonumber(ARGV[2]) then return 'lease_lost' end
redis.call('SET', KEYS[3], ARGV[4], 'PX', ARGV[5])
redis.call('SET', KEYS[4], ARGV[6], 'PX', ARGV[5])
redis.call('SET', KEYS[5], ARGV[7])
redis.call('SET', KEYS[2], ARGV[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[8], ARGV[4])
return 'published'
"""
)

# KEYS: lease.  ARGV: holder.
RELEASE_LEASE: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

# KEYS: override.  ARGV: document, ttl_ms, channel.
PUT_OVERRIDE: Final = """
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[1])
return 1
"""

# KEYS: override.  ARGV: channel.
CLEAR_OVERRIDE: Final = """
local cleared = redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[1], '')
return cleared
"""
