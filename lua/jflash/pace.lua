-- SPDX-License-Identifier: Apache-2.0
--
-- How fast is typed: as fast as it goes until a line arrives damaged, then ever
-- slower; and faster again once enough lines in a row arrived whole.

local M = {}

-- Characters per second; false is as fast as it goes.
local STEPS = { false, 1000, 400, 100, 30 }
-- Whole lines in a row after which a faster pace is tried; twice as many each time
-- that proves too fast.
local FIRST_TRIAL = 4
-- The same, at least, for a pace that earlier runs have learned. Where a faster one
-- fails again and again it soon is more than a run types; where noise hit a line once
-- the next run is not slow for long. And at most: a board that bears more by now is found
-- out within some runs.
local LEARNED_TRIAL, LEARNED_MOST = 16, 256
-- A number from a file that is not ours to trust.
local MOST = 1 << 30

---@class jflash.Pace
local Pace = {}
Pace.__index = Pace

---@return jflash.Pace
function M.new()
    return setmetatable({ step = 1, whole = 0, trial = FIRST_TRIAL }, Pace)
end

--- The slower of two paces, in characters per second; nil is as fast as it goes.
---@param one number|nil
---@param other number|nil
---@return number|nil
function M.slower(one, other)
    return one and other and math.min(one, other) or one or other
end

local function count(value, least)
    return math.type(value) == "integer" and value >= least and value <= MOST and value or nil
end

--- The pace at which an earlier one stopped.
---@param state any  what Pace:state gave
---@return jflash.Pace|nil  nil: that is no such state
function M.resume(state)
    if type(state) ~= "table" or not count(state.whole, 0) or not count(state.trial, 1) then
        return nil
    end
    for step, cps in ipairs(STEPS) do
        if cps and cps == state.cps then
            return setmetatable({
                step = step, whole = state.whole,
                trial = math.max(LEARNED_TRIAL, math.min(state.trial, LEARNED_MOST)),
            }, Pace)
        end
    end
    return nil
end

--- What is worth to be kept for M.resume; nil while nothing slower than full speed is
--- known to work. A pace at which no line has arrived yet proves nothing: the board may
--- have been silent.
---@return {cps: number, whole: integer, trial: integer}|nil state
---@return boolean is_proven
function Pace:state()
    local cps = self:cps()
    local is_proven = self.whole > 0
    return cps and is_proven and { cps = cps, whole = self.whole, trial = self.trial } or nil, is_proven
end

--- Characters per second, or nil for as fast as it goes.
---@return number|nil
function Pace:cps()
    return STEPS[self.step] or nil
end

--- A line arrived damaged, or not at all.
function Pace:damaged()
    if self.sped_up then
        self.trial = 2 * self.trial
    end
    self.step = math.min(self.step + 1, #STEPS)
    self.whole, self.sped_up = 0, false
end

--- A line arrived whole.
function Pace:intact()
    self.whole = self.whole + 1
    if self.step > 1 and self.whole >= self.trial then
        self.step = self.step - 1
        self.whole, self.sped_up = 0, true
    end
end

return M
