-- SPDX-License-Identifier: Apache-2.0
--
-- Power by DTR or RTS of a serial port, with a relay or a reset circuit behind it: a port
-- of its own, or that of the board's console. The system raises both lines whenever a
-- port is opened, so it stays open until the run ends, and the line is set right behind
-- the opening; closed, the port keeps it (no HUPCL). For the same reason nobody can ask a
-- port that is not open: its state is unknown then.

local consoles = require("jflash.console")
local errors = require("jflash.errors")
local places = require("jflash.console_place")
local port_hint = require("jflash.port_hint")
local schema = require("jflash.schema")

local M = {}

M.summary = "DTR or RTS of a serial port, the console's too, with a relay or reset circuit behind"

M.schema = schema.record({
    device = schema.string({ nullable = true, check = places.check_port }),
    line = schema.enum({ "dtr", "rts", "both" }, { required = true }),
    invert = schema.boolean({ default = false }),
    pulse_s = schema.duration({ nullable = true, min = 0.001 }),
})

local LINES = { dtr = { "dtr" }, rts = { "rts" }, both = { "dtr", "rts" } }
-- What of `console.flow` needs a line.
local FLOWS = { rtscts = "rts", dtrdsr = "dtr" }

-- Whether two places are written the same, or are names of one terminal now.
local function is_same(one, other)
    local terminal = one ~= other and consoles.find(one)
    return one == other or terminal ~= nil and terminal == consoles.find(other)
end

local function uses_console(config, console)
    return config.device == nil or console ~= nil and is_same(config.device, console.device)
end

--- What of the board's other keys does not go with this power; nil when all do.
---@param config table
---@param board table
---@return string|nil
function M.check_board(config, board)
    local console = board.console
    if not uses_console(config, console) then
        return nil
    end
    if not places.is_port(console.device) then
        return ("serial-lines without the key 'device' drives the console's port, and %s has no modem lines"):format(
            console.device)
    end
    for _, line in ipairs(LINES[config.line]) do
        if FLOWS[console.flow] == line then
            return ("line %s is needed by console.flow: %s"):format(line, console.flow)
        elseif console[line] ~= "leave" then
            return ("line %s is set by console.%s: %s; leave that key out"):format(line, line, console[line])
        end
    end
    return nil
end

---@class jflash.power.SerialLines
---@field console jflash.dut.Console|nil  whose port it is
---@field own userdata|nil  the driver's own port, once it is open
local SerialLines = {}
SerialLines.__index = SerialLines

-- "on" or "off" of each line for a state of the board.
local function levels(self, state)
    local level = (state == "on") ~= self.config.invert and "on" or "off"
    local result = {}
    for _, line in ipairs(LINES[self.config.line]) do
        result[line] = level
    end
    return result
end

local HINTS = {
    unsupported = "ptys and plain sockets have none: use a tty, or an RFC 2217 server in front of one",
    io = "is it plugged in? jflash power --help serial-lines says how ports are named",
}

local function raise(what, failure)
    if failure.class == "host" then
        failure.retry = (failure.code == "unsupported" or port_hint.is_final(failure.errno)) and 0 or nil
        failure.message = ("power %s: %s"):format(what, failure.message)
        failure.hint = port_hint.of(failure.message, failure.errno) or HINTS[failure.code]
    end
    error(failure, 0)
end

local function fail(what, message, code, errno)
    raise(what, errors.new({ class = "host", code = code, message = message, errno = errno }))
end

-- The open port; nil when there is none.
local function port(self)
    if self.console then
        return not self.console.is_lost and self.console.raw or nil
    end
    return self.own
end

local function open(self, what, lines)
    if self.console then
        local ok, failure = xpcall(self.console.open, errors.wrap, self.console)
        if not ok then
            raise(what, failure)
        end
        return
    end
    local own, message, code, errno = consoles.open(self.config.device, {
        hupcl = false, dtr = lines.dtr, rts = lines.rts,
    })
    if not own then
        fail(what, message, code, errno)
    end
    self.own = own
end

-- Another try opens the port again.
local function give_up(self, code)
    if self.console then
        self.console.is_lost = self.console.is_lost or code == "closed" or code == "io"
    end
    self:close()
end

local function set(self, what)
    local lines = levels(self, what)
    if self.console then
        self.console:hold_lines(lines)
    end
    local now = port(self)
    if not now then
        return open(self, what, lines)
    end
    local wanted = {}
    for line, level in pairs(lines) do
        wanted[line] = level == "on"
    end
    local ok, message, code = now:set_modem(wanted)
    if not ok then
        give_up(self, code)
        fail(what, message, code)
    end
end

function SerialLines:on()
    set(self, "on")
end

function SerialLines:off()
    set(self, "off")
end

function SerialLines:state()
    local now = port(self)
    if not now then
        return nil
    end
    local modem, message, code = now:modem()
    if not modem then
        return code ~= "unsupported" and fail("state", message, code) or nil
    end
    local said
    for _, line in ipairs(LINES[self.config.line]) do
        if modem[line] == nil then
            return nil
        end
        local one = modem[line] ~= self.config.invert and "on" or "off"
        said = (said == nil or said == one) and one or "mixed"
    end
    return said
end

--- Closes the port of its own; the lines stay.
function SerialLines:close()
    if self.own then
        self.own:close()
        self.own = nil
    end
end

---@param config table
---@param context {name: string, console: jflash.dut.Console|nil}
---@return jflash.power.SerialLines
function M.new(config, context)
    local console = context.console
    local shared = uses_console(config, console and console.config)
    local self = setmetatable({
        config = config,
        console = shared and console or nil,
        off_time_s = config.pulse_s,
        describe = ("%s of %s of board %s"):format(config.line == "both" and "DTR and RTS" or config.line:upper(),
            shared and "the console" or config.device, context.name),
        identity = ("serial-lines %s %s"):format(config.device or "console", config.line),
    }, SerialLines)
    if self.console then
        -- Opening raises the line; a board whose console is open is on.
        self.console:hold_lines(levels(self, "on"))
    end
    return self
end

return M
