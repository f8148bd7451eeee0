-- SPDX-License-Identifier: Apache-2.0
--
-- U-Boot's commands. Each gets the U-Boot and its words, prints what the real
-- one prints, and returns a status.
local network = require("network")
local wire = require("wire")

local M = {}

local USAGE = 1

local function usage(uboot, name)
    uboot.machine:print(("%s - usage:\n%s\n"):format(name, name))
    return USAGE
end

local function address_of(text)
    return text and tonumber((text:gsub("^0[xX]", "")), 16)
end

-- ---- variables and text ----

function M.setenv(uboot, words)
    if not words[2] then
        return usage(uboot, "setenv")
    end
    local value = table.concat(words, " ", 3)
    uboot.variables[words[2]] = value ~= "" and value or nil
    return 0
end

function M.printenv(uboot, words)
    local machine = uboot.machine
    if words[2] then
        local status = 0
        for index = 2, #words do
            local value = uboot.variables[words[index]]
            if value then
                machine:print(("%s=%s\n"):format(words[index], value))
            else
                machine:print(("## Error: \"%s\" not defined\n"):format(words[index]))
                status = 1
            end
        end
        return status
    end
    local names = {}
    for name in pairs(uboot.variables) do
        names[#names + 1] = name
    end
    table.sort(names)
    for _, name in ipairs(names) do
        machine:print(("%s=%s\n"):format(name, uboot.variables[name]))
    end
    machine:print("\nEnvironment size: 600/262140 bytes\n")
    return 0
end

function M.echo(uboot, words)
    local newline = words[2] ~= "-n"
    uboot.machine:print(table.concat(words, " ", newline and 2 or 3) .. (newline and "\n" or ""))
    return 0
end

M["true"] = function() return 0 end
M["false"] = function() return 1 end

local COMPARE = {
    ["="] = function(a, b) return a == b end,
    ["!="] = function(a, b) return a ~= b end,
    ["-eq"] = function(a, b) return tonumber(a) == tonumber(b) end,
    ["-ne"] = function(a, b) return tonumber(a) ~= tonumber(b) end,
}

function M.test(_, words)
    if words[2] == "-n" then
        return words[3] and words[3] ~= "" and 0 or 1
    elseif words[2] == "-z" then
        return (not words[3] or words[3] == "") and 0 or 1
    end
    local compare = COMPARE[words[3]]
    return compare and compare(words[2], words[4]) and 0 or 1
end

function M.version(uboot)
    uboot.machine:print(uboot.options.banner .. "\n\nsim-gcc (sim) 12.2.0\n")
    return 0
end

function M.help(uboot)
    local names = {}
    for name in pairs(M) do
        names[#names + 1] = name
    end
    table.sort(names)
    uboot.machine:print(table.concat(names, "\n") .. "\n")
    return 0
end

function M.sleep(uboot, words)
    uboot.machine:sleep(tonumber(words[2]) or 0)
    return 0
end

function M.run(uboot, words)
    local value = uboot.variables[words[2] or ""]
    if not value then
        uboot.machine:print(("## Error: \"%s\" not defined\n"):format(words[2] or ""))
        return 1
    end
    return uboot:run(value)
end

function M.reset(uboot)
    uboot.machine:print("resetting ...\n")
    uboot.machine:reset()
    return 0
end

function M.poweroff(uboot)
    uboot.machine:print("poweroff ...\n")
    uboot.machine:hang()
end

-- ---- network ----

M.dhcp = network.dhcp
M.ping = network.ping

function M.tftpboot(uboot, words)
    local address = address_of(words[2])
    local name = words[3]
    if not address and words[2] then
        name = words[2]
    end
    address = address or address_of(uboot.variables.loadaddr)
    name = name or uboot.variables.bootfile
    if not name then
        return usage(uboot, "tftpboot")
    end
    return network.tftp(uboot, address, name)
end

M.tftp = M.tftpboot

-- ---- memory ----

local function crc_table()
    local entries = {}
    for index = 0, 255 do
        local value = index
        for _ = 1, 8 do
            value = value & 1 == 1 and (value >> 1) ~ 0xEDB88320 or value >> 1
        end
        entries[index] = value
    end
    return entries
end

local function crc32(bytes)
    local entries, value = crc_table(), 0xFFFFFFFF
    for index = 1, #bytes do
        value = entries[(value ~ bytes:byte(index)) & 0xFF] ~ (value >> 8)
    end
    return value ~ 0xFFFFFFFF
end

-- Up to `count` bytes of what was loaded at `address`, or nil.
local function content(uboot, address, count)
    local place = uboot.ram[address or -1]
    local file = place and io.open(place.path, "rb")
    if not file then
        return nil
    end
    local bytes = file:read(count) or ""
    file:close()
    return bytes
end

function M.crc32(uboot, words)
    local address, count = address_of(words[2]), address_of(words[3])
    if not address or not count then
        return usage(uboot, "crc32")
    end
    local bytes = content(uboot, address, count) or ""
    bytes = bytes .. ("\0"):rep(count - #bytes)
    uboot.machine:print(("crc32 for %08x ... %08x ==> %08x\n")
        :format(address, address + count - 1, crc32(bytes)))
    return 0
end

-- Public bundles unpack with these; what they make takes the bytes as they are.
local function unpack_to(uboot, words)
    local from, to = uboot.ram[address_of(words[2]) or -1], address_of(words[3])
    if not from or not to then
        uboot.machine:print("Uncompressed failed\n")
        return 1
    end
    uboot.ram[to] = from
    uboot.variables.filesize = ("%x"):format(from.size)
    return 0
end

M.unlz4 = unpack_to
M.unzip = unpack_to

-- ---- boot ----

local function bad(uboot, message)
    uboot.machine:print(message .. "\n")
    return 1
end

local function starts(uboot, text, magic, offset)
    local bytes = content(uboot, address_of(text), 64)
    return bytes ~= nil and bytes:sub(offset + 1, offset + #magic) == magic
end

local function name_at(uboot, text)
    local place = uboot.ram[text and address_of(text:match("^[^:#]*")) or -1]
    return place and place.name
end

local function start(uboot, kernel, ramdisk, dtb)
    local machine = uboot.machine
    local arguments = uboot.variables.bootargs or ""
    machine.log("boot", {
        kernel = name_at(uboot, kernel), initramfs = name_at(uboot, ramdisk),
        dtb = name_at(uboot, dtb), bootargs = arguments,
    })
    machine:stage("starting")
    machine:print("\nStarting kernel ...\n\n")
    return uboot.linux.boot(machine, arguments, ramdisk ~= nil and ramdisk ~= "-")
end

local function check_ramdisk(uboot, ramdisk)
    if not ramdisk or ramdisk == "-" then
        return true
    end
    local address, size = ramdisk:match("^([^:]*):?(.*)$")
    local place = uboot.ram[address_of(address) or -1]
    -- A raw ramdisk has no header: U-Boot must be told its size.
    return place ~= nil and address_of(size) == place.size
end

local function boot_plain(uboot, words, magic, offset, message)
    if not starts(uboot, words[2], magic, offset) then
        return bad(uboot, message)
    end
    if not check_ramdisk(uboot, words[3]) then
        return bad(uboot, "Wrong Ramdisk Image Format\nRamdisk image is corrupt or invalid")
    end
    if words[4] and not starts(uboot, words[4], "\xd0\x0d\xfe\xed", 0) then
        return bad(uboot, "ERROR: Did not find a cmdline Flattened Device Tree\n"
            .. "Could not find a valid device tree")
    end
    uboot.machine:print("   Loading Device Tree to 000000007be6c000, end 000000007be71fff ... OK\n")
    return start(uboot, words[2], words[3], words[4])
end

function M.booti(uboot, words)
    return boot_plain(uboot, words, "ARMd", 56, "Bad Linux ARM64 Image magic!")
end

function M.bootz(uboot, words)
    return boot_plain(uboot, words, "\x18\x28\x6f\x01", 36, "Bad Linux ARM Image magic!")
end

-- A FIT holds all three; the sim only looks for its magic, a device tree's.
function M.bootm(uboot, words)
    local fit = words[2] and words[2]:match("^[^:#]*")
    if not starts(uboot, fit, "\xd0\x0d\xfe\xed", 0) then
        return bad(uboot, "Wrong Image Format for bootm command\nERROR: can't get kernel image!")
    end
    uboot.machine:print(("## Loading kernel from FIT Image at %08x ...\n"):format(address_of(fit)))
    return start(uboot, fit, fit, fit)
end

function M.boot(uboot)
    return uboot:run(uboot.variables.bootcmd or "")
end

M.bootd = M.boot

--- The sim's own: what U-Boot's distro_bootcmd comes to on a board whose only
--- boot device is its first disk.
function M.bootdisk(uboot)
    local machine = uboot.machine
    local disk = uboot.options.disks[1]
    local file = disk and io.open(disk.path, "rb")
    local first = file and file:read(512) or ""
    if file then
        file:close()
    end
    machine:print(("\nDevice 0: %s\nScanning %s:1...\n"):format(disk and disk.model or "none",
        disk and disk.name or "none"))
    if not first:find("[^\0]") then
        return bad(uboot, "** No partition table - virtio 0 **\nBOOTP broadcast 1")
    end
    machine:print("Found /extlinux/extlinux.conf\nRetrieving file: /Image\n")
    machine:stage("starting")
    machine:print("\nStarting kernel ...\n\n")
    machine.log("boot", { kernel = "disk" })
    return uboot.linux.boot_disk(machine, wire.now())
end

return M
