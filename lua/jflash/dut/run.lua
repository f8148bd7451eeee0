-- SPDX-License-Identifier: Apache-2.0
--
-- A run's folder: the console's transcript (console.log) and the run's log as
-- JSON lines (events.jsonl). By default a new one under ~/.local/state/jflash/.

local errors = require("jflash.errors")
local log = require("jflash.log")
local sys = require("jflash.sys")

local M = {}

---@class jflash.dut.Run
---@field path string
local Run = {}
Run.__index = Run

local function state_dir()
    local state = sys.getenv("XDG_STATE_HOME")
    if state and state:sub(1, 1) == "/" then
        return state .. "/jflash"
    end
    local home = sys.getenv("HOME")
    if home and home:sub(1, 1) == "/" then
        return home .. "/.local/state/jflash"
    end
    return errors.raise({
        class = "host",
        message = "no place for the run's folder: neither XDG_STATE_HOME nor HOME is set",
        hint = "name one with --run-dir",
    })
end

--- Where jflash keeps what it must remember, as a folder that exists.
M.state_dir = state_dir

local function new_path(board_name)
    local stamp = os.date("!%Y%m%dT%H%M%SZ")
    return ("%s/runs/%s-%s-%s"):format(state_dir(), stamp, board_name, sys.random_hex(2))
end

--- Makes the folder and begins its log.
---@param path string|nil  nil makes a new one
---@param board_name string
---@return jflash.dut.Run
function M.new(path, board_name)
    path = path or new_path(board_name)
    errors.check("host", sys.mkdir(path, { parents = true }))
    local run = setmetatable({ path = path }, Run)
    local file, message = io.open(run:file("events.jsonl"), "a")
    errors.check("host", file, message, "io")
    file:setvbuf("line")
    log.add_sink(function(line)
        file:write(line)
    end)
    return run
end

---@param name string
---@return string path inside the run's folder
function Run:file(name)
    return self.path .. "/" .. name
end

return M
