-- SPDX-License-Identifier: Apache-2.0
--
-- The virtual board: a QEMU machine that is powered by being started and cut off
-- by being killed. It outlives the command that started it, as a real board does:
-- its sockets and its process number lie in a state folder, where the next
-- command finds it.
--
-- QEMU starts with its processor stopped, so that the console can be connected
-- before the board says its first word: prepare(), connect, on().

local errors = require("jflash.errors")
local job = require("jflash.job")
local json = require("jflash.json")
local machine = require("jflash.power.qemu_machine")
local qmp = require("jflash.power.qmp")
local sys = require("jflash.sys")

local M = {}

M.summary = "a virtual board, run by QEMU"
M.schema = machine.schema

local START_S = 30
local KILL_S = 10
local LOCK_S = 20
local POLL_S = 0.02
local LOG_LINES = 4

---@class jflash.power.Qemu
local Qemu = {}
Qemu.__index = Qemu

---@param config table
---@param context {name: string}
---@return jflash.power.Qemu
function M.new(config, context)
    local settings = machine.settings(config, context.name)
    return setmetatable({
        machine = settings,
        qmp_path = settings.dir .. "/qmp.sock",
        console_path = settings.dir .. "/console.sock",
        state_path = settings.dir .. "/state.json",
        log_path = settings.dir .. "/qemu.log",
        describe = ("virtual board %s (%s in %s)"):format(context.name, settings.binary, settings.dir),
        identity = "qemu " .. settings.dir,
        console_moves = true,
    }, Qemu)
end

-- Whether the process is the QEMU of this state folder.
local function is_ours(self, pid)
    for _, argument in ipairs(sys.process_cmdline(pid) or {}) do
        if argument:find(machine.escape(self.qmp_path), 1, true) then
            return true
        end
    end
    return false
end

local function recorded_pid(self)
    local text = sys.read_file(self.state_path)
    local state = text and json.decode(text)
    if type(state) ~= "table" or math.type(state.pid) ~= "integer" or state.pid <= 0 then
        return nil
    end
    local same = sys.process_start(state.pid) == state.start_ticks
    return same and is_ours(self, state.pid) and state.pid or nil
end

-- The process that listens at the control socket: found also when the command
-- that started it was killed before it could record it.
local function listening_pid(self)
    local socket <close> = sys.connect_unix(self.qmp_path)
    local peer = socket and socket:peer()
    return peer and is_ours(self, peer.pid) and peer.pid or nil
end

---@return integer|nil pid
local function running_pid(self)
    if not sys.stat(self.machine.dir) then
        return nil
    end
    machine.check_dir(self.machine)
    return recorded_pid(self) or listening_pid(self)
end

-- Only one command at a time starts or kills the machine.
local function take_lock(self)
    machine.make_dir(self.machine)
    local lock, message, code = sys.lock(self.machine.dir .. "/lock", { wait_s = LOCK_S })
    return errors.check("host", lock, message, code)
end

local function forget(self)
    for _, path in ipairs({ self.qmp_path, self.console_path, self.state_path }) do
        sys.remove(path)
    end
end

local function last_words(self)
    local text = sys.read_file(self.log_path) or ""
    local lines = {}
    for line in text:gmatch("[^\n]+") do
        table.insert(lines, line)
    end
    return table.concat(lines, "\n", math.max(1, #lines - LOG_LINES + 1))
end

local function raise_died(self)
    local words = last_words(self)
    local hint = "the whole output is in " .. self.log_path
    if words:find('Failed to get "write" lock', 1, true) then
        hint = "another QEMU has the file open: switch that board off, "
            .. "or use another with --set power.drive=PATH"
    end
    errors.raise({
        class = "host",
        code = "closed",
        message = ("power on: %s ended at once: %s"):format(self.machine.binary, words),
        hint = hint,
    })
end

local function spawn(self)
    local process, message, code = sys.spawn(machine.command(self.machine, self), {
        detach = true,
        stdout = self.log_path,
        stderr = self.log_path,
    })
    if not process then
        errors.raise({
            class = "host",
            code = code,
            retry = 0,
            message = "power on: " .. message,
            hint = machine.package_hint(self.machine.binary),
        })
    end
    return process
end

local function record(self, process)
    local state = json.encode({
        pid = process:pid(),
        start_ticks = sys.process_start(process:pid()),
        qmp = self.qmp_path,
        console = self.console_path,
    })
    errors.check("host", sys.write_file(self.state_path, state .. "\n"))
end

-- QEMU opens the control socket before its drives, so it may still end here.
local function greet(self, process, socket)
    local ok, failure = xpcall(qmp.new, errors.wrap, socket, self.qmp_path)
    socket:close()
    if ok then
        return
    end
    if failure.code == "closed" and process:wait({ timeout_s = KILL_S }) then
        raise_died(self)
    end
    error(failure, 0)
end

-- Waits until QEMU answers at its control socket.
local function wait_ready(self, process)
    local deadline = job.now() + START_S
    while job.now() < deadline do
        if not process:alive() then
            raise_died(self)
        end
        local socket = sys.connect_unix(self.qmp_path)
        if socket then
            return greet(self, process, socket)
        end
        errors.check("host", job.sleep(POLL_S))
    end
    errors.raise({
        class = "host",
        code = "timeout",
        message = ("power on: %s did not answer within %d s"):format(self.machine.binary, START_S),
        hint = "its output is in " .. self.log_path,
    })
end

-- Undoes a start that failed or was cancelled.
local function give_up(self, process)
    local _ <close> = job.mask(KILL_S)
    process:kill("KILL")
    process:wait()
    forget(self)
end

local function start(self)
    machine.check_files(self.machine)
    forget(self)
    sys.remove(self.log_path)
    local process <close> = spawn(self)
    local _ <close> = setmetatable({}, {
        __close = function(_, failure)
            if failure then
                give_up(self, process)
            end
        end,
    })
    record(self, process)
    wait_ready(self, process)
end

--- Starts the machine with its processor stopped; nothing when it is there.
function Qemu:prepare()
    local _ <close> = take_lock(self)
    if not running_pid(self) then
        start(self)
    end
end

--- Lets the machine run; starts it first when it is not there.
function Qemu:on()
    self:prepare()
    local control <close> = qmp.connect(self.qmp_path)
    if not control:execute("query-status").running then
        control:execute("cont")
    end
end

--- Kills the machine, as pulling the plug does.
function Qemu:off()
    if not sys.stat(self.machine.dir) then
        return -- was never on
    end
    local _ <close> = take_lock(self)
    local pid = running_pid(self)
    if pid then
        local _, message, code = sys.kill(pid, "KILL")
        if code and code ~= "closed" then
            errors.raise({ class = "host", code = code, message = "power off: " .. message })
        end
        errors.check("host", sys.wait_exit(pid, { timeout_s = KILL_S }))
    end
    forget(self)
end

---@return "on"|"off"
function Qemu:state()
    return running_pid(self) and "on" or "off"
end

---@return string
function Qemu:console_address()
    return "unix:" .. self.console_path
end

return M
