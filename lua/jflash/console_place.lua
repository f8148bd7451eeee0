-- SPDX-License-Identifier: Apache-2.0
--
-- How the places of consoles and of serial ports are written.

local schema = require("jflash.schema")

local M = {}

-- What is a serial port, with settings and modem lines; and what leads to one.
local PORTS = { "^/", "^usb:.", "^usb%-path:.", "^usb%-id:%x%x%x%x:%x%x%x%x$", "^usb%-id:%x%x%x%x:%x%x%x%x:%d+$",
    "^rfc2217:[^/]+:%d+$", "^rfc2217://[^/]+:%d+$", "^rfc2217:[^/]+:%d+%?ign_set_control$",
    "^rfc2217://[^/]+:%d+%?ign_set_control$" }
local WIRES = { "^tcp:.+:%d+$", "^telnet:[^/]+:%d+$" }
local OTHERS = { "^power$", "^unix:.", "^exec:.*%S" }

local function fits(text, ...)
    for _, patterns in ipairs({ ... }) do
        for _, pattern in ipairs(patterns) do
            if text:match(pattern) then
                return true
            end
        end
    end
    return false
end

---@param text string
---@return boolean
function M.is_port(text)
    return fits(text, PORTS)
end

--- What is wrong with the place of a console; nil when nothing is.
---@param text string
---@return string|nil
function M.check_console(text)
    return not fits(text, PORTS, WIRES, OTHERS) and schema.quoted(text)
        .. " is none of power, /dev/NAME, unix:PATH, tcp:HOST:PORT, telnet:HOST:PORT, "
        .. "rfc2217:HOST:PORT, exec:COMMAND, usb:SERIAL, usb-path:PATH, usb-id:VENDOR:PRODUCT" or nil
end

--- The same for a device that is spoken to through a serial port.
---@param text string
---@return string|nil
function M.check_wire(text)
    return not fits(text, PORTS, WIRES) and schema.quoted(text) .. " is none of /dev/NAME, usb:SERIAL, "
        .. "usb-path:PATH, usb-id:VENDOR:PRODUCT, rfc2217:HOST:PORT, telnet:HOST:PORT, tcp:HOST:PORT" or nil
end

--- The same for one whose modem lines are needed.
---@param text string
---@return string|nil
function M.check_port(text)
    return not fits(text, PORTS) and schema.quoted(text)
        .. " is none of /dev/NAME, usb:SERIAL, usb-path:PATH, usb-id:VENDOR:PRODUCT, rfc2217:HOST:PORT" or nil
end

return M
