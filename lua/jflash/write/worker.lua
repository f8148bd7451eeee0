-- SPDX-License-Identifier: Apache-2.0
--
-- A script that works on the board's storage in the background while this side
-- watches it: it fetches, decodes, writes or reads, and leaves the status of each
-- of its parts in files, so that a failure is never taken for success.

local errors = require("jflash.errors")
local job = require("jflash.job")
local log = require("jflash.log")
local scopes = require("jflash.scope")

local M = {}

--- Where the script and its status files lie: the flasher's RAM.
M.FOLDER = "/tmp/jflash"

local FOLDER = M.FOLDER
-- Seconds in which a process that was killed is gone, unless its device holds it.
local KILLED_S = 3
-- Seconds between two looks: a short work is seen early, a long one not disturbed.
local FIRST_POLL_S, LAST_POLL_S = 0.1, 1

---@class jflash.Worker
local Worker = {}
Worker.__index = Worker

-- What every worker script begins with. "pid" is its process group too (setsid),
-- so that all its parts can be stopped at once.
local PROLOGUE = "D=" .. FOLDER .. [[

mkdir -p "$D" && cd "$D" || exit 1
rm -f pid position done *.status *.err digest
echo $$ >pid
]]
local EPILOGUE = "\necho done >done\n"

-- Prints where the work is, and "done" at the end.
local POLL = "{ cd " .. FOLDER .. "; [ -e done ]&&echo done;%s; cd /; } 2>/dev/null"

-- The position of the process whose number is in "position" (dd's offset in its
-- output or input), without starting a process.
local POSITION = [[read p <position&&while read k v;do [ "$k" = pos: ]&&echo "at $v";]]
    .. [[done</proc/$p/fdinfo/%d]]

--- Brings a script to the board, its digest checked there, and starts it.
---@param dut jflash.Dut
---@param body string           shell commands; they run in the worker's folder
---@param options {what: string, total_bytes: integer|nil, stall_s: number, descriptor: 0|1|nil, position: string|nil,
---    origin: integer|nil}
---    descriptor: one that the process whose number is in "position" has open while it works; its offset
---    is how far it is, unless `position` is a command that prints "at BYTES"; origin: where it begins
---@return jflash.Worker to be closed: `local worker <close> = workers.start(...)`
function M.start(dut, body, options)
    local shell = dut.shell
    shell:run("mkdir -p " .. FOLDER)
    shell:put(dut.http, PROLOGUE .. body .. EPILOGUE, FOLDER .. "/script")
    local detach = shell:test("command -v setsid >/dev/null") and "setsid " or ""
    -- In a subshell, so that the script is no child of the interactive shell: a
    -- busybox ash without echo takes the SIGCHLD of an ending job for end of file.
    shell:run(("rm -f %s/done; (%ssh %s/script </dev/null >/dev/null 2>&1 &)"):format(
        FOLDER, detach, FOLDER))
    local worker = setmetatable({ dut = dut, shell = shell, running = true }, Worker)
    for key, value in pairs(options) do
        worker[key] = value
    end
    worker.poll = POLL:format(options.position or POSITION:format(options.descriptor))
    worker.started = job.now()
    worker.moved = worker.started
    worker.position = 0
    return worker
end

local function note_position(self, position)
    if position <= self.position then
        return
    end
    self.position = position
    self.moved = job.now()
    local rate = (position - (self.origin or 0)) / math.max(self.moved - self.started, 0.001)
    log.progress(self.what, position, self.total_bytes, rate)
end

local function raise_stalled(self)
    self.dut.console:fail({
        code = "timeout",
        at = "shell",
        message = ("%s: no progress for %g s at %d bytes"):format(
            self.what, self.stall_s, self.position),
        hint = "a slow or dying medium? timeouts.write_stall_s and verify_stall_s bound a silence",
    })
end

--- Waits until the script has ended. Raises when nothing moves for `stall_s`, when
--- the kernel panics or the board resets. Between two looks the console's failure
--- patterns are armed.
---@param still_moving fun(): integer|nil  bytes that moved elsewhere (sent by the server)
function Worker:wait(still_moving)
    local elsewhere, poll_s = 0, FIRST_POLL_S
    repeat
        local output = self.shell:frame(self.poll, { timeout_s = 20 })
        note_position(self, tonumber(output:match("at (%d+)")) or 0)
        local sent = still_moving and still_moving() or 0
        if sent ~= elsewhere then
            elsewhere = sent
            self.moved = job.now()
        end
        self.running = not output:find("done", 1, true)
        if self.running and job.now() - self.moved > self.stall_s then
            raise_stalled(self)
        end
        if self.running then
            self.dut.console:watch(poll_s)
            poll_s = math.min(2 * poll_s, LAST_POLL_S)
        end
    until not self.running
    self.elapsed_s = job.now() - self.started
end

--- The text of a file that the script left; "" when there is none.
---@param name string
---@return string
function Worker:result(name)
    local output = self.shell:frame(("cat %s/%s 2>/dev/null"):format(FOLDER, name))
    return (output:gsub("%s+$", ""))
end

--- The lines of a file that the script left, from one on.
---@param name string
---@param first integer  from 1
---@return string
function Worker:lines(name, first)
    return (self.shell:frame(("tail -n +%d %s/%s 2>/dev/null"):format(first, FOLDER, name)))
end

--- Leaves an empty file for the script: something that it is to notice.
---@param name string
function Worker:tell(name)
    self.shell:run((": >%s/%s"):format(FOLDER, name))
end

--- A part's exit status; nil when it left none.
---@param part string
---@return integer|nil
function Worker:status(part)
    return math.tointeger(tonumber(self:result(part .. ".status")))
end

-- After these the board runs nothing of ours any more, or cannot be told to stop:
-- then the power switch does.
local GONE = { panic = true, reset = true, closed = true, silent = true }

-- Whether the process that works on the storage is gone. One that waits for its
-- device cannot be killed.
local function is_gone(self)
    local deadline = job.now() + KILLED_S
    repeat
        if not self.shell:test(("test -e /proc/$(cat %s/position 2>/dev/null)/fd/%d"):format(FOLDER,
            self.descriptor)) then
            return true
        end
        self.dut.console:watch(FIRST_POLL_S)
    until job.now() >= deadline
    return false
end

--- Stops all parts of a script that still runs, so that nothing writes any more.
function Worker:close()
    if self.running then
        self.running, self.is_stuck = false, true
        self.shell:frame(("kill -KILL -$(cat %s/pid)"):format(FOLDER), { timeout_s = 5, tries = 2 })
        self.is_stuck = not is_gone(self)
    end
end

--- Whether a failure says that the board's shell cannot be told anything any more.
---@param failure any
---@return boolean
function M.is_gone(failure)
    return errors.is(failure) and GONE[failure.code] or false
end

function Worker:__close(failure)
    if M.is_gone(failure) then
        return
    end
    local caused = scopes.unwind(failure, "stop what works on the board's storage", function()
        self:close()
    end)
    if self.is_stuck and caused then
        caused.at = nil -- only the power stops it
    end
    if caused ~= failure then
        error(caused, 0)
    end
end

return M
