-- SPDX-License-Identifier: Apache-2.0
--
-- The user's folders, as the XDG Base Directory Specification names them. A path in
-- the environment that is not absolute is ignored, as it says.

local errors = require("jflash.errors")
local sys = require("jflash.sys")

local M = {}

---@alias jflash.xdg.kind "cache"|"config"|"data"|"state"

-- By kind: the variable, and the folder in the home folder that it stands for.
local PLACES = {
    cache = { "XDG_CACHE_HOME", ".cache" },
    config = { "XDG_CONFIG_HOME", ".config" },
    data = { "XDG_DATA_HOME", ".local/share" },
    state = { "XDG_STATE_HOME", ".local/state" },
}

local function absolute(variable)
    local path = sys.getenv(variable)
    return path and path:sub(1, 1) == "/" and path or nil
end

--- The home folder.
---@return string|nil
function M.home()
    return absolute("HOME")
end

--- Where jflash's files of a kind belong; it need not exist.
---@param kind jflash.xdg.kind
---@return string|nil path  nil: the environment does not say
function M.folder(kind)
    local variable, in_home = table.unpack(PLACES[kind])
    local home = M.home()
    local base = absolute(variable) or home and home .. "/" .. in_home
    return base and base .. "/jflash"
end

--- As M.folder; raises when there is no such place.
---@param kind jflash.xdg.kind
---@param what string  is to lie there
---@param hint string
---@return string
function M.need(kind, what, hint)
    return M.folder(kind) or errors.raise({
        class = "host",
        message = ("no place for %s: neither %s nor HOME is set"):format(what, PLACES[kind][1]),
        hint = hint,
    })
end

return M
