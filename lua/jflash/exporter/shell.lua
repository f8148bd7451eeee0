-- SPDX-License-Identifier: Apache-2.0
--
-- Jumpstarter's shell driver as a board's power: its methods on, off and cycle are
-- the commands of power type command.

local schema = require("jflash.schema")

local M = { part = "power" }

local USED = { "on", "off", "cycle" }
local DEFAULT_SHELL = { "bash", "-c" }
local DEFAULT_TIMEOUT_S = 300

local function command_of(method)
    return type(method) == "table" and method.command or method
end

local function check_method(method)
    local command = command_of(method)
    return type(command) ~= "string" and "expected a command, or a map with the key 'command'" or nil
end

M.config = schema.record({
    methods = schema.map(schema.open({ check = check_method }), { required = true }),
    shell = schema.list(schema.string()),
    timeout = schema.integer({ min = 1 }),
    cwd = schema.string({ nullable = true, filled = true }),
    log_level = schema.string({ idle = "for Jumpstarter's own log" }),
})

-- The command as /bin/sh runs it: by the driver's shell, in its folder, with the
-- method's name as $0.
local function wrap(values, name, command)
    local quote = require("jflash.shell").quote
    local words = {}
    for _, word in ipairs(values.shell or DEFAULT_SHELL) do
        words[#words + 1] = quote(word)
    end
    local line = ("exec %s %s %s"):format(table.concat(words, " "), quote(command), quote(name))
    return values.cwd and ("cd %s && %s"):format(quote(values.cwd), line) or line
end

-- Seconds that the slowest of the methods may take.
local function timeout(values)
    local longest
    for _, name in ipairs(USED) do
        local method = values.methods[name]
        if method then
            local own = type(method) == "table" and math.tointeger(method.timeout)
            longest = math.max(longest or 0, own or values.timeout or DEFAULT_TIMEOUT_S)
        end
    end
    return longest
end

---The board's keys from the driver's values, each with the key of `config` that it
---comes from; or nil and what is missing.
---@param values table
---@return { key: string, text: string, plain: boolean?, from: string? }[]?
---@return string? missing
function M.map(values)
    local keys = { { key = "power.type", text = "command" } }
    for _, name in ipairs(USED) do
        local method = values.methods[name]
        if method then
            keys[#keys + 1] = {
                key = "power." .. name, text = wrap(values, name, command_of(method)), from = "methods." .. name,
            }
        elseif name ~= "cycle" then
            return nil, ("switches a board only with the methods on and off; it has no %s"):format(name)
        end
    end
    keys[#keys + 1] = {
        key = "power.timeout_s", text = tostring(timeout(values)), plain = true,
        from = values.timeout and "timeout" or nil,
    }
    return keys
end

return M
