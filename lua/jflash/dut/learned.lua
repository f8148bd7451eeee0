-- SPDX-License-Identifier: Apache-2.0
--
-- What runs have learned about a board: how fast its console can be typed at, in
-- ~/.local/state/jflash/boards/NAME/pace.json. It is a convenience: whatever is wrong
-- with the file costs a warning, and typing starts at full speed.

local json = require("jflash.json")
local log = require("jflash.log")
local paces = require("jflash.pace")
local sys = require("jflash.sys")
local xdg = require("jflash.xdg")

local M = {}

-- The board's file; nil when there is no place for it.
local function path_of(board)
    local folder = xdg.folder("state")
    local name = board.name:gsub("[^%w._-]", "_"):gsub("^%.", "_")
    return folder and ("%s/boards/%s/pace.json"):format(folder, name)
end

local function decode(text)
    local ok, value = pcall(json.decode, text)
    return ok and type(value) == "table" and value or nil
end

--- The pace that earlier runs have learned, or full speed.
---@param board table  see jflash.config
---@return jflash.Pace
function M.load(board)
    local path = path_of(board)
    if not path or not sys.stat(path) then
        return paces.new()
    end
    local text, message = sys.read_file(path, { limit_bytes = 4096 })
    local kept = text and decode(text)
    -- Another console is another line.
    if kept and kept.device ~= nil and kept.device ~= board.console.device then
        return paces.new()
    end
    local pace = kept and paces.resume(kept)
    if not pace then
        log.warn("%s is ignored: %s", path, message or "no learned pace")
        return paces.new()
    end
    log.info("typing starts at %d characters per second, as learned (%s)", pace:cps(), path)
    return pace
end

local function write(path, text)
    local new = ("%s.%s"):format(path, sys.random_hex(4))
    local ok, message = sys.mkdir(path:match("^(.*)/"), { parents = true })
    if ok then
        ok, message = sys.write_file(new, text)
    end
    if ok then
        ok, message = sys.rename(new, path)
        if not ok then
            sys.remove(new)
        end
    end
    return ok, message
end

--- Keeps what this run has learned, and forgets what it has found to be over.
---@param board table  see jflash.config
---@param pace jflash.Pace
function M.store(board, pace)
    local path = path_of(board)
    local state, is_proven = pace:state()
    if not path or not is_proven then
        return
    end
    local ok, message = true, nil
    if state then
        state.device = board.console.device
        ok, message = write(path, json.encode(state) .. "\n")
    elseif sys.stat(path) then
        ok, message = sys.remove(path)
    end
    if not ok then
        log.warn("the learned pace could not be kept: %s", message)
    end
end

return M
