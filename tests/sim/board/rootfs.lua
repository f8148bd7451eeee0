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

-- /sys/class/block/NAME is a link into the device tree, as on a real kernel.
local function add_sysfs(root, disk, number)
    local class = ("%s/sys/class/block/%s"):format(root, disk.name)
    local folder = root .. "/sys"
    for part in ("devices/" .. disk.sysfs .. "/" .. disk.name):gmatch("[^/]+") do
        folder = folder .. "/" .. part
        wire.mkdir(folder)
    end
    wire.symlink(("../../devices/%s/%s"):format(disk.sysfs, disk.name), class)
    wire.symlink(("../devices/%s/%s"):format(disk.sysfs, disk.name),
        ("%s/sys/block/%s"):format(root, disk.name))
    write(folder .. "/size", ("%d\n"):format(disk.bytes // 512))
    write(folder .. "/ro", disk.read_only and "1\n" or "0\n")
    write(folder .. "/removable", "0\n")
    write(folder .. "/dev", ("254:%d\n"):format((number - 1) * 16))
    write(folder .. "/uevent", ("MAJOR=254\nMINOR=%d\nDEVNAME=%s\nDEVTYPE=%s\n%s"):format(
        (number - 1) * 16, disk.name, disk.label and "partition" or "disk",
        disk.label and ("PARTNAME=" .. disk.label .. "\n") or ""))
    if disk.label then
        write(folder .. "/partition", "1\n")
    else
        wire.mkdir(folder .. "/device")
        write(folder .. "/device/model", disk.model .. "\n")
    end
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
    local mounts = { "rootfs / rootfs rw 0 0\n", "proc /proc proc rw 0 0\n" }
    for number, disk in ipairs(options.disks) do
        disk.path = ("%s/dev/%s"):format(root, disk.name)
        if not disk.missing then
            wire.truncate(disk.path, disk.bytes)
            kernel:add_disk(disk.name, disk.path, disk.bytes, disk.read_only or false)
            add_sysfs(root, disk, number)
        end
        if disk.mounted then
            mounts[#mounts + 1] = ("/dev/%s %s ext4 rw,relatime 0 0\n"):format(disk.name, disk.mounted)
        end
    end
    write(root .. "/proc/mounts", table.concat(mounts))
    write(root .. "/proc/sys/vm/drop_caches", "0\n")
    write(root .. "/proc/sys/vm/dirty_bytes", "0\n")
    write(root .. "/proc/sys/kernel/printk", "7 4 1 7\n")
    write(root .. "/proc/cmdline", "console=ttyAMA0,115200\n")
end

return M
