-- SPDX-License-Identifier: Apache-2.0
--
-- U-Boot's network. Files really come over TFTP: curl fetches them.
local wire = require("wire")

local M = {}

local NOT_FOUND = 68 -- curl's exit status for TFTP error 1
local DENIED = 69    -- and for error 2

local function net(uboot)
    return uboot.options.net
end

-- How often U-Boot starts over before it gives up.
local function rounds(uboot)
    return uboot.variables.netretry == "no" and 1 or net(uboot).rounds
end

local function print_device(uboot)
    uboot.machine:print("Using virtio-net#0 device\n")
end

local function abort(uboot)
    uboot.machine:print("\nAbort\n")
    return 1
end

-- ---- dhcp, ping ----

local function broadcast(uboot)
    local machine = uboot.machine
    for number = 1, 17 do
        machine:print(("BOOTP broadcast %d\n"):format(number))
        machine:sleep(net(uboot).period_s)
        if machine:interrupted() then
            return "abort"
        end
    end
    machine:print("\nRetry time exceeded")
    return "timeout"
end

local function dhcp_fails(uboot)
    for round = 1, rounds(uboot) do
        if broadcast(uboot) == "abort" then
            return abort(uboot)
        end
        uboot.machine:print(round < rounds(uboot) and "; starting again\n" or "\n")
    end
    return 1
end

function M.dhcp(uboot)
    local machine, lease = uboot.machine, net(uboot).lease
    if not lease or machine.faults:fire("no_network", "dhcp") then
        return dhcp_fails(uboot)
    end
    machine:print("BOOTP broadcast 1\n")
    for _, name in ipairs({ "ipaddr", "netmask", "serverip", "gatewayip", "dnsip" }) do
        if lease[name] then
            uboot.variables[name] = lease[name]
        end
    end
    machine:print(("DHCP client bound to address %s (1 ms)\n"):format(lease.ipaddr))
    if uboot.variables.autoload ~= "no" and uboot.variables.autoload ~= "n" then
        return M.tftp(uboot, 0x40200000, uboot.variables.bootfile or "boot.scr.uimg")
    end
    return 0
end

function M.ping(uboot, words)
    local machine = uboot.machine
    if not uboot.variables.ipaddr then
        machine:print("*** ERROR: `ipaddr' not set\n")
        return 1
    end
    print_device(uboot)
    if machine.faults:fire("no_network", "ping") or not words[2] then
        machine:print(("\nARP Retry count exceeded; starting again\nping failed; host %s is not alive\n")
            :format(words[2] or ""))
        return 1
    end
    machine:print(("host %s is alive\n"):format(words[2]))
    return 0
end

-- ---- tftp ----

local function knows(uboot, name)
    for _, known in ipairs(net(uboot).knows) do
        if known == name then
            return uboot.variables[name]
        end
    end
    return nil
end

local function escape(name)
    return (name:gsub("[^%w%-%._~/]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
end

local function url_of(uboot, name)
    local port = knows(uboot, "tftpdstp") or "69"
    return ("tftp://%s:%s/%s"):format(uboot.variables.serverip, port, escape(name))
end

-- One period: U-Boot prints a T when nothing came in it. True ends the transfer.
local function tick(uboot, transfer, path)
    local machine = uboot.machine
    if machine:interrupted() then
        transfer.aborted = true
        return true
    end
    local size = wire.size(path)
    if size ~= transfer.size then
        transfer.size = size
        transfer.ticks = 0
        return false
    end
    transfer.ticks = transfer.ticks + 1
    machine:print("T ")
    return transfer.ticks >= net(uboot).tries
end

-- curl's exit status; nil when it got no answer in time.
local function fetch(uboot, name, path, transfer)
    local machine = uboot.machine
    local block = knows(uboot, "tftpblocksize") or "1468"
    transfer.ticks = 0
    local function period()
        return tick(uboot, transfer, path)
    end
    local silent = machine.faults:fire("tftp_silent", "load", name)
        or machine.faults:fire("no_network", "load", name)
    if not silent then
        local status = machine:run_program({
            "curl", "-q", "-sS", "--tftp-blksize", block, "-o", path, url_of(uboot, name),
        }, net(uboot).period_s, period)
        if status == 0 or status == NOT_FOUND or status == DENIED then
            return status
        end
    end
    -- curl gives up at once when the port is closed; U-Boot does not notice.
    while not transfer.aborted and transfer.ticks < net(uboot).tries do
        machine:sleep(net(uboot).period_s)
        period()
    end
    return nil
end

local function loaded(uboot, address, name, path)
    local size = wire.size(path) or 0
    uboot.ram[address] = { path = path, size = size, name = name }
    uboot.variables.filesize = ("%x"):format(size)
    uboot.variables.fileaddr = ("%x"):format(address)
    uboot.machine:print(("%s\n\t 9.5 MiB/s\ndone\n"):format(("#"):rep(1 + size // 14680 % 65)))
    if size > 0 then
        uboot.machine:print(("Bytes transferred = %d (%x hex)\n"):format(size, size))
    end
    uboot.machine.log("tftp", { name = name, address = address, size_bytes = size })
    return 0
end

local function attempt(uboot, address, name, transfer)
    local machine = uboot.machine
    print_device(uboot)
    machine:print(("TFTP from server %s; our IP address is %s\nFilename '%s'.\n"
        .. "Load address: 0x%x\nLoading: *\b"):format(uboot.variables.serverip,
        uboot.variables.ipaddr, name, address))
    machine:stage("load", name)
    local asked = name
    if machine.faults:fire("tftp_missing", "load", name) then
        asked = name .. ".missing"
    end
    local path = ("%s/ram/%x"):format(machine.dir, address)
    os.remove(path)
    local status = fetch(uboot, asked, path, transfer)
    if status == 0 then
        return loaded(uboot, address, name, path)
    elseif status then
        machine:print(("\nTFTP error: 'file %s not found' (%d)\nNot retrying...\n")
            :format(asked, status - NOT_FOUND + 1))
        return 1
    elseif transfer.aborted then
        return abort(uboot)
    end
    return nil
end

--- `tftpboot`. Returns its status.
function M.tftp(uboot, address, name)
    local machine = uboot.machine
    for _, variable in ipairs({ "serverip", "ipaddr" }) do
        if not uboot.variables[variable] then
            machine:print(("*** ERROR: `%s' not set\n"):format(variable))
            return 1
        end
    end
    local transfer = {}
    for round = 1, rounds(uboot) do
        local status = attempt(uboot, address, name, transfer)
        if status then
            return status
        end
        machine:print("\nRetry count exceeded" .. (round < rounds(uboot) and "; starting again\n" or "\n"))
    end
    return 1
end

return M
