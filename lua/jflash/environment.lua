-- SPDX-License-Identifier: Apache-2.0
--
-- The secrets that stand in the environment. They are taken out of it when the
-- program starts, so that no child process inherits them; this module is small, since
-- every start reads it.

local job = require("jflash.job")
local sys = require("jflash.sys")

local M = {}

-- Whether a variable's value is a secret, by its name.
local VARIABLES = { JFLASH_BEARER = true, OCI_USERNAME = false, OCI_PASSWORD = true }

local taken = {}

--- Takes them out of the environment, and makes the secrets known to the log.
function M.take()
    for name, is_secret in pairs(VARIABLES) do
        taken[name] = sys.take_env(name) or taken[name]
        if is_secret and taken[name] then
            job.secret(taken[name])
        end
    end
end

--- The value of a variable that was taken.
---@param name "JFLASH_BEARER"|"OCI_USERNAME"|"OCI_PASSWORD"
---@return string|nil
function M.get(name)
    return taken[name]
end

return M
