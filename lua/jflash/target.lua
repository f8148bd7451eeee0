-- SPDX-License-Identifier: Apache-2.0
--
-- Which block device is written, and why not: resolution and the refusals that
-- stand before the first destructive step.

local errors = require("jflash.errors")
local log = require("jflash.log")
local partitions = require("jflash.partition")
local shells = require("jflash.shell")

local M = {}

---@class jflash.Target
---@field name string|nil   the manifest's name for it
---@field device string     "/dev/mmcblk0", or that of a partition
---@field label string|nil  the partition's label
---@field kernel_name string "mmcblk0", or "mmcblk0p1"
---@field disk string       the whole disk as the kernel calls it: "mmcblk0"
---@field size_bytes integer
---@field model string      what the device calls itself, or ""

-- What is wrong with the target does not pass by itself: never retried.
local function refuse(dut, code, message, hint)
    dut.console:fail({ code = code, retry = 0, at = "shell", message = message, hint = hint })
end

local function list_disks(shell)
    local output = shell:frame("cd /sys/class/block && for d in *; do [ -e $d/partition ] || "
        .. "echo \"$d $(cat $d/size)\"; done; cd /")
    local disks = {}
    for name, sectors in output:gmatch("(%S+) (%d+)") do
        if sectors ~= "0" and not name:find("^loop") and not name:find("^ram") then
            table.insert(disks, ("/dev/%s (%s)"):format(name, log.size(tonumber(sectors) * 512)))
        end
    end
    return #disks > 0 and table.concat(disks, ", ") or "none"
end

-- "/sys/class/block#ADDR": the whole disk whose place in the device tree or on
-- the bus contains ADDR, on the board's own kernel.
local function find_by_address(dut, path, address)
    local command = ("cd /sys/class/block && for d in *; do [ -e $d/partition ] || "
        .. "case $(readlink $d) in *%s*) echo $d;; esac; done; cd /"):format(shells.quote(address))
    local found = {}
    for name in dut.shell:frame(command):gmatch("%S+") do
        -- The hardware boot partitions of an eMMC are disks of their own to the kernel.
        if not name:find("boot%d+$") and not name:find("rpmb$") then
            table.insert(found, name)
        end
    end
    if #found == 0 then
        refuse(dut, "missing", ("target %s: no disk on the board fits; it has %s"):format(
            path, list_disks(dut.shell)),
            "what stands behind # is looked for in where the links in /sys/class/block lead")
    end
    if #found > 1 then
        refuse(dut, "ambiguous", ("target %s fits several disks: %s"):format(
            path, table.concat(found, ", ")), "give more of the address, or a /dev path")
    end
    return "/dev/" .. found[1]
end

local function device_of(dut, path)
    local address = path:match("^/sys/class/block#(.+)$")
    if address then
        return find_by_address(dut, path, address)
    end
    if not path:find("^/dev/[%w/._:+-]+$") then
        errors.raise({ class = "config", code = "target",
            message = ("target %q is neither /dev/… nor /sys/class/block#ADDRESS"):format(path) })
    end
    return path
end

-- One script-free look at all that is asked of a device: key=value lines. What uses a
-- partition uses its disk. A mount is known by the device's number, or by its name
-- where a file system has a number of its own (btrfs).
local PROBE = [[d=%s;n=$(readlink -f $d);n=${n##*/};s=/sys/class/block/$n;]]
    .. [[test -b $d && echo block=1;echo name=$n;echo size=$(cat $s/size);echo ro=$(cat $s/ro);]]
    .. [[echo model=$(cat $s/device/model $s/device/name 2>/dev/null);]]
    .. [[r=$(readlink -f $s);test -e $s/partition && r=${r%%/*};echo disk=${r##*/};]]
    .. [[for p in $s $s/$n*;do test $p = $s -o -e $p/partition||continue;b=${p##*/};v=$(cat $p/dev);]]
    .. [[echo hold=$(ls $p/holders);while read -r k l w o m x;do case "$w $x " in ]]
    .. [["$v "*|*" - "*" /dev/$b "*)echo "use=/dev/$b is mounted on $m";;esac;done </proc/self/mountinfo;]]
    .. [[grep -q "^/dev/$b[^a-z0-9]" /proc/swaps && echo "use=/dev/$b is swap";done]]

local function probe(shell, device)
    local facts = {}
    local output = shell:frame("{ " .. PROBE:format(shells.quote(device)) .. "; } 2>/dev/null")
    for key, value in output:gmatch("(%l+)=([^\n]*)") do
        value = value:match("^%s*(.-)%s*$")
        facts[key] = value ~= "" and value or facts[key]
    end
    return facts
end

-- Asked of a disk and of a partition alike.
local function check_present(dut, device, facts)
    if facts.block ~= "1" then
        refuse(dut, "missing", ("target %s is no block device on the board; it has %s"):format(
            device, list_disks(dut.shell)))
    end
    if not tonumber(facts.size) or tonumber(facts.size) == 0 then
        refuse(dut, "missing", ("target %s has no size: is a medium inserted?"):format(device))
    end
end

-- Told of what is read: others may change it meanwhile.
local function check_readable(dut, device, facts)
    check_present(dut, device, facts)
    if facts.use or facts.hold then
        log.warn("target %s is in use: %s; what is read may not fit together", device,
            facts.use or facts.hold)
    end
end

-- Asked of what is written.
local function check_writable(dut, device, facts)
    check_present(dut, device, facts)
    if facts.ro == "1" then
        refuse(dut, "readonly", ("target %s is read-only"):format(device),
            "look for a write-protect switch or fuse")
    end
    if facts.use then
        refuse(dut, "busy", ("target %s is in use: %s"):format(device, facts.use),
            'the flasher does that by itself? umount it in a recipe:before("resolve_target", …)')
    end
    if facts.hold then
        refuse(dut, "busy", ("target %s is held by %s"):format(device, facts.hold))
    end
end

-- What the board's configuration says that this target is.
local function check_expected(dut, target, expected)
    local function differs(what, seen, wanted)
        refuse(dut, "mismatch", ("target %s (%s): %s is %s, the board's configuration says %s"):format(
            target.name or target.device, target.device, what, seen, wanted),
            "is it the right disk? Else mend targets in the board's configuration")
    end
    if expected.min_size and target.size_bytes < expected.min_size then
        differs("size", target.size_bytes, "at least " .. expected.min_size)
    end
    if expected.max_size and target.size_bytes > expected.max_size then
        differs("size", target.size_bytes, "at most " .. expected.max_size)
    end
    if expected.model and not target.model:find(expected.model, 1, true) then
        differs("model", ("%q"):format(target.model), ("%q"):format(expected.model))
    end
end

local function target_of(device, facts)
    return {
        device = device,
        kernel_name = facts.name,
        disk = facts.disk or facts.name,
        size_bytes = tonumber(facts.size) * 512,
        model = facts.model or "",
    }
end

local function partition_of(dut, disk, label, check)
    local device = partitions.find(dut, disk.disk, label)
    local facts = probe(dut.shell, device)
    check(dut, device, facts)
    local target = target_of(device, facts)
    target.disk, target.label, target.model = disk.disk, label, disk.model
    return target
end

local function describe(target)
    local what = target.label and ("partition %q of %s"):format(target.label, target.name)
        or "target " .. target.name
    log.event(("%s is %s, %s%s"):format(what, target.device, log.size(target.size_bytes),
        target.model ~= "" and ", " .. target.model or ""), {
        target = target.name, label = target.label, device = target.device,
        size_bytes = target.size_bytes, model = target.model,
    })
end

--- Finds the device, refuses what must not be written, and says what it found.
---@param dut jflash.Dut with a logged-in shell
---@param name string  the target's name
---@param path string  its path in the manifest or the board's configuration
---@param options {label: string|nil, read_only: boolean|nil}  `label`: a partition on it;
---  `read_only`: it is only read
---@return jflash.Target
function M.resolve(dut, name, path, options)
    local label = options.label
    local device = device_of(dut, path)
    local facts = probe(dut.shell, device)
    local check = options.read_only and check_readable or check_writable
    if label then
        check_present(dut, device, facts)
    else
        check(dut, device, facts)
    end
    local target = target_of(device, facts)
    target.name = name
    check_expected(dut, target, dut.board.targets[name] or {})
    if label then
        target = partition_of(dut, target, label, check)
        target.name = name
    end
    describe(target)
    return target
end

--- Refuses an image that the device cannot hold.
---@param target jflash.Target
---@param image_bytes integer
function M.check_fits(target, image_bytes)
    if image_bytes > target.size_bytes then
        errors.raise({
            class = "image",
            code = "limit",
            message = ("the image has %d bytes, %s only %d"):format(
                image_bytes, target.device, target.size_bytes),
            hint = "choose a larger target (--target) or a smaller image",
        })
    end
end

return M
