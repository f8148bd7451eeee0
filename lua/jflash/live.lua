-- SPDX-License-Identifier: Apache-2.0
--
-- A board's console as a person's live terminal. The escape key (console.escape_key,
-- Ctrl-]) opens a menu: one key more, and the terminal goes on. What the board says
-- while the menu stands is shown behind it.

local errors = require("jflash.errors")
local job = require("jflash.job")
local log = require("jflash.log")
local sys = require("jflash.sys")

local M = {}

-- A new size is told once nothing went over the line for so long: what is typed
-- between a prompt and its answer would be mixed with it.
local QUIET_S = 0.3
-- Between two tries to open a console that hung up. The pause doubles while it hangs up
-- again at once.
local FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5
-- No key is looked at during a try.
local OPEN_S = 3

---@class jflash.Live
---@field dut jflash.Dut
---@field tell_size nil|fun(columns: integer, rows: integer): boolean
---@field key string  the escape key's name, as people read it
local Live = {}
Live.__index = Live

local function say(text, ...)
    log.raw("[jflash: " .. text:format(...) .. "]\n")
end

-- On a terminal in raw mode, which stays so: a Ctrl-C that was meant for the board would
-- end us otherwise.
local function say_raw(text, ...)
    log.raw("[jflash: " .. text:format(...) .. "]\r\n")
end

------------------------------------------------------------------------------
-- The menu

local function on(self)
    self.dut:power_on()
    say("power on")
end

local function off(self)
    self.dut:power_off()
    say("power off")
end

local function cycle(self)
    self.dut:power_cycle()
    say("power is on again")
end

local function send_break(self)
    self.dut.console:send_break()
    say("break sent")
end

local function toggle_log(self)
    local dut, path = self.dut, self.dut.console.transcript_path
    if path then
        dut.console:record(nil)
        say("log off: %s", path)
    elseif dut.run then
        dut.console:record(dut.run:file("console.log"))
        say("log on: %s", dut.console.transcript_path)
    else
        dut:start_run()
    end
end

local function lua_prompt(self)
    say("Lua, with the board as dut; Ctrl-D goes back to the terminal")
    self.dut.console:discard()
    require("jflash.repl").new(self.dut):converse()
end

local function tell_size(self)
    if self.tell_size then
        self.tell_size(sys.terminal_size(0))
    else
        say("there is no shell to tell it")
    end
end

local function send_escape(self)
    self.dut.console:send(self.dut.console:escape_byte())
end

-- In the order in which the help shows them.
local ITEMS = {
    { "o", "power on", on },
    { "f", "power off", off },
    { "c", "power cycle", cycle },
    { "b", "send a break", send_break },
    { "l", "log on or off: the console's transcript", toggle_log },
    { "s", "tell the shell this terminal's size (stty)", tell_size },
    { ":", "Lua prompt, with the board as dut", lua_prompt },
    { "q", "quit" },
    { "?", "this help" },
}

local BRIEF = "o on, f off, c cycle, b break, l log, s size, : Lua, q quit, ? help"

local function help(self)
    for _, item in ipairs(ITEMS) do
        log.raw(("  %s  %s\n"):format(item[1], item[2]))
    end
    log.raw(("  %s  send %s itself\n  any other key: go on\n"):format(self.key, self.key))
end

local function action_of(self, key)
    if key == self.dut.console:escape_byte() then
        return send_escape
    end
    for _, item in ipairs(ITEMS) do
        if item[1] == key then
            return item[3]
        end
    end
end

-- The terminal outlives what went wrong, but not a signal.
local function attempt(self, action)
    local ok, failure = xpcall(action, errors.wrap, self)
    if ok then
        return
    end
    if failure.class == "cancelled" then
        error(failure, 0)
    end
    say("%s", failure.message)
    if failure.hint then
        say("hint: %s", failure.hint)
    end
end

-- The person's next key, with the terminal as the person left it for what follows.
local function read_key(self)
    local key, message, code = self.live:key()
    self.live:rest()
    if not key and code ~= "closed" then
        errors.check("host", nil, message, code)
    end
    return key or "q"
end

-- One visit; true when the person wants to leave.
local function menu(self)
    self.live:rest()
    log.raw("\n")
    say("%s", BRIEF)
    local key = read_key(self)
    while key == "?" do
        help(self)
        key = read_key(self)
    end
    if key == "q" then
        return true
    end
    local action = action_of(self, key)
    if action then
        attempt(self, action)
    end
    return false
end

------------------------------------------------------------------------------
-- The terminal

-- What came of the board's console while it is not open stays what it is: nothing.
local function connect(self)
    if self.live then
        self.live:close()
    end
    self.live = self.dut.console:live()
end

-- Tells a size that is due, unless something is going on.
local function try_size(self)
    local traffic = self.dut.console:traffic()
    local columns, rows = sys.terminal_size(0)
    if columns and traffic == self.traffic and self.tell_size(columns, rows) then
        self.size_is_due = false
    end
    self.traffic = traffic
end

-- A board that was switched off here may have taken its console with it.
local function is_off(self)
    return self.dut.power.console_moves and self.dut.power:state() == "off"
end

-- A key while there is no console; true when the person wants to leave. Others than
-- the escape key are for a board that cannot get them.
local function take_key(self, timeout_s)
    local key, message, code = self.live:key({ timeout_s = timeout_s })
    if not key and code ~= "timeout" and code ~= "closed" then
        errors.check("host", nil, message, code)
    end
    return code == "closed" or (key == self.dut.console:escape_byte() and menu(self))
end

-- Tries to open the console again; tells why it cannot when that is new.
local function try_reopen(self, failure)
    local is_back, message = self.dut.console:try_reopen(OPEN_S)
    if is_back or message ~= failure then
        say_raw("%s", is_back and "the console is open again" or message)
    end
    return message
end

-- The console hung up: tries to open it again for as long as it takes. True when the
-- person leaves.
local function await_return(self)
    local console = self.dut.console
    self.pause_s = console:is_flapping() and math.min(2 * self.pause_s, LONGEST_PAUSE_S) or FIRST_PAUSE_S
    log.raw("\r\n")
    say_raw("the console hung up; waiting for it to come back, %s q leaves", self.key)
    console:lose()
    local failure
    local due = job.now() + self.pause_s
    while not console.raw do
        if take_key(self, math.max(due - job.now(), 0)) then
            return true
        end
        if not console.raw and job.now() >= due then
            failure = try_reopen(self, failure)
            due = job.now() + self.pause_s
        end
    end
    return false
end

local function converse(self)
    while true do
        local timeout_s = self.size_is_due and QUIET_S or nil
        local why = errors.check("host", self.live:run({ timeout_s = timeout_s }))
        if why == "resized" then
            self.size_is_due = self.tell_size ~= nil
        elseif why == "timeout" then
            try_size(self)
        elseif why == "escape" or (why == "closed" and is_off(self)) then
            if menu(self) then
                return "quit"
            end
        elseif why == "closed" and self.waits then
            if await_return(self) then
                return "quit"
            end
        else
            return why
        end
    end
end

--- Makes a live terminal of the board's console, which is open. When that hangs up and
--- may come back (console.reconnect_s), a person at a terminal waits for it.
---@param dut jflash.Dut
---@param options {tell_size: nil|fun(columns: integer, rows: integer): boolean, greet: string|nil}|nil
---  tell_size tells the board's shell the terminal's size, and says whether it could;
---  greet is typed at the beginning, so that a prompt is seen
---@return string why  "quit", "closed" (the console hung up) or "eof" (the input ended)
function M.run(dut, options)
    options = options or {}
    local key = dut.console.config.escape_key:gsub("^%^", "Ctrl-")
    local self = setmetatable({ dut = dut, tell_size = options.tell_size, key = key }, Live)
    self.waits = sys.isatty(0) and dut.console:may_come_back()
    local was_shown = dut.console.debug
    dut.console:set_debug(false)
    dut.console.on_open = function() connect(self) end
    local _ <close> = setmetatable({}, { __close = function()
        dut.console.on_open = function() end
        self.live:close()
        dut.console:set_debug(was_shown)
    end })
    connect(self)
    log.info("live console of %s; %s opens the menu", dut.name, key)
    if options.greet then
        dut.console:send(options.greet)
    end
    local why = converse(self)
    errors.check("host", job.check())
    self.live:rest()
    return why
end

return M
