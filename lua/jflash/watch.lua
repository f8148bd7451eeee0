-- SPDX-License-Identifier: Apache-2.0
--
-- `jflash console --watch`: what a board says to the run that is using it, from that
-- run's transcript. The board, its console and its lock are not touched.

local errors = require("jflash.errors")
local job = require("jflash.job")
local locks = require("jflash.board_lock")
local log = require("jflash.log")
local powers = require("jflash.power")
local reader = require("jflash.report.reader")
local results = require("jflash.report.result")
local runs = require("jflash.dut.run")
local sys = require("jflash.sys")
local transcripts = require("jflash.transcript")

local M = {}

local POLL_S = 0.05
-- Between two looks at the lock: at most so much later is a run's end seen.
local LOCK_S = 0.2
-- A run writes its result when it has released the board.
local RESULT_S = 3
local DEFAULT_ROWS = 24
-- A terminal that takes nothing for so long (Ctrl-S) ends the watching.
local WRITE_S = 3600

local function sleep(seconds)
    errors.check("host", job.sleep(seconds))
end

local function await_holder(board, find, wait_s)
    local deadline = job.now() + wait_s
    local holder = find()
    if not holder and wait_s > 0 then
        log.info("no run uses board %s: waiting up to %g s for one", board.name, wait_s)
    end
    while not holder and job.now() < deadline do
        sleep(POLL_S)
        holder = find()
    end
    return holder or errors.raise({
        class = "host",
        code = "unused",
        message = ("no run uses board %s: there is nothing to watch"):format(board.name),
        hint = ("jflash console --board %s opens its console; --wait SECONDS waits for a run"):format(board.name),
    })
end

-- nil while the run has not opened its console yet.
local function open_transcript(board, holder)
    local path = holder.folder .. "/" .. runs.CONSOLE
    local info, _, _, errno = sys.stat(path)
    if not info and errno == "ENOENT" then
        return nil
    end
    local ok, value = pcall(transcripts.open, path)
    if ok then
        return value
    end
    local failure = errors.wrap(value)
    failure.hint = failure.class == "host"
        and ("only the run's user and root can read its folder: sudo -u %s jflash console --watch --board %s"):format(
            holder.text:match("user (%S+),") or "USER", board.name) or failure.hint
    return error(failure, 0)
end

-- The last screenful.
local function last_rows(text)
    local _, rows = sys.terminal_size(1)
    local left = (rows and rows > 1 and rows or DEFAULT_ROWS) - 1
    local at = #text
    while at > 0 do
        if text:byte(at) == 10 and at < #text then
            left = left - 1
            if left == 0 then
                return text:sub(at + 1)
            end
        end
        at = at - 1
    end
    return text
end

local function show(text)
    if text ~= "" then
        errors.check("host", sys.write(1, text, { timeout_s = WRITE_S }))
    end
end

-- Shows what comes until the holder of the lock is another, or none. A holder begins
-- its transcript when it likes, and another one later.
local function follow(board, find, holder)
    local transcript <close> = setmetatable({}, { __close = function(own)
        if own.file then
            own.file:close()
        end
    end })
    local folder, looked = nil, job.now()
    local now = holder
    while now and now.pid == holder.pid do
        local opened = now.folder and now.folder ~= folder and open_transcript(board, now)
        if opened then
            if transcript.file then
                transcript.file:close()
            end
            folder, transcript.file = now.folder, opened
            show(last_rows(transcript.file:read()))
        elseif transcript.file then
            show(transcript.file:read())
        end
        sleep(POLL_S)
        if job.now() - looked >= LOCK_S then
            now, looked = find(), job.now()
        end
    end
    if transcript.file then
        show(transcript.file:read())
    end
    return folder
end

local function await_result(folder, pid)
    local deadline = job.now() + RESULT_S
    local path = folder .. "/" .. results.FILE
    while not sys.stat(path) and pid and sys.process_start(pid) and job.now() < deadline do
        sleep(POLL_S)
    end
    return sys.stat(path) and reader.read(folder) or nil
end

local function tell_end(board, folder, pid)
    local result = folder and await_result(folder, pid)
    if not folder then
        log.info("the run has ended")
    elseif not result then
        -- A shell has none, and what was killed; that may have left the power on.
        log.info("the run has ended, without a result: %s; whether the board is on: jflash power state --board %s",
            folder, board.name)
    elseif result.status == 0 then
        log.info("the run has ended: success (jflash report %s)", folder)
    else
        log.info("the run has ended: status %d, %s", result.status,
            result.error and result.error.message or result.class)
    end
end

--- Shows a board's console until the run that uses it ends.
---@param board table          see jflash.config
---@param wait_s number|nil  how long to wait for a run when there is none
function M.run(board, wait_s)
    local power = powers.open(board.power, { name = board.name, warn = log.warn })
    local function find()
        return locks.holder(board, power)
    end
    local holder = await_holder(board, find, wait_s or 0)
    log.info("watching board %s: %s", board.name, holder.text)
    if not holder.folder then
        log.info("that process keeps no transcript yet")
    end
    local folder = follow(board, find, holder)
    log.raw("\n")
    tell_end(board, folder, holder.pid)
end

return M
