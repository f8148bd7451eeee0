-- SPDX-License-Identifier: Apache-2.0
--
-- QEMU's control socket (QMP): one JSON object a line each way.
--
--     local qmp <close> = require("jflash.power.qmp").connect(path)
--     qmp:execute("cont")

local errors = require("jflash.errors")
local job = require("jflash.job")
local json = require("jflash.json")
local sys = require("jflash.sys")

local M = {}

local TIMEOUT_S = 10

---@class jflash.Qmp
local Qmp = {}
Qmp.__index = Qmp

local function read_object(self, deadline)
    local line, message, code = self.socket:read_line({ timeout_s = deadline - job.now() })
    if not line then
        errors.raise({ class = "host", code = code, message = ("QMP %s: %s"):format(self.path, message) })
    end
    local object = json.decode(line)
    if type(object) ~= "table" then
        errors.raise({
            class = "host",
            code = "protocol",
            message = ("QMP %s: not a JSON object: %q"):format(self.path, line:sub(1, 100)),
        })
    end
    return object
end

--- Sends a command and returns what it answers; events in between are dropped.
---@param command string
---@param arguments table|nil
---@return any
function Qmp:execute(command, arguments)
    local deadline = job.now() + TIMEOUT_S
    local request = json.encode({ execute = command, arguments = arguments }) .. "\n"
    local ok, message, code = self.socket:send(request, { timeout_s = TIMEOUT_S })
    errors.check("host", ok, message, code)
    while true do
        local answer = read_object(self, deadline)
        if answer["return"] ~= nil then
            return answer["return"]
        elseif answer.error then
            errors.raise({
                class = "host",
                code = "protocol",
                message = ("QMP %s: %s"):format(command, answer.error.desc or "refused"),
            })
        end
    end
end

function Qmp:close()
    self.socket:close()
end

Qmp.__close = Qmp.close

--- Takes over a connected socket: reads the greeting and leaves negotiation.
---@param socket table  from sys.connect_unix
---@param path string
---@return jflash.Qmp
function M.new(socket, path)
    local self = setmetatable({ socket = socket, path = path }, Qmp)
    read_object(self, job.now() + TIMEOUT_S)
    self:execute("qmp_capabilities")
    return self
end

--- Connects to the socket at `path`.
---@param path string
---@return jflash.Qmp to be closed
function M.connect(path)
    local socket, message, code = sys.connect_unix(path, { timeout_s = TIMEOUT_S })
    errors.check("host", socket, message, code)
    return M.new(socket, path)
end

return M
