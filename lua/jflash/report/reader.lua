-- SPDX-License-Identifier: Apache-2.0
--
-- Finds the runs' folders and reads what they tell. Of a run that left no result
-- (it was killed, or is still going on) the events say how far it came.

local errors = require("jflash.errors")
local json = require("jflash.json")
local nearest = require("jflash.nearest")
local results = require("jflash.report.result")
local runs = require("jflash.dut.run")
local sys = require("jflash.sys")

local M = {}

M.UNFINISHED = "ended without a result"
M.RUNNING = "still running"

local LIMIT_BYTES = 64 * 1024 * 1024
-- Messages of an unfinished run that are shown.
local LAST_MESSAGES = 5

local function refuse(message, hint)
    errors.raise({ class = "config", code = "missing", message = message, hint = hint })
end

local function is_run(path)
    return sys.stat(path .. "/" .. results.FILE) ~= nil or sys.stat(path .. "/" .. runs.EVENTS) ~= nil
end

--- The names of the runs in the default folder, the latest first: they begin with
--- the time.
---@return string[]
function M.names()
    local names = {}
    for _, name in ipairs(sys.list(runs.folder()) or {}) do
        if is_run(runs.folder() .. "/" .. name) then
            table.insert(names, 1, name)
        end
    end
    return names
end

--- The folder of a run.
---@param run string|nil  a folder, or a name in the default folder; nil: the latest
---@return string path
function M.find(run)
    local names = M.names()
    if run and is_run(run) then
        return run
    elseif not run and #names == 0 then
        refuse(("there are no runs in %s"):format(runs.folder()), "name the folder of one")
    end
    local name = run or names[1]
    local path = runs.folder() .. "/" .. name
    if name:find("/", 1, true) or not is_run(path) then
        refuse(("no run %q%s: neither a run's folder nor one in %s"):format(name,
            nearest.hint(name, names), runs.folder()), "jflash report --list shows them")
    end
    return path
end

-- A line that was being written when the end came is none.
local function read_events(path)
    local text = errors.check("host", sys.read_file(path, { limit_bytes = LIMIT_BYTES }))
    local events = {}
    for line in text:gmatch("[^\n]+") do
        local event = json.decode(line)
        if type(event) == "table" then
            table.insert(events, event)
        end
    end
    return events
end

-- Whether the process that wrote the first line is still there, and not another of
-- the same number.
local function is_running(first)
    return first.pid ~= nil and sys.process_start(first.pid) == first.process_start
end

local function add_step(document, event, began)
    if event.event == "begin" then
        table.insert(document.steps, {
            name = event.step, started_s = event.time - began, elapsed_s = 0, tries = 1, ok = false,
        })
    elseif event.event == "end" then
        local step = document.steps[#document.steps]
        step.elapsed_s, step.ok = event.step_s, event.ok
    end
end

local function from_events(path)
    local events = read_events(path .. "/" .. runs.EVENTS)
    local first, last = events[1] or {}, events[#events] or {}
    local document = {
        result = is_running(first) and M.RUNNING or M.UNFINISHED,
        board = first.board, command = first.command, jflash = first.jflash,
        started = first.time and os.date("!%Y-%m-%dT%H:%M:%SZ", math.floor(first.time)),
        elapsed_s = first.time and last.time - first.time,
        steps = setmetatable({}, json.array), pieces = setmetatable({}, json.array),
        last_messages = setmetatable({}, json.array),
    }
    for index, event in ipairs(events) do
        add_step(document, event, first.time)
        if index > #events - LAST_MESSAGES then
            table.insert(document.last_messages, event.message)
        end
    end
    return document
end

--- What a run's folder tells.
---@param path string
---@return table document  as in result.json; without `status` when the run left none
function M.read(path)
    local document
    if sys.stat(path .. "/" .. results.FILE) then
        local text = errors.check("host", sys.read_file(path .. "/" .. results.FILE))
        document = errors.check("host", json.decode(text, path .. "/" .. results.FILE))
    else
        document = from_events(path)
    end
    document.folder = path
    return document
end

return M
