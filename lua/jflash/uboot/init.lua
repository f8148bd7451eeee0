-- SPDX-License-Identifier: Apache-2.0
--
-- U-Boot's command line. A typed line is compared with its echo before Enter and
-- typed again, slower, when it was damaged. Each command is framed by a marker
-- that its own echo cannot contain: the line says ${jf}, the output says what
-- that variable holds. So no wait depends on a prompt that noise may hit.

local errors = require("jflash.errors")
local job = require("jflash.job")
local log = require("jflash.log")
local network = require("jflash.uboot.network")
local paces = require("jflash.pace")
local sys = require("jflash.sys")
local words = require("jflash.uboot.words")

local M = {}

-- U-Boot cuts longer lines without a word (CONFIG_SYS_CBSIZE is 512 or more).
local LONGEST_LINE = 500
local CTRL_C = "\3"
-- Seconds an echo may lag behind the last character, at most.
local ECHO_S = 2
-- An echo that has begun does not pause this long.
local ECHO_QUIET_S = 0.4
local PROMPT_S = 5
-- Seconds that the prompt may come behind a command's last word.
local PROMPT_BEHIND_S = 1
-- Seconds that a command may take to its end once it has printed U-Boot's banner.
local BEHIND_BANNER_S = 1

local SILENCE_HINT = "has the board power, and is this its console? Check the cable, "
    .. "console.device and console.baudrate"

---@class jflash.UBoot
local UBoot = {}
UBoot.__index = UBoot

---@param console jflash.dut.Console
---@param config table the board's `uboot` section
---@param pace jflash.Pace|nil  nil makes a new one
---@return jflash.UBoot
function M.new(console, config, pace)
    return setmetatable({
        console = console, config = config, pace = pace or paces.new(), sequence = 0,
    }, UBoot)
end

--- Waits for U-Boot's prompt.
---@param timeout_s number|nil
function UBoot:wait_prompt(timeout_s)
    return self.console:expect(self.config.prompt, { timeout_s = timeout_s or self.config.command_timeout_s })
end

-- A key as it is written in the configuration.
local function key_name(key)
    return '"' .. key:gsub("%c", function(byte) return ("\\x%02x"):format(byte:byte()) end) .. '"'
end

local function autoboot_hint(config)
    return ("the prompt %q did not come; check uboot.prompt, uboot.interrupt_key (%s) and the "
        .. "console's baud rate"):format(config.prompt, key_name(config.interrupt_key))
end

-- Types the interrupt keys again and again until the prompt comes.
local function press_keys(self, deadline)
    local config = self.config
    repeat
        self.console:send(config.interrupt_key)
        local match = self.console:try_expect(config.prompt, {
            timeout_s = config.interrupt_interval_s,
            fail = {},
        })
        if match then
            return true
        end
    until job.now() >= deadline
    return false
end

-- Waits for the announcement of autoboot, where there is one. Returns whether the
-- prompt came instead: autoboot is off, or what it tried failed.
local function await_autoboot(self)
    local config = self.config
    return config.autoboot_text ~= nil and self.console:expect({ config.autoboot_text, config.prompt }, {
        timeout_s = config.interrupt_timeout_s,
        fail = {},
        hint = "the board did not announce its autoboot; check uboot.autoboot_text",
    }).index == 2
end

--- Stops autoboot: types `interrupt_key` every `interrupt_interval_s` until the
--- prompt comes, from `autoboot_text` on when the board's configuration has one.
function UBoot:interrupt()
    local config = self.config
    local deadline = job.now() + config.interrupt_timeout_s
    if not await_autoboot(self) and not press_keys(self, deadline) then
        local silent = self.console:tail(1) == ""
        self.console:fail({
            code = "timeout",
            message = ("%s: no U-Boot prompt within %g s%s"):format(self.console.name,
                config.interrupt_timeout_s, silent and ", the board said nothing" or ""),
            hint = silent and SILENCE_HINT or autoboot_hint(config),
        })
    end
    self:settle()
end

--- Brings a prompt that may have keys typed behind it to a known state.
function UBoot:settle()
    self.console:phase("uboot")
    self:clear_line()
    self.nonce = sys.random_hex(4)
    self.status_known = true
    self:type_line("setenv jf " .. self.nonce .. " ")
    self.console:send("\r")
    self:await_prompt()
    local _, status = self:frame("echo ready", { timeout_s = PROMPT_S })
    self.status_known = status ~= nil
    if not self.status_known then
        log.info("this U-Boot does not tell a command's status: its words are read instead")
    end
end

-- Waits for the prompt behind a command. Noise may have hit it: Ctrl-C brings
-- another.
function UBoot:await_prompt()
    if not self.console:try_expect(self.config.prompt, { timeout_s = PROMPT_BEHIND_S }) then
        self:clear_line()
    end
end

-- Throws away what stands on the line: Ctrl-C, and everything up to the prompt
-- that answers it.
function UBoot:clear_line()
    for _ = 1, 5 do
        self.console:send(CTRL_C)
        if self.console:try_expect(self.config.prompt, { timeout_s = 1 }) then
            -- Answers to several keys may be under way: take all that are there.
            while self.console:try_expect(self.config.prompt, { timeout_s = 0.05 }) do
                self.console:watch(0)
            end
            return
        end
    end
    self.console:fail({
        code = "timeout",
        message = self.console.name .. ": U-Boot does not answer Ctrl-C with its prompt",
    })
end

-- Waits for the echo of `line`; nil when it came damaged: then it ends, and the rest
-- is silence.
local function await_echo(self, line)
    local deadline = job.now() + ECHO_S + #line / 1000
    local seen = ""
    repeat
        local match = self.console:try_expect(line, { timeout_s = ECHO_QUIET_S })
        if match then
            return match
        end
        local now = self.console:pending()
        if now ~= "" and now == seen then
            return nil
        end
        seen = now
    until job.now() >= deadline
    return nil
end

-- Types `line` once; true when its echo came back as typed. What is typed ends in
-- a space, so that a last character that was doubled does no harm.
local function type_once(self, line)
    self.console:send(line, { cps = self.pace:cps() })
    local match = await_echo(self, line)
    return match ~= nil and not match.before:find("%S")
end

--- Types a line, without Enter, until its echo is what was typed.
---@param line string
function UBoot:type_line(line)
    if #line > LONGEST_LINE then
        errors.raise({
            class = "config",
            code = "limit",
            message = ("U-Boot command of %d characters: it would be cut at %d"):format(
                #line, LONGEST_LINE),
            hint = "split it: put parts into variables by setenv and run them",
        })
    end
    for attempt = 1, 6 do
        if type_once(self, line) then
            self.pace:intact()
            return
        end
        self.pace:damaged()
        log.warn("typed line was damaged on the console (try %d), typing it again slower", attempt)
        self:clear_line()
    end
    self.console:fail({
        code = "protocol",
        message = ("%s: U-Boot's echo differs from what was typed, six times"):format(
            self.console.name),
        hint = "set console.cps to a number of characters per second that the board bears",
    })
end

-- A hint may be a function: what it says is known only once a command has failed.
local function hint_of(options)
    local hint = options and options.hint
    return type(hint) == "function" and hint() or hint
end

-- Types a command with its frame and Enter; returns the pattern of the frame's
-- end, whose capture is the status.
local function enter_framed(self, command)
    self.sequence = self.sequence + 1
    self:type_line(("%s; echo =${jf}.%d $? "):format(command, self.sequence))
    self.console:send("\r")
    return ("re:(?m)^=%s\\.%d(| .*)$\\n"):format(self.nonce, self.sequence)
end

-- Waits for the end of a frame, without the failure patterns of the phase: its command
-- may print a banner (version does). Only one that no end follows is a reset's. Returns
-- the output that was seen, and the match when the end has come.
local function await_end(self, pattern, timeout_s)
    local seen = ""
    local patterns = { pattern, self.console.BANNER }
    local deadline = job.now() + timeout_s
    repeat
        local match, message, code = self.console:try_expect(patterns, { timeout_s = timeout_s, fail = {} })
        if match and match.index == 1 then
            return seen .. match.before, match
        elseif match then
            seen = seen .. match.before .. match.text
            timeout_s = BEHIND_BANNER_S
        elseif seen ~= "" then
            self.console:fail_reset()
        else
            return nil, nil, message, code
        end
    until job.now() >= deadline + BEHIND_BANNER_S
    return self.console:fail_reset()
end

--- As UBoot:frame, but a time-out is an answer: nil, message, "timeout".
---@param command string
---@param options {timeout_s: number|nil, tick: fun()|nil, tick_s: number|nil}|nil
function UBoot:try_frame(command, options)
    options = options or {}
    local pattern = enter_framed(self, command)
    local deadline = job.now() + (options.timeout_s or self.config.command_timeout_s)
    local reopened = self.console.reopened
    local output, match
    repeat
        local left = math.max(deadline - job.now(), 0)
        local message, code
        local slice = options.tick and math.min(options.tick_s or 0.5, left) or left
        output, match, message, code = await_end(self, pattern, slice)
        if not match and job.now() >= deadline then
            return nil, message, code
        end
        if not match and options.tick then
            options.tick()
        end
    until match
    self.console:check_whole(reopened, "a command")
    self:await_prompt()
    return (output:gsub("^[^\n]*\n", "", 1)), math.tointeger(tonumber(match.captures[1]))
end

--- Runs a command and returns its output and its status; nil for a status that
--- this U-Boot does not tell. Raises nothing about the status: see UBoot:run.
---@param command string
---@param options {timeout_s: number|nil, tick: fun()|nil, tick_s: number|nil, hint: string|nil}|nil
---@return string output
---@return integer|nil status
function UBoot:frame(command, options)
    local output, status, code = self:try_frame(command, options)
    if not output then
        self.console:send(CTRL_C)
        self.console:fail({ code = code, message = ("U-Boot: %s: %s"):format(command, status),
            hint = hint_of(options) })
    end
    return output, status
end

--- The words in a command's output that say that it failed, or nil.
function UBoot.complaint(_, output)
    return words.complaint(output)
end

--- Runs a command and raises, class board, when it failed.
---@param command string
---@param options {timeout_s: number|nil, hint: nil|string|fun(): string, tick: fun()|nil}|nil
---@return string output
function UBoot:run(command, options)
    options = options or {}
    local output, status = self:frame(command, options)
    local failed = status and status ~= 0 or (status == nil and self:complaint(output) ~= nil)
    if failed then
        self.console:fail({
            code = "status",
            at = "uboot",
            retry = options.retry,
            message = ("U-Boot: %s: %s"):format(command, (words.reason(output))),
            hint = words.advice(output) or hint_of(options),
        })
    end
    return output
end

--- Ctrl-C to a command that hangs; the prompt is back afterwards.
function UBoot:abort()
    self:clear_line()
end

---@param name string
---@param value string|nil  nil removes the variable
function UBoot:setenv(name, value)
    self:run(value and ("setenv %s %s"):format(name, value) or ("setenv %s"):format(name))
end

--- A variable's value; nil when it is unset.
---@param name string
---@return string|nil
function UBoot:getenv(name)
    local output = self:run(("echo [${%s}]"):format(name))
    local value = output:match("%[(.-)%]")
    return value ~= "" and value or nil
end

--- Gives the board an address and returns what it has.
---@param settings table the board's `network` section
---@return {ipaddr: string, netmask: string|nil, gateway: string|nil}
function UBoot:network(settings)
    return network.configure(self, settings)
end

--- Loads a file by TFTP and proves that as many bytes arrived as it has.
---@param address string
---@param name string        as the TFTP server knows it
---@param size_bytes integer
---@param options {timeout_s: number, tick: fun(), hint: nil|string|fun(): string}
function UBoot:tftpboot(address, name, size_bytes, options)
    local output = self:run(("tftpboot %s %s"):format(address, name), {
        timeout_s = options.timeout_s,
        tick = options.tick,
        hint = options.hint,
    })
    local got = output:match("Bytes transferred = (%d+)")
    if tonumber(got) ~= size_bytes then
        self.console:fail({
            code = "protocol",
            at = "uboot",
            message = ("U-Boot: tftpboot %s: %s bytes arrived of %d"):format(
                name, got or "no", size_bytes),
        })
    end
end

--- Starts the operating system. Returns once the command was entered; when it
--- comes back, `returned` (a pattern) matches with the status as its capture.
---@param command string
---@return string returned
function UBoot:boot(command)
    return enter_framed(self, command)
end

return M
