-- SPDX-License-Identifier: Apache-2.0
--
-- The board's console as the choreography uses it: jflash.console (C) with
-- errors that are raised, and with failure patterns that belong to a phase of
-- the boot. A phase's patterns are armed in every expect of that phase, unless
-- the caller brings its own.

local consoles = require("jflash.console")
local errors = require("jflash.errors")
local job = require("jflash.job")
local log = require("jflash.log")
local paces = require("jflash.pace")
local port_hint = require("jflash.port_hint")

local M = {}

local BANNER = "re:(?m)^U-Boot (?:SPL |TPL )?20\\d\\d\\.\\d\\d"
local PANIC = "Kernel panic - not syncing"

-- Specific texts only: a pattern that ordinary output can contain does not belong here.
local phases = {
    quiet = {}, -- interactive shells, framed commands, power off
    uboot = { BANNER },
    kernel = { PANIC, BANNER },
    shell = { PANIC, BANNER },
}

local meanings = {
    [BANNER] = { code = "reset", text = "the board reset: a U-Boot banner came where none was due" },
    [PANIC] = { code = "panic", text = "the kernel panicked" },
}

-- Console lines that an error shows.
local ERROR_LINES = 12
local ERROR_BYTES = 2000
-- Seconds between two tries to open a console that hung up.
local RECONNECT_PAUSE_S = 0.2
-- One that hangs up again within this time has not come back: its deadline goes on.
local BACK_S = 1

---@class jflash.dut.Console
---@field name string
---@field is_lost boolean  it hung up: it must be opened again
---@field reopened integer  how often it came back after a hang-up
local Console = {
    BANNER = BANNER, -- for those who must tell a reset's banner from one that a command printed
}
Console.__index = Console

---@param config table the board's `console` section
---@param name string  for messages
---@return jflash.dut.Console closed; see Console:open
function M.new(config, name)
    return setmetatable({
        config = config,
        name = name,
        phase_name = "quiet",
        reopened = 0,
        -- Called behind each opening, before the board can say anything.
        on_open = function() end,
    }, Console)
end

--- Of a board; see Console:open.
---@param board table
---@return jflash.dut.Console closed
function M.of_board(board)
    local device = board.console.device
    return M.new(board.console, device == "power" and board.name or device:match("[^/]+$"))
end

--- Drives lines of the console's port from the next opening on, right behind it: for a
--- power driver. They stay as they are when it is closed.
---@param lines {dtr: "on"|"off"|nil, rts: "on"|"off"|nil}
function Console:hold_lines(lines)
    self.held = self.held or {}
    for line, level in pairs(lines) do
        self.held[line] = level
    end
end

-- A line that is left alone is whatever `flow` makes of it.
local function unless_left(signal)
    return signal ~= "leave" and signal or nil
end

-- nil, message, code, errno when it cannot be opened.
local function connect(self, timeout_s)
    local held = self.held or {}
    return consoles.open(self.where, {
        name = self.name,
        baudrate = self.config.baudrate,
        bytesize = self.config.bytesize,
        parity = self.config.parity,
        stopbits = self.config.stopbits,
        flow = self.config.flow,
        cts = self.config.cts,
        dsr = self.config.dsr,
        xon_xoff = self.config.xon_xoff,
        dtr = held.dtr or unless_left(self.config.dtr),
        rts = held.rts or unless_left(self.config.rts),
        hupcl = not self.config.disable_hupcl and not self.held,
        timeout_s = timeout_s or 10,
    })
end

local function take(self, raw)
    self.raw = raw
    self:record(self.transcript_path)
    raw:echo(self.debug or false)
    self.is_lost = false
    self.on_open()
end

--- Connects, or connects again after the board's console has moved.
---@param where string|nil  an address that replaces the configured one
function Console:open(where)
    self:close()
    self.where = where or self.config.device
    self.earlier = nil
    take(self, port_hint.check(self.where, connect(self)))
end

--- Whether a console that hung up is to be opened again: an adapter that was pulled out,
--- a server that was restarted.
---@return boolean
function Console:may_come_back()
    return (self.config.reconnect_s or 0) > 0 and self.config.device ~= "power"
end

--- Lets go of a console that hung up.
function Console:lose()
    self.earlier = self:last_lines()
    self:close()
end

--- Tries once to open it again behind Console:lose. What the board said meanwhile is
--- lost, and whoever waits for more must be able to tell.
---@param timeout_s number|nil
---@return boolean is_back
---@return string|nil message  why not
function Console:try_reopen(timeout_s)
    local raw, message, code = connect(self, timeout_s)
    if not raw then
        errors.check("host", code ~= "cancelled" or nil, message, code)
        return false, message
    end
    take(self, raw)
    self.back_at, self.reopened = job.now(), self.reopened + 1
    return true
end

--- Whether it had not come back for long when it hung up.
---@return boolean
function Console:is_flapping()
    return self.back_at ~= nil and job.now() - self.back_at <= BACK_S
end

-- As try_reopen, for as long as the board's configuration allows.
local function reconnect(self, why)
    if not self:may_come_back() then
        return false
    end
    local now, limit_s = job.now(), self.config.reconnect_s
    if not self:is_flapping() then
        self.reconnect_deadline = now + limit_s
    end
    log.warn("%s; trying for %g s to open it again", why, limit_s)
    self:lose()
    while true do
        errors.check("host", job.sleep(RECONNECT_PAUSE_S))
        local is_back, message = self:try_reopen()
        if is_back then
            log.warn("%s: the console is open again after %.1f s", self.name, self.back_at - now)
            return true
        elseif job.now() >= self.reconnect_deadline then
            log.warn("%s: the console did not come back: %s", self.name, message)
            return false
        end
    end
end

--- Keeps every byte in a file, with times, also over the next openings.
---@param path string|nil  nil ends it
function Console:record(path)
    self.transcript_path = path
    if self.raw then
        errors.check("host", self.raw:transcript(path))
    end
end

--- Whether what the board says is shown on stderr as well.
---@param on boolean
function Console:set_debug(on)
    self.debug = on
    if self.raw then
        self.raw:echo(on)
    end
end

---@param name "quiet"|"uboot"|"kernel"|"shell"
function Console:phase(name)
    assert(phases[name], "no such phase")
    self.phase_name = name
end

-- The open console.
local function opened(self)
    if not self.raw then
        errors.raise({ class = "host", code = "closed", message = self.name .. ": the console is not open",
            hint = "dut:power_on(), dut:power_cycle() and dut:open_console() open it" })
    end
    return self.raw
end

--- The board's last lines, for people.
---@return string
function Console:last_lines()
    local text = (self.earlier and self.earlier .. "\n" or "") .. (self.raw and self.raw:tail(ERROR_BYTES) or "")
    local lines = {}
    for line in text:gmatch("[^\n]+") do
        table.insert(lines, (line:gsub("%c", " ")))
    end
    return table.concat(lines, "\n", math.max(1, #lines - ERROR_LINES + 1))
end

function Console:fail(fields)
    fields.class = fields.class or "board"
    fields.console = self:last_lines()
    self.is_lost = self.is_lost or fields.code == "closed"
    return errors.raise(fields)
end

--- Raises that the board reset.
function Console:fail_reset()
    return self:fail({ code = meanings[BANNER].code, message = self.name .. ": " .. meanings[BANNER].text })
end

local function raise_failed_pattern(self, patterns, match)
    local meaning = meanings[patterns[match.index]]
    if not meaning then
        self:fail({ code = "refused", message = ("%s: %q"):format(self.name, match.text) })
    end
    self:fail({ code = meaning.code, message = self.name .. ": " .. meaning.text })
end

--- Waits for the earliest of several patterns. A string that begins with "re:"
--- is a PCRE2 pattern, every other is plain text.
---@param patterns string|string[]
---@param options {timeout_s: number|nil, fail: string[]|nil, hint: string|nil}|nil
---@return {index: integer, text: string, before: string, captures: string[]}
function Console:expect(patterns, options)
    local match, message, code = self:try_expect(patterns, options)
    if not match then
        self:fail({ code = code, message = message, hint = options and options.hint })
    end
    return match
end

-- As the raw expect, over hang-ups from which the console comes back.
local function expect(self, patterns, timeout_s, fail)
    local deadline = job.now() + timeout_s
    while true do
        local left_s = math.max(deadline - job.now(), 0)
        local match, message, code = opened(self):expect(patterns, { timeout_s = left_s, fail = fail })
        if match or code ~= "closed" or not reconnect(self, message) then
            return match, message, code
        end
    end
end

--- As expect, but a time-out is an answer: nil, message, "timeout". Everything
--- else that goes wrong is raised.
---@param patterns string|string[]
---@param options table|nil as for expect
function Console:try_expect(patterns, options)
    options = options or {}
    local fail = options.fail or phases[self.phase_name]
    local match, message, code = expect(self, patterns, options.timeout_s or 30, fail)
    if not match and code == "timeout" then
        return nil, message, code
    end
    if not match then
        self:fail({ code = code, message = message, hint = options.hint })
    end
    if match.failed then
        raise_failed_pattern(self, fail, match)
    end
    return match
end

--- Raises unless the console was open all the time since it had been reopened
--- `reopened` times: what came meanwhile is not whole, whatever its end says.
---@param reopened integer
---@param what string  for the message
function Console:check_whole(reopened, what)
    if self.reopened ~= reopened then
        self:fail({ code = "gap",
            message = ("%s: the console was away during %s: its output is not whole"):format(self.name, what) })
    end
end

--- Lets time pass, but not past a failure pattern of the phase.
---@param seconds number
function Console:watch(seconds)
    if #phases[self.phase_name] > 0 then
        self:try_expect({}, { timeout_s = seconds })
    else
        errors.check("host", job.sleep(seconds))
    end
end

--- How many bytes went over the line so far, both ways.
---@return integer
function Console:traffic()
    local stats = opened(self):stats()
    return stats.sent_bytes + stats.received_bytes
end

-- A key (Ctrl-C, Enter, an interrupt key) is no line.
local function pause_before_line(self, text)
    local pause_s = self.config.line_delay_s or 0
    if pause_s > 0 and #text > 1 then
        errors.check("host", job.sleep(pause_s))
    end
end

--- Types a text, at no more than console.cps characters per second. When the console
--- hangs up and comes back, nobody knows how much has arrived: only an answer tells.
---@param text string
---@param options {cps: number|nil, timeout_s: number|nil}|nil
function Console:send(text, options)
    options = options or {}
    pause_before_line(self, text)
    local cps = paces.slower(options.cps, self.config.cps)
    local ok, message, code = opened(self):send(text, {
        cps = cps,
        timeout_s = options.timeout_s or 10 + #text / (cps or 100),
    })
    if not ok and not (code == "closed" and reconnect(self, message)) then
        self:fail({ code = code, message = message })
    end
end

--- Forgets what was received: the next expect sees only what comes now.
function Console:discard()
    opened(self):discard()
end

--- Cleaned text that no expect has consumed.
---@return string
function Console:pending()
    return opened(self):pending()
end

--- The last text received.
---@param max_bytes integer
---@return string
function Console:tail(max_bytes)
    return opened(self):tail(max_bytes)
end

--- The byte of the escape key.
---@return string
function Console:escape_byte()
    local letter = self.config.escape_key:match("^%^(.)$")
    return letter and string.char(letter:upper():byte() & 0x1f) or self.config.escape_key
end

--- The live terminal of jflash.console, to be closed: see jflash.live for one with
--- a menu.
function Console:live()
    return (errors.check("host", opened(self):attach({ escape = self:escape_byte() })))
end

--- A live terminal until the escape key, the input's end or a hang-up.
---@return string why "escape", "closed" or "eof"
function Console:attach()
    local live <close> = self:live()
    local why
    repeat
        why = errors.check("host", live:run())
    until why ~= "resized"
    return why
end

---@param duration_ms integer|nil
function Console:send_break(duration_ms)
    errors.check("board", opened(self):send_break(duration_ms or 250))
end

function Console:close()
    if self.raw then
        self.raw:close()
        self.raw = nil
    end
end

return M
