-- SPDX-License-Identifier: Apache-2.0
--
-- The types of a Jumpstarter driver's keys, as pydantic takes them: what is not
-- required may be null.

local schema = require("jflash.schema")

local M = {}

---@param options table|nil  of schema.string
function M.text(options)
    options = options or {}
    options.nullable = not options.required
    return schema.string(options)
end

function M.secret()
    return M.text({ secret = true })
end

return M
