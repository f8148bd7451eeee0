-- SPDX-License-Identifier: Apache-2.0
--
-- The flasher's root folder: busybox, what else the board's flasher has, and
-- plain files where a kernel would show its disks.
local wire = require("wire")

local M = {}

local FOLDERS = {
    "", "bin", "dev", "etc", "proc", "proc/self", "proc/sys", "proc/sys/vm", "proc/sys/kernel",
    "root", "sbin", "sys", "sys/block", "sys/class", "sys/class/block", "sys/class/net",
    "sys/class/net/eth0", "sys/class/net/lo", "sys/devices", "tmp", "usr", "usr/bin", "usr/sbin", "var",
}

-- The interface exists and is configured as the caller asks; nothing of the
-- host's changes. Shell functions win over busybox's own applets.
local SHELL_START = [[
udhcpc() {
    [ -e /etc/sim-no-network ] && { echo 'udhcpc: no lease, failing'; return 1; }
    : >/etc/sim-link
    echo 'udhcpc: lease of %s obtained from %s, lease time 86400'
}
ip() {
    case "$*" in
    *show*|a|addr|-4*|-o*) cat /etc/sim-addresses ;;
    *addr*add*) : >/etc/sim-link ;;
    r|route) echo 'default via %s dev eth0' ;;
    esac
}
ifconfig() { case $# in 0|1) cat /etc/sim-addresses ;; *) : >/etc/sim-link ;; esac; }
route() { :; }
]]

local ADDRESSES = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536\n    inet 127.0.0.1/8 scope host lo\n"
    .. "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500\n    inet %s/24 scope global eth0\n"

local function write(path, text)
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
end

local function output_of(command)
    local pipe <close> = assert(io.popen(command))
    return pipe:read("a")
end

-- Whether it needs libraries: the name of its loader stands near its start.
local function is_dynamic(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read(4096):find("/ld%-linux") ~= nil
end

local function place(root, path)
    local folder = ""
    for part in path:match("^/(.*)/[^/]*$"):gmatch("[^/]+") do
        folder = folder .. "/" .. part
        wire.mkdir(root .. folder)
    end
    if not wire.size(root .. path) then
        wire.copy(path, root .. path)
    end
end

-- A program of the host and its libraries.
local function add_program(root, path)
    place(root, path)
    if is_dynamic(path) then
        for library in output_of("ldd " .. path):gmatch("(/[^%s]+) %(") do
            place(root, library)
        end
    end
end

local function busybox_path()
    for _, path in ipairs({ "/bin/busybox", "/usr/bin/busybox" }) do
        if wire.size(path) then
            return path
        end
    end
    error("busybox is not installed")
end

-- busybox-static, like the flasher's own, finds its applets without names in
-- PATH, and starts them through /proc/self/exe. Debian's other busybox does not.
local function add_busybox(root)
    local path = busybox_path()
    add_program(root, path)
    if path ~= "/bin/busybox" then
        wire.symlink(path, root .. "/bin/busybox")
    end
    wire.symlink("/bin/busybox", root .. "/proc/self/exe")
    wire.symlink("/bin/busybox", root .. "/bin/sh")
    if is_dynamic(path) then
        for applet in output_of(path .. " --list"):gmatch("[^\n]+") do
            if applet ~= "busybox" then
                wire.symlink("/bin/busybox", ("%s/bin/%s"):format(root, applet))
            end
        end
    end
end

local function device_number(index)
    return ("254:%d"):format((index - 1) * 16)
end

-- A disk's folder in the device tree, or that of a partition inside it.
local function sysfs_folder(disk)
    local above = disk.parent and sysfs_folder(disk.parent) or "devices/" .. disk.sysfs
    return above .. "/" .. disk.name
end

local function uevent(disk, index)
    local text = ("MAJOR=254\nMINOR=%d\nDEVNAME=%s\nDEVTYPE=%s\n"):format(
        (index - 1) * 16, disk.name, disk.parent and "partition" or "disk")
    if disk.parent then
        text = ("%sPARTN=%d\n"):format(text, disk.number)
    end
    return disk.label and ("%sPARTNAME=%s\n"):format(text, disk.label) or text
end

-- /sys/class/block/NAME is a link into the device tree, as on a real kernel.
local function add_sysfs(root, disk, index)
    local path = sysfs_folder(disk)
    local folder = root .. "/sys"
    for part in path:gmatch("[^/]+") do
        folder = folder .. "/" .. part
        wire.mkdir(folder)
    end
    wire.symlink("../../" .. path, ("%s/sys/class/block/%s"):format(root, disk.name))
    write(folder .. "/size", ("%d\n"):format(disk.bytes // 512))
    write(folder .. "/ro", disk.read_only and "1\n" or "0\n")
    write(folder .. "/dev", device_number(index) .. "\n")
    write(folder .. "/uevent", uevent(disk, index))
    wire.mkdir(folder .. "/holders")
    for _, holder in ipairs(disk.holders or {}) do
        write(folder .. "/holders/" .. holder, "")
    end
    if disk.parent then
        write(folder .. "/partition", disk.number .. "\n")
        return
    end
    wire.symlink("../" .. path, ("%s/sys/block/%s"):format(root, disk.name))
    write(folder .. "/removable", "0\n")
    for _, name in ipairs({ "/device", "/queue" }) do
        wire.mkdir(folder .. name)
    end
    write(folder .. "/device/model", disk.model .. "\n")
    write(folder .. "/queue/logical_block_size", "512\n")
end

-- /proc/mounts knows a device by the name that mount was given, mountinfo by its
-- number too.
local function add_mounts(root, disks)
    local mounts = { "rootfs / rootfs rw 0 0\n", "proc /proc proc rw 0 0\n" }
    local info = { "1 1 0:2 / / rw - rootfs rootfs rw\n", "20 1 0:20 / /proc rw - proc proc rw\n" }
    for index, disk in ipairs(disks) do
        if disk.mounted then
            local source = disk.mounted_as or "/dev/" .. disk.name
            table.insert(mounts, ("%s %s ext4 rw,relatime 0 0\n"):format(source, disk.mounted))
            table.insert(info, ("%d 1 %s / %s rw,relatime shared:1 - ext4 %s rw\n"):format(
                30 + index, device_number(index), disk.mounted, source))
        end
    end
    write(root .. "/proc/mounts", table.concat(mounts))
    write(root .. "/proc/self/mountinfo", table.concat(info))
end

--- Makes DIR/root for these options. A disk's content lies in DIR/root/dev/NAME.
function M.build(dir, options, kernel)
    local root = dir .. "/root"
    for _, folder in ipairs(FOLDERS) do
        wire.mkdir(root .. "/" .. folder)
    end
    add_busybox(root)
    for _, program in ipairs(options.programs) do
        add_program(root, program)
    end
    local lease = options.net.lease or {}
    local address, gateway = lease.ipaddr or "10.0.2.15", lease.gatewayip or "10.0.2.2"
    write(root .. "/etc/shrc", SHELL_START:format(address, gateway, gateway))
    write(root .. "/etc/sim-addresses", ADDRESSES:format(address))
    for _, name in ipairs({ "null", "zero", "full", "random", "urandom" }) do
        write(root .. "/dev/" .. name, "")
    end
    for index, disk in ipairs(options.disks) do
        disk.path = ("%s/dev/%s"):format(root, disk.name)
        if not disk.missing then
            wire.truncate(disk.path, disk.bytes)
            kernel:add_disk(disk.name, disk.path, disk.bytes, disk.read_only or false)
            add_sysfs(root, disk, index)
        end
    end
    add_mounts(root, options.disks)
    write(root .. "/proc/sys/vm/drop_caches", "0\n")
    write(root .. "/proc/sys/vm/dirty_bytes", "0\n")
    write(root .. "/proc/sys/kernel/printk", "7 4 1 7\n")
    write(root .. "/proc/cmdline", "console=ttyAMA0,115200\n")
end

return M
