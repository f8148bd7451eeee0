-- SPDX-License-Identifier: Apache-2.0
--
-- A recipe is a list of named steps. A user derives from a stock recipe and
-- changes one step, or puts something before or behind it:
--
--     local recipe = require("jflash.recipe.flash"):derive()
--     function recipe.interrupt(dut) … end
--     recipe:after("login", function(dut) dut.shell:run("…") end)
--     return recipe
--
-- Running it means: each step in its order, timed and named in every error; a
-- failure that can pass by itself is tried again, from the earliest step that
-- must be repeated.

local errors = require("jflash.errors")
local job = require("jflash.job")
local log = require("jflash.log")
local nearest = require("jflash.nearest")

local M = {}

---@class jflash.Recipe
---@field order string[]  the steps' names, in order
---@field command string  the command of jflash whose options it takes
local Recipe = { is_recipe = true, command = "flash" }
Recipe.__index = Recipe

-- A misspelt step would otherwise be ignored without a word.
local function set_step(recipe, name, value)
    for _, step in ipairs(recipe.order) do
        if step == name then
            rawset(recipe, name, value)
            return
        end
    end
    errors.raise({
        class = "config",
        code = "step",
        message = ("the recipe has no step %q%s"):format(name, nearest.hint(name, recipe.order)),
        hint = "its steps: " .. table.concat(recipe.order, ", "),
    })
end

---@param order string[]
---@return jflash.Recipe whose steps are to be assigned
function M.new(order)
    local recipe = { order = order, hooks = { before = {}, after = {} } }
    return setmetatable(recipe, { __index = Recipe, __newindex = set_step })
end

---@return boolean
function M.is(value)
    return type(value) == "table" and value.is_recipe == true
end

local function copy_hooks(hooks)
    local copy = {}
    for step, list in pairs(hooks) do
        copy[step] = table.move(list, 1, #list, 1, {})
    end
    return copy
end

--- A recipe that does what this one does until something in it is changed.
---@param order string[]|nil    other steps, or fewer, in their order
---@param command string|nil    the command that runs it, when it is another
---@return jflash.Recipe
function Recipe:derive(order, command)
    local child = {
        order = table.move(order or self.order, 1, #(order or self.order), 1, {}),
        command = command,
        hooks = { before = copy_hooks(self.hooks.before), after = copy_hooks(self.hooks.after) },
    }
    return setmetatable(child, { __index = self, __newindex = set_step })
end

local function append_hooks(hooks, more)
    for step, list in pairs(more) do
        hooks[step] = hooks[step] or {}
        table.move(list, 1, #list, #hooks[step] + 1, hooks[step])
    end
end

--- This recipe's order and its own steps, with another recipe under it: what a user
--- changed in that one holds here too.
---@param base jflash.Recipe
---@return jflash.Recipe
function Recipe:over(base)
    local child = base:derive(self.order, self.command)
    for name, value in pairs(self) do
        if type(value) == "function" then
            child[name] = value
        end
    end
    append_hooks(child.hooks.before, self.hooks.before)
    append_hooks(child.hooks.after, self.hooks.after)
    return child
end

local function add_hook(recipe, place, step, hook)
    if type(recipe[step]) ~= "function" then
        set_step(recipe, step, nil)
    end
    local list = recipe.hooks[place][step] or {}
    table.insert(list, hook)
    recipe.hooks[place][step] = list
end

--- Does something before a step, each time the step is done.
---@param step string
---@param hook fun(dut: jflash.Dut)
function Recipe:before(step, hook)
    add_hook(self, "before", step, hook)
end

--- Does something behind a step, each time the step was done.
---@param step string
---@param hook fun(dut: jflash.Dut)
function Recipe:after(step, hook)
    add_hook(self, "after", step, hook)
end

local function do_step(recipe, name, dut)
    -- A step that never waits would not notice.
    errors.check("host", job.check())
    for _, hook in ipairs(recipe.hooks.before[name] or {}) do
        hook(dut)
    end
    recipe[name](dut)
    for _, hook in ipairs(recipe.hooks.after[name] or {}) do
        hook(dut)
    end
end

local function attempt(recipe, name, dut)
    log.step(name)
    log.record("the step begins", { event = "begin" })
    dut.report:begin_step(name)
    local ok, failure = xpcall(do_step, errors.wrap, recipe, name, dut)
    failure = not ok and failure or nil
    local elapsed_s = dut.report:end_step(failure)
    log.record(ok and "the step is done" or "the step failed",
        { event = "end", ok = ok, step_s = elapsed_s, failure = failure and failure.message })
    if failure then
        failure.step = failure.step or name
    end
    return failure
end

-- What of a server's failures passes by itself. A refusal, a wrong digest or a bad
-- certificate stays.
local PASSING = { network = true, timeout = true, closed = true }

-- How often a failure may be tried again: what its raiser says, else by class.
local function limit_of(failure)
    local passes = failure.class == "board" or failure.class == "source" and PASSING[failure.code]
    return failure.retry or (passes and math.huge or 0)
end

-- A failure's own limit is for the same failure of the same thing.
local function kind_of(failure)
    return ("%s %s %s"):format(failure.step, failure.code, failure.subject or "")
end

-- What is left of the run's tries, and of the failure's own.
local function tries_left(failure, dut, used)
    local of_kind = used.by_kind[kind_of(failure)] or 0
    return math.min(dut.options.retries - used.total, limit_of(failure) - of_kind)
end

local function index_of(list, value)
    for index, entry in ipairs(list) do
        if entry == value then
            return index
        end
    end
end

-- The earliest step that must be repeated. What the board still answers decides:
-- its U-Boot prompt, its flasher's shell, or nothing but the power switch. A server's
-- failure says nothing of the board.
local function resume_at(recipe, position, failure)
    local step = recipe.order[position]
    if failure.class == "source" and not failure.at then
        return position
    end
    local answering = { uboot = "load", shell = step == "verify" and "write" or step }
    local again = index_of(recipe.order, answering[failure.at])
        or index_of(recipe.order, "power_cycle") or 1
    return math.min(again, position)
end

local function back_off(used)
    local ok, message, code = job.sleep(2 ^ used)
    errors.check("host", ok, message, code)
end

local function note_try(used, failure)
    local kind = kind_of(failure)
    used.total = used.total + 1
    used.by_kind[kind] = (used.by_kind[kind] or 0) + 1
end

--- Runs all steps. Raises the failure that could not be repaired by trying again.
---@param dut jflash.Dut
---@param before string|nil  only the steps before this one
function Recipe:run(dut, before)
    local position, used = 1, { total = 0, by_kind = {} }
    local last = before and assert(index_of(self.order, before), before) - 1 or #self.order
    while position <= last do
        local failure = attempt(self, self.order[position], dut)
        if not failure then
            position = position + 1
        elseif tries_left(failure, dut, used) <= 0 then
            error(failure, 0)
        else
            position = resume_at(self, position, failure)
            log.warn("%s (trying again from %s, %d tries left)", failure.message,
                self.order[position], tries_left(failure, dut, used) - 1)
            back_off(used.total)
            note_try(used, failure)
        end
    end
    log.step(nil)
end

return M
