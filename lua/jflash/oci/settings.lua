-- SPDX-License-Identifier: Apache-2.0
--
-- What a command line and a board say of registries, in one table.

local errors = require("jflash.errors")
local sys = require("jflash.sys")

local M = {}

---What pulling needs to know; all of it may be absent.
---@class jflash.OciSettings
---@field cacert string|nil         a PEM file: these authorities, and no others
---@field insecure boolean|nil      believe any certificate
---@field plain_http boolean|nil    without TLS; a registry on this host may do so unasked
---@field offline boolean|nil       use what is in the cache, and ask nobody
---@field retries integer|nil
---@field arch string|nil           which manifest of an index is meant
---@field lock_folders string[]|nil where jflash.lock is looked for, in this order
---@field login {user: string, password: string}|nil  before all other credentials
---@field verify_key string|nil     a PEM file: what is pulled must be signed by this key
---@field actions string|nil        what tokens are for: "pull" if not said otherwise
---@field client table|nil          further options of registry.open

-- The folder of the file that configures the board, and the working directory.
local function lock_folders(board)
    local folders = { (errors.check("host", sys.cwd())) }
    local source = board and board.source or ""
    local folder = source:match("^(/.*)/[^/]*$")
    if folder and folder ~= folders[1] then
        table.insert(folders, 1, folder)
    end
    return folders
end

--- The settings.
---@param fetch jflash.FetchSettings  whom to trust
---@param options {plain_http: boolean|nil, offline: boolean|nil, retries: integer|nil, arch: string|nil,
---    verify_key: string|nil}
---@param board table|nil
---@return jflash.OciSettings
function M.settle(fetch, options, board)
    return {
        cacert = fetch.cacert,
        insecure = fetch.insecure,
        plain_http = options.plain_http,
        offline = options.offline,
        retries = options.retries or board and board.retries,
        arch = options.arch or board and board.arch,
        lock_folders = lock_folders(board),
        verify_key = options.verify_key or board and board.verify_key,
    }
end

return M
