-- SPDX-License-Identifier: Apache-2.0
--
-- Which fault happens when. A fault is a table:
--   kind    what goes wrong (README.md lists the kinds)
--   at      the stage at which it does; nil: at any
--   match   a Lua pattern that the stage's text (a command, a file name) must fit
--   nth     the first occurrence that counts, 1 by default
--   times   how often it happens from then on; for ever by default
-- and the parameters of its kind.
local M = {}
M.__index = M

local KINDS = {
    silence = true, reset = true, panic = true, hang_up = true, noise = true, die = true,
    drop = true, double = true, overrun = true, slow = true,
    no_network = true, tftp_missing = true, tftp_silent = true,
    refuse_password = true, connection = true,
    disk = true,
    power_ignored = true, power_fails = true,
}

--- `on_fire(fault, at, text)` hears of each fault that happens.
function M.new(list, on_fire)
    local self = setmetatable({ list = {}, on_fire = on_fire }, M)
    for _, fault in ipairs(list) do
        self:add(fault)
    end
    return self
end

function M:add(fault)
    assert(KINDS[fault.kind], "unknown fault: " .. tostring(fault.kind))
    fault.seen = 0
    self.list[#self.list + 1] = fault
end

--- Forgets all faults, or those of one kind.
function M:clear(kind)
    local kept = {}
    for _, fault in ipairs(self.list) do
        if kind and fault.kind ~= kind then
            kept[#kept + 1] = fault
        end
    end
    self.list = kept
end

local function fits(fault, kind, at, text)
    return fault.kind == kind
        and (not fault.at or fault.at == at)
        and (not fault.match or (text or ""):find(fault.match) ~= nil)
end

--- Counts an occurrence of this fault; whether it happens now.
function M.is_due(fault)
    local first = fault.nth or 1
    fault.seen = fault.seen + 1
    return fault.seen >= first and fault.seen - first < (fault.times or math.huge)
end

--- Whether a fault of this kind happens now, and which.
function M:fire(kind, at, text)
    for _, fault in ipairs(self.list) do
        if fits(fault, kind, at, text) and M.is_due(fault) then
            self.on_fire(fault, at, text)
            return fault
        end
    end
    return nil
end

--- Whether a typed character is damaged: every `every`-th one, `times` times.
--- Not reported: there may be thousands.
function M:typed(kind, at)
    for _, fault in ipairs(self.list) do
        if fits(fault, kind, at) then
            fault.seen = fault.seen + 1
            local hits = fault.hits or 0
            if fault.seen % (fault.every or 1) == 0 and hits < (fault.times or math.huge) then
                fault.hits = hits + 1
                return true
            end
        end
    end
    return false
end

--- The first fault of this kind at a place, without counting an occurrence.
function M:find(kind, at)
    for _, fault in ipairs(self.list) do
        if fits(fault, kind, at) then
            return fault
        end
    end
    return nil
end

--- The faults of one kind, without counting an occurrence.
function M:of_kind(kind)
    local found = {}
    for _, fault in ipairs(self.list) do
        if fault.kind == kind then
            found[#found + 1] = fault
        end
    end
    return found
end

return M
