-- SPDX-License-Identifier: Apache-2.0
--
-- A run's folder: the console's transcript (console.log), the run's log as JSON
-- lines (events.jsonl) and, when it has ended, its result (report/result.lua). By
-- default a new one under ~/.local/state/jflash/. Nothing removes old ones.

local errors = require("jflash.errors")
local log = require("jflash.log")
local runtime = require("jflash.runtime")
local sys = require("jflash.sys")
local xdg = require("jflash.xdg")

local M = {}

M.CONSOLE = "console.log"
M.EVENTS = "events.jsonl"

---@class jflash.dut.Run
---@field path string
---@field board_name string
---@field command string|nil  of jflash
local Run = {}
Run.__index = Run

--- Where runs' folders are by default; it need not exist.
---@return string
function M.folder()
    return xdg.need("state", "the run's folder", "name one with --run-dir") .. "/runs"
end

local function new_path(board_name)
    local stamp = os.date("!%Y%m%dT%H%M%SZ")
    return ("%s/%s-%s-%s"):format(M.folder(), stamp, board_name, sys.random_hex(2))
end

-- A folder that is used again must not tell of an earlier run.
local function remove_old_result(path)
    local result = path .. "/result.json"
    if sys.stat(result) then
        errors.check("host", sys.remove(result))
    end
end

--- Makes the folder and begins its log.
---@param path string|nil  nil makes a new one
---@param board_name string
---@param command string|nil  the command of jflash that this is a run of
---@return jflash.dut.Run
function M.new(path, board_name, command)
    path = path or new_path(board_name)
    errors.check("host", sys.mkdir(path, { parents = true }))
    remove_old_result(path)
    local run = setmetatable({ path = path, board_name = board_name, command = command }, Run)
    local file, message = io.open(run:file(M.EVENTS), "w")
    errors.check("host", file, message, "io")
    file:setvbuf("line")
    log.add_sink(function(line)
        file:write(line)
    end)
    log.record("the run begins", {
        board = board_name, command = command, jflash = runtime.version,
        pid = sys.pid(), process_start = sys.process_start(sys.pid()),
    })
    return run
end

---@param name string
---@return string path inside the run's folder
function Run:file(name)
    return self.path .. "/" .. name
end

return M
