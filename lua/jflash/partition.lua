-- SPDX-License-Identifier: Apache-2.0
--
-- A partition of one disk by its label, with nothing but busybox on the board. There
-- is no udev in a flasher, so no /dev/disk/by-partlabel; the kernel says the labels
-- in each partition's uevent, but of each character only the lower 7 bits (8 in some
-- versions), with "!" for what cannot be printed: "café" reads "cafi" there. So what
-- is found is compared with the disk's own table (UEFI 2.10, 5.3), where that lies in
-- its usual place.

local errors = require("jflash.errors")
local image = require("jflash.image")

local M = {}

-- Of a name in a GPT entry, and where an entry has it.
local NAME_UNITS, NAME_AT, ENTRY_BYTES = 36, 56, 128
-- The table begins in this block, unless it was put elsewhere on purpose.
local TABLE_BLOCK = 2

-- A label's UTF-16 code units; nil when it is no UTF-8.
local function code_units(label)
    local units = {}
    if not utf8.len(label) then
        return nil
    end
    for _, code in utf8.codes(label) do
        if code < 0x10000 then
            table.insert(units, code)
        else
            table.insert(units, 0xD800 + ((code - 0x10000) >> 10))
            table.insert(units, 0xDC00 + ((code - 0x10000) & 0x3FF))
        end
    end
    return units
end

-- A label as the kernel shows it when it looks at the bits of `mask`.
local function kernel_form(label, mask)
    local form = {}
    for index, unit in ipairs(code_units(label)) do
        local byte = unit & mask
        local printable = byte >= 0x20 and byte <= 0x7E or byte >= 0xA0
        form[index] = string.char(printable and byte or 0x21)
    end
    return table.concat(form)
end

-- The digest of a label's bytes in a GPT entry.
local function entry_digest(label)
    local units = code_units(label)
    for index = #units + 1, NAME_UNITS do
        units[index] = 0
    end
    return image.sha256(string.pack("<" .. ("I2"):rep(#units), table.unpack(units)))
end

--- Raises, class config, for what can be no partition's label.
---@param label string
function M.check_label(label)
    local units = code_units(label)
    if not units or #units > NAME_UNITS or label:find("%c") then
        errors.raise({ class = "config", code = "usage",
            message = ("-t %s: a partition's label is up to %d characters of UTF-8 without control "
                .. "characters"):format(label:gsub("%c", "?"), NAME_UNITS) })
    end
end

-- The labels of a disk's partitions, as the kernel says them.
local function list(shell, disk)
    local output = shell:frame(("grep -H -E '^(DEVNAME|PARTN|PARTNAME)=' /sys/class/block/%s/%s*/uevent")
        :format(disk, disk) .. " 2>/dev/null")
    local by_node, found = {}, {}
    for line in output:gmatch("[^\n]+") do
        local node, key, value = line:match("([^/]+)/uevent:(%u+)=([^\r]*)")
        if node then
            by_node[node] = by_node[node] or {}
            by_node[node][key] = value
        end
    end
    for _, entry in pairs(by_node) do
        if entry.PARTNAME and entry.DEVNAME then
            table.insert(found, { label = entry.PARTNAME, device = "/dev/" .. entry.DEVNAME,
                number = tonumber(entry.PARTN) })
        end
    end
    table.sort(found, function(first, second)
        return (first.number or 0) < (second.number or 0)
    end)
    return found
end

-- What the disk's own table says of a partition's label: "same", "other", or nil when
-- there is no such table where it usually lies.
local function table_says(shell, disk, number, label)
    local output = shell:frame(("part() { dd if=/dev/%s bs=1 skip=$1 count=$2 2>/dev/null; }; "
        .. "b=$(cat /sys/class/block/%s/queue/logical_block_size); "
        .. "{ part $b 8; part $((b + 72)) 8; } | sha256sum; part $((b * %d + %d)) %d | sha256sum"):format(
        disk, disk, TABLE_BLOCK, (number - 1) * ENTRY_BYTES + NAME_AT, 2 * NAME_UNITS))
    local header, name = output:match("(%x+)[^\n]*\n(%x+)")
    if header ~= image.sha256(string.pack("<c8I8", "EFI PART", TABLE_BLOCK)) then
        return nil
    end
    return name == entry_digest(label) and "same" or "other"
end

-- Those that are called so, of those that the kernel shows alike. Where there is no
-- table to look at, the kernel is believed of what it shows whole.
local function called_so(shell, disk, alike, label)
    local sure = {}
    for _, partition in ipairs(alike) do
        local said = partition.number and table_says(shell, disk, partition.number, label)
        if said == "same" or not said and not label:find("[\x80-\xFF]") then
            table.insert(sure, partition)
        end
    end
    return sure
end

local function names_of(partitions, format)
    local names = {}
    for index, partition in ipairs(partitions) do
        names[index] = format:format(partition.device, partition.label:gsub("[^ -~]", "?"))
    end
    return #names > 0 and table.concat(names, ", ") or "none with a label"
end

--- The device of the one partition of `disk` that has this label. Never retried:
--- what is written in a partition table stays.
---@param dut jflash.Dut with a logged-in shell
---@param disk string  the whole disk, as the kernel calls it: "mmcblk0"
---@param label string
---@return string device
function M.find(dut, disk, label)
    local all, alike = list(dut.shell, disk), {}
    for _, partition in ipairs(all) do
        if partition.label == kernel_form(label, 0x7F) or partition.label == kernel_form(label, 0xFF) then
            table.insert(alike, partition)
        end
    end
    local matches = called_so(dut.shell, disk, alike, label)
    if #matches == 0 then
        dut.console:fail({ code = "missing", retry = 0, at = "shell",
            message = ("/dev/%s has no partition with the label %q; it has %s"):format(disk, label,
                names_of(all, "%s (%q)")),
            hint = "what stands before the colon of -t is a target of the manifest, or the label of a "
                .. "partition on the target's disk (--target)" })
    elseif #matches > 1 then
        dut.console:fail({ code = "ambiguous", retry = 0, at = "shell",
            message = ("/dev/%s has several partitions with the label %q: %s"):format(disk, label,
                names_of(matches, "%s")),
            hint = "give one of them another label, as with sgdisk --change-name" })
    end
    return matches[1].device
end

return M
