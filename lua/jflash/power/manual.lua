-- SPDX-License-Identifier: Apache-2.0
--
-- Power by the person at the terminal, who is asked to turn the switch.

local errors = require("jflash.errors")
local schema = require("jflash.schema")
local sys = require("jflash.sys")

local M = {}

M.summary = "the person at the terminal, who is asked to turn the switch"

M.schema = schema.record({ timeout_s = schema.duration({ default = 600.0 }) })

local STDIN = 0
local CLEAR_LINE = "\r\27[K" -- a progress bar may stand there

---@class jflash.power.Manual
local Manual = {}
Manual.__index = Manual

---@param config table
---@param context {name: string}
---@return jflash.power.Manual
function M.new(config, context)
    return setmetatable({
        name = context.name,
        timeout_s = config.timeout_s,
        describe = "power switch of board " .. context.name .. ", turned by hand",
        identity = "manual " .. context.name,
    }, Manual)
end

-- The descriptor of the terminal that shows the question; nil when there is none.
local function screen()
    if not sys.isatty(STDIN) then
        return nil
    end
    return sys.isatty(2) and 2 or sys.isatty(1) and 1 or nil
end

local function ask(self, position)
    local fd = screen()
    if not fd then
        errors.raise({
            class = "host",
            code = "unsupported",
            retry = 0,
            message = ("power %s: board %s is switched by hand, and there is no terminal to ask at")
                :format(position, self.name),
            hint = "run it at a terminal, or give the board another power type",
        })
    end
    local question = ("%sBoard %s: switch the power %s, then press Enter: "):format(
        CLEAR_LINE, self.name, position:upper())
    errors.check("host", sys.write(fd, question))
    local line, message, code = sys.read_line(STDIN, { timeout_s = self.timeout_s })
    if not line then
        sys.write(fd, "\n")
        errors.raise({
            class = "host",
            code = code,
            retry = 0,
            message = ("power %s: nobody confirmed it: %s"):format(position, message),
        })
    end
end

function Manual:on()
    ask(self, "on")
end

function Manual:off()
    ask(self, "off")
end

return M
