-- SPDX-License-Identifier: Apache-2.0
--
-- Power drivers in tests: opened without pauses, their failures, and a child process that
-- uses one, for drivers whose library is a fake.
local errors = require("jflash.errors")
local powers = require("jflash.power")
local sys = require("jflash.sys")

local M = {}

--- The driver that `config` asks for; what fails is tried again at once.
---@param config table
---@param settle_s number|nil  how long a device may take to tell its state; 0
---@return jflash.Power
function M.open(config, settle_s)
    return powers.open(config, { name = "bench", retry_pause_s = 0, settle_s = settle_s or 0 })
end

--- The error that `action` raises, which is none of ours.
---@param action fun(...)
---@return jflash.Error
function M.failure_of(action, ...)
    local ok, failure = xpcall(action, errors.wrap, ...)
    assert(not ok, "it did not fail")
    assert(failure.class ~= "bug", failure.message)
    return failure
end

-- Prints each step with what it returned, and a failure with its class and hint.
local SCRIPT = [[
local powers = require("jflash.power")
local errors = require("jflash.errors")
local config, steps = load("return " .. arg[1])(), arg[2]
local ok, failure = xpcall(function()
    local power = powers.open(config, { name = "bench", retry_pause_s = 0, settle_s = 0 })
    for step in steps:gmatch("%a+") do
        print(step, power[step](power) or "")
    end
end, errors.wrap)
if not ok then
    print(failure.class, failure.message)
    print("hint", failure.hint)
end
]]

--- Builds a fake library where M.use finds it.
---@param scratch tests.Scratch
---@param name string    "libgpiod.so.2"
---@param source string  in tests/support
function M.build_fake(scratch, name, source)
    local path = assert(sys.realpath(arg[0]:match("^(.*)tests/busted%.lua$") .. "tests/support/" .. source))
    scratch:sh(("cc -shared -fPIC -o %s '%s'"):format(name, path))
end

--- Uses a driver in a child process, which finds libraries in `scratch`; returns what it printed.
---@param scratch tests.Scratch
---@param config string  in Lua
---@param steps string   "on state"
---@param options {env: table|nil, before: string[]|nil}|nil  before: words of a command that runs it
---@return string
function M.use(scratch, config, steps, options)
    options = options or {}
    local before = options.before or {}
    local script = scratch:write("use.lua", SCRIPT)
    local argv = table.move({ sys.process_exe(sys.pid()), "run", script, config, steps },
        1, 5, #before + 1, { table.unpack(before) })
    local env = { LD_LIBRARY_PATH = scratch.path }
    for name, value in pairs(options.env or {}) do
        env[name] = value
    end
    local result = assert(sys.run(argv, { env = env }))
    assert(result.status == 0, result.stderr)
    return result.stdout
end

return M
