-- SPDX-License-Identifier: Apache-2.0
--
-- Several power devices as one, for boards with more than one supply: on in the order
-- of the steps, off the other way round.

local errors = require("jflash.errors")
local job = require("jflash.job")
local powers = require("jflash.power")
local schema = require("jflash.schema")

local M = {}

M.summary = "several of these, one after the other: boards with two supplies"

local function check_steps(steps)
    return #steps < 1 and "a sequence has at least one step" or nil
end

-- Built when it is asked for: a step is a power of any type.
local function step_schema()
    local step = powers.schema()
    step.fields.delay_s = schema.duration({ default = 0.0 })
    return step
end

M.schema = schema.record({ steps = schema.list(step_schema(), { required = true, check = check_steps }) })

--- What of the board's other keys does not go with one of the steps.
---@param config table
---@param board table
---@return string|nil
function M.check_board(config, board)
    for index, step in ipairs(config.steps) do
        local wrong = powers.check_board(step, board)
        if wrong then
            return ("steps[%d]: %s"):format(index, wrong)
        end
    end
    return nil
end

---@class jflash.power.Sequence
local Sequence = {}
Sequence.__index = Sequence

local function wait(step)
    if step.delay_s > 0 then
        errors.check("host", job.sleep(step.delay_s))
    end
end

function Sequence:on()
    for _, step in ipairs(self.steps) do
        step.power:on()
        wait(step)
    end
end

--- Every supply is switched off, also behind one that fails; that error is raised
--- then, with the others in its message.
function Sequence:off()
    local failures = {}
    for index = #self.steps, 1, -1 do
        local ok, failure = xpcall(self.steps[index].power.off, errors.wrap, self.steps[index].power)
        if not ok then
            table.insert(failures, failure)
        end
    end
    local first = failures[1]
    for index = 2, #failures do
        first.message = ("%s; and %s"):format(first.message, failures[index].message)
    end
    if first then
        first.retry = 0 -- each has had its tries
        error(first, 0)
    end
end

function Sequence:close()
    for _, step in ipairs(self.steps) do
        step.power:close()
    end
end

-- "on" when all say so, "off" when all do; what else is neither.
local function state(self)
    local said
    for _, step in ipairs(self.steps) do
        local one = step.power:state()
        if one == nil then
            return nil
        end
        said = (said == nil or said == one) and one or "mixed"
    end
    return said
end

-- Each supply has a voltage of its own: only the watts are one number.
local function read(self)
    local watts
    for _, step in ipairs(self.steps) do
        local reading = step.power:read()
        if reading and reading.watts then
            watts = (watts or 0) + reading.watts
        end
    end
    return watts and { watts = watts } or nil
end

---@param config table
---@param context {name: string}
---@return jflash.power.Sequence
function M.new(config, context)
    local steps, names, identities = {}, {}, {}
    for index, step in ipairs(config.steps) do
        local own = {}
        for key, value in pairs(step) do
            own[key] = key ~= "delay_s" and value or nil
        end
        local power = powers.open(own, context)
        steps[index] = { power = power, delay_s = step.delay_s }
        names[index], identities[index] = power.describe, power.identity
    end
    return setmetatable({
        steps = steps,
        state = state,
        read = read,
        describe = table.concat(names, ", then "),
        identity = "sequence " .. table.concat(identities, "\n"),
    }, Sequence)
end

return M
