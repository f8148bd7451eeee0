-- SPDX-License-Identifier: Apache-2.0
--
-- How fast is typed: as fast as it goes until a line arrives damaged, then ever
-- slower; and faster again once enough lines in a row arrived whole.

local M = {}

-- Characters per second; false is as fast as it goes.
local STEPS = { false, 400, 100, 30 }
-- Whole lines in a row after which a faster pace is tried; twice as many each time
-- that proves too fast.
local FIRST_TRIAL = 4

---@class jflash.Pace
local Pace = {}
Pace.__index = Pace

---@return jflash.Pace
function M.new()
    return setmetatable({ step = 1, whole = 0, trial = FIRST_TRIAL }, Pace)
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
