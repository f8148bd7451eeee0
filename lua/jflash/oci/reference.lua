-- SPDX-License-Identifier: Apache-2.0
--
-- What is taken for a reference to a registry where a folder may stand too.

local errors = require("jflash.errors")
local registry = require("jflash.registry")

local M = {}

--- True when a text names a place in a registry, not a folder: it begins with oci://
--- or oci-layout:, or as registries' names do, with a host that has a dot or a port.
---@param text string
---@return boolean
function M.is_one(text)
    if text:find("^oci://") or text:find("^oci%-layout:") then
        return true
    end
    local host = text:match("^([^/]+)/")
    return host ~= nil and not host:find("^[.~]") and (host:find("[.:]") ~= nil or host == "localhost")
end

--- The parts of a reference. Raises class config.
---@param text string
---@return table see registry.parse
function M.parse(text)
    local reference, message, code = registry.parse(text)
    return errors.check("config", reference, message, code,
        "as in oci://HOST/NAME:TAG, or oci://HOST/NAME@sha256:…")
end

return M
