-- SPDX-License-Identifier: Apache-2.0
--
-- The board's address while U-Boot runs: by DHCP, as it is configured, or as it is.

local log = require("jflash.log")
local words = require("jflash.uboot.words")

local M = {}

local function dhcp(uboot)
    local config = uboot.config
    -- Else dhcp loads a file as well, and fails where there is none.
    uboot:run("setenv autoload no")
    for attempt = 1, config.dhcp_tries do
        local output, status = uboot:try_frame(config.dhcp_command, { timeout_s = config.dhcp_timeout_s })
        if output and (output:find("DHCP client bound", 1, true) or status == 0) then
            return
        end
        if not output then
            uboot:abort()
        end
        log.warn("dhcp failed (try %d): %s", attempt, output and words.reason(output) or status)
    end
    uboot.console:fail({
        code = "network",
        message = ("U-Boot got no address by DHCP in %d tries"):format(config.dhcp_tries),
        hint = "is the cable in, and is there a DHCP server? network.method: static needs none",
    })
end

local function static(uboot, settings)
    uboot:setenv("ipaddr", settings.ipaddr)
    uboot:setenv("netmask", settings.netmask)
    if settings.gateway then
        uboot:setenv("gatewayip", settings.gateway)
    end
end

--- Gives the board an address and returns what it has.
---@param uboot jflash.UBoot
---@param settings table the board's `network` section
---@return {ipaddr: string, netmask: string|nil, gateway: string|nil}
function M.configure(uboot, settings)
    if settings.ethact then
        uboot:setenv("ethact", settings.ethact)
    end
    if settings.method == "static" then
        static(uboot, settings)
    elseif settings.method == "dhcp" then
        dhcp(uboot)
    end
    return {
        ipaddr = uboot:getenv("ipaddr"),
        netmask = uboot:getenv("netmask"),
        gateway = uboot:getenv("gatewayip"),
    }
end

return M
