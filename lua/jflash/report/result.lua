-- SPDX-License-Identifier: Apache-2.0
--
-- result.json: what a run did and how it ended, for machines and for
-- `jflash report`. Written in one piece at the very end, however that came; a run
-- that was killed leaves none.

local errors = require("jflash.errors")
local job = require("jflash.job")
local json = require("jflash.json")
local log = require("jflash.log")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")

local M = {}

--- The number of the file's format: goes up when something in it changes its meaning.
M.FORMAT = 1
M.FILE = "result.json"

-- Seconds that the writing may take when the run was cancelled.
local WRITE_S = 10

-- Without registered secrets, and as JSON takes it: what a board says need not be
-- UTF-8.
local function presentable(value)
    if type(value) == "string" then
        local text = job.redact(value)
        return utf8.len(text) and text or (text:gsub("[\x80-\xff]", "?"))
    elseif type(value) ~= "table" then
        return value
    end
    local copy = setmetatable({}, getmetatable(value))
    for key, entry in pairs(value) do
        copy[key] = presentable(entry)
    end
    return copy
end

local function error_fields(failure)
    if not failure then
        return nil
    end
    return {
        class = failure.class, code = failure.code, step = failure.step, message = failure.message,
        hint = failure.hint, console = failure.console, cleanup = failure.cleanup,
        traceback = failure.traceback,
    }
end

local function timestamp(seconds)
    return os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(seconds))
end

--- The whole result as a table.
---@param run jflash.dut.Run
---@param report jflash.Report
---@param failure jflash.Error|nil
---@return table
function M.make(run, report, failure)
    local fields = report:fields()
    local now = sys.time()
    fields.format = M.FORMAT
    fields.jflash = runtime.version
    fields.command = run.command
    fields.board = run.board_name
    fields.started = timestamp(now - report:elapsed_s())
    fields.ended = timestamp(now)
    fields.elapsed_s = report:elapsed_s()
    fields.class = failure and failure.class or "success"
    fields.status = failure and errors.status(failure) or 0
    fields.error = error_fields(failure)
    fields.bundle = report.bundle
    fields.power = report.power
    fields.steps = setmetatable(fields.steps, json.array)
    fields.pieces = setmetatable(fields.pieces, json.array)
    return presentable(fields)
end

--- Writes the result into the run's folder. One that cannot be written never hides how
--- the run ended.
---@param run jflash.dut.Run
---@param report jflash.Report
---@param failure jflash.Error|nil
function M.keep(run, report, failure)
    local _ <close> = job.mask(WRITE_S)
    local text = json.encode(M.make(run, report, failure), { pretty = true }) .. "\n"
    local ok, message = sys.write_file(run:file(M.FILE), text)
    if ok then
        return
    elseif failure then
        errors.append_cleanup(failure, "write the run's result", message)
    else
        log.warn("the run's result could not be written: %s", message)
    end
end

return M
