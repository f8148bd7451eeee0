-- SPDX-License-Identifier: Apache-2.0
--
-- The flasher system after its login: a clock that is right (TLS on the board
-- needs it), a network, and proof that this host can be reached over HTTP.

local job = require("jflash.job")
local log = require("jflash.log")
local shells = require("jflash.shell")
local sys = require("jflash.sys")

local M = {}

local LINK_POLL_S = 0.5

local function set_clock(shell)
    local _, status = shell:frame(("date -s @%d >/dev/null"):format(math.floor(sys.time())))
    if status ~= 0 then
        log.warn("the flasher's clock could not be set")
    end
end

-- The first network interface that is not the loopback.
local function find_interface(shell)
    local output = shell:frame("ls /sys/class/net")
    for name in output:gmatch("%S+") do
        if name ~= "lo" and not name:find("^sit") and not name:find("^dummy") then
            return name
        end
    end
end

local function reaches_host(dut, probe)
    local command = "timeout 5 " .. dut.shell:fetch(probe.url) .. " 2>/dev/null"
    local output = dut.shell:frame(command, { timeout_s = 10 })
    return output:find("reached", 1, true) ~= nil
end

-- A link that has just come up may take its time.
local function await_host(dut, probe)
    local deadline = job.now() + dut.board.timeouts.network_s
    while not reaches_host(dut, probe) do
        if job.now() >= deadline then
            return false
        end
        dut.console:watch(LINK_POLL_S)
    end
    return true
end

local function prefix_length(netmask)
    local bits = 0
    for octet in (netmask or "255.255.255.0"):gmatch("%d+") do
        local value = tonumber(octet)
        while value > 0 do
            bits = bits + (value & 1)
            value = value >> 1
        end
    end
    return bits
end

local function configure_static(shell, interface, address)
    shell:run(("ip addr add %s/%d dev %s"):format(
        address.ipaddr, prefix_length(address.netmask), interface))
    if address.gateway then
        shell:run("ip route add default via " .. address.gateway)
    end
end

local function configure(dut, method, interface)
    dut.shell:run(("ip link set %s up"):format(interface))
    if method == "static" then
        configure_static(dut.shell, interface, dut.address)
        return
    end
    dut.shell:run(("udhcpc -i %s -n -q -t 8 -T 2 >/dev/null 2>&1"):format(interface), {
        timeout_s = dut.board.timeouts.network_s,
        hint = "the flasher got no address by DHCP; flasher.network: static uses U-Boot's",
    })
end

local function configure_network(dut, probe)
    local method = dut.board.flasher.network
    if method == "none" or reaches_host(dut, probe) then
        return
    end
    local interface = dut.board.flasher.interface or find_interface(dut.shell)
    if not interface then
        dut.console:fail({
            code = "network", at = "shell", retry = 0,
            message = "the flasher has no network interface",
            hint = "does its kernel have the driver of this board's network chip?",
        })
    end
    configure(dut, method, interface)
end

-- What scripts of the original flashers find in their environment.
local function export_addresses(dut)
    local address = dut.address
    dut.shell:run(("export dhcp_addr=%s gw_addr=%s"):format(
        shells.quote(address.ipaddr or ""), shells.quote(address.gateway or "")))
end

--- Makes the flasher ready to fetch from this host; raises when it cannot.
---@param dut jflash.Dut with a shell
function M.prepare(dut)
    set_clock(dut.shell)
    export_addresses(dut)
    local probe <close> = dut.http:offer("reach", { bytes = "reached\n" })
    configure_network(dut, probe)
    if not await_host(dut, probe) then
        dut.console:fail({
            code = "network",
            at = "shell",
            message = ("the flasher cannot fetch from %s: %s"):format(
                dut.http.base, dut.http:arrival(probe.name)),
            hint = "firewall, route or VLAN between the board and this host? "
                .. "http.host and http.board_host say where it listens and what the board asks",
        })
    end
    dut.shell:run("export jflash_url=" .. shells.quote(dut.http.base))
end

return M
