-- SPDX-License-Identifier: Apache-2.0
--
-- -t PART:FILE on the scripted board: several pieces in one boot, labels that are
-- hard to find, and what is refused before the first write. After each run every
-- disk and partition that was not named holds what it held before.
local support = require("tests.e2e.support")

local KIB = 1024
local SMALL = 65536

-- The bytes of every disk and partition by name.
local function contents(bench)
    local found = {}
    for name in support.shell(("ls '%s/root/dev'"):format(bench.board.dir)):gmatch("%S+") do
        if name:find("^vd") or name:find("%d") then
            found[name] = support.read(("%s/root/dev/%s"):format(bench.board.dir, name))
        end
    end
    return found
end

local function fill(bench)
    for name, bytes in pairs(contents(bench)) do
        local mark = ("%s before\n"):format(name)
        support.write(("%s/root/dev/%s"):format(bench.board.dir, name),
            (mark:rep(#bytes // #mark + 1)):sub(1, #bytes))
    end
    return contents(bench)
end

-- Asserts that exactly `written` (bytes by device) changed.
local function assert_only(bench, before, written)
    for name, now in pairs(contents(bench)) do
        local bytes = written[name] or ""
        assert(now == bytes .. before[name]:sub(#bytes + 1), name .. " holds something else")
    end
end

local function count(bench, wanted)
    local found = 0
    for _, text in ipairs(bench.board:texts("shell")) do
        found = found + (text:find(wanted, 1, true) and 1 or 0)
    end
    return found
end

-- One row:
--   disks     of the board
--   pieces    {PART, NAME of the file, bytes} each: what -t says; bytes of 64 KiB unless given
--   written   for each piece the device that must hold it; none: nothing was written
--   args, config, options, status, … as in support.check
local function check(row)
    local options = row.options or {}
    options.disks = row.disks
    local bench <close> = support.bench(options, row.config)
    if row.prepare then
        row.prepare(bench)
    end
    local before = row.before and row.before(bench, fill(bench)) or fill(bench)
    local args, written = {}, {}
    for index, piece in ipairs(row.pieces) do
        local bytes = support.bytes(piece[3] or SMALL)
        table.insert(args, "-t")
        table.insert(args, piece[1] .. ":" .. bench:image(piece[2] or ("p%d.img"):format(index), bytes))
        if row.written then
            written[row.written[index]] = bytes
        end
    end
    table.move(row.args or {}, 1, #(row.args or {}), #args + 1, args)
    local result = bench:flash(args)
    bench:assert_result(result, row)
    if row.written ~= false then
        assert_only(bench, before, written)
    end
    if row.also then
        row.also(bench, result)
    end
end

local function rows(list)
    for _, row in ipairs(list) do
        row.cycles = row.cycles or 1
        it(row.name, function()
            check(row)
        end)
    end
end

local function disk(...)
    return { bytes = 4 << 20, partitions = { ... } }
end

local BOOT, ROOT, DATA = { label = "boot", bytes = 256 * KIB }, { label = "root" }, { label = "data" }

-- Fresh copies: the board adds to them.
local function part(of, changes)
    local copy = {}
    for key, value in pairs(of) do
        copy[key] = value
    end
    for key, value in pairs(changes or {}) do
        copy[key] = value
    end
    return copy
end

local function boot_root_data(...)
    return { disk(part(BOOT), part(ROOT), part(DATA)), ... }
end

local WIPES = support.preflash("echo wiped >/tmp/wiped")

describe("pieces in one boot", function()
    rows({
        {
            name = "go each to its partition, and nowhere else", disks = boot_root_data(),
            pieces = { { "root", "r.img.xz", 700001 }, { "boot", "b.img.gz" } },
            written = { "vda2", "vda1" }, status = 0,
            says = { "flashed and verified", "/dev/vda2 (root)", "/dev/vda1 (boot)" },
        },
        {
            name = "run no preflash commands", disks = boot_root_data(), prepare = WIPES,
            pieces = { { "boot" } }, written = { "vda1" }, status = 0, says = "are not run (--preflash)",
            also = function(bench) assert.equal(0, count(bench, "wiped")) end,
        },
        {
            name = "run them with --preflash", disks = boot_root_data(), prepare = WIPES,
            pieces = { { "boot" } }, args = { "--preflash" }, written = { "vda1" }, status = 0,
            also = function(bench) assert.equal(1, count(bench, "wiped")) end,
        },
        {
            name = "mean the target of that name, a whole device", prepare = WIPES,
            disks = boot_root_data(), pieces = { { "disk" } }, written = { "vda" }, status = 0,
            also = function(bench) assert.equal(1, count(bench, "wiped")) end,
        },
        {
            name = "mean the target also beside --target, which is warned of", disks = boot_root_data(),
            pieces = { { "disk" } }, args = { "--target", "sysfs" }, written = { "vda" }, status = 0,
            says = "--target sysfs does not apply to it",
        },
        {
            name = "may be several targets",
            disks = boot_root_data({ name = "mmcblk0", bytes = 1 << 20 }),
            config = { targets = { emmc = { path = "/dev/mmcblk0" } } },
            pieces = { { "emmc" }, { "disk", "d.img.xz" } }, written = { "mmcblk0", "vda" }, status = 0,
        },
        {
            name = "may be a target and a partition of another disk",
            disks = boot_root_data({ name = "mmcblk0", bytes = 1 << 20 }), prepare = WIPES,
            config = { targets = { emmc = { path = "/dev/mmcblk0" } } },
            pieces = { { "emmc" }, { "root" } }, written = { "mmcblk0", "vda2" }, status = 0,
            also = function(bench) assert.equal(0, count(bench, "wiped")) end,
        },
        {
            name = "are found on the disk that --target names",
            disks = boot_root_data({ name = "mmcblk0", bytes = 1 << 20, partitions = { part(BOOT) } }),
            config = { targets = { emmc = { path = "/dev/mmcblk0" } } },
            pieces = { { "boot" } }, args = { "--target", "emmc" }, written = { "mmcblk0p1" }, status = 0,
        },
    })
end)

describe("a label", function()
    local function found(name, label, more)
        local row = { name = name, pieces = { { label } }, written = { "vda2" }, status = 0,
            disks = { disk(part(BOOT), part(ROOT, { label = label })) } }
        for key, value in pairs(more or {}) do
            row[key] = value
        end
        return row
    end
    -- The table on the disk, in its usual place, with these labels.
    local function write_table(...)
        local labels = { ... }
        return function(bench, before)
            local header = ("\0"):rep(512) .. string.pack("<c8", "EFI PART")
            local text = { header .. ("\0"):rep(64) .. string.pack("<I8", 2) .. ("\0"):rep(512 - 80) }
            for _, label in ipairs(labels) do
                local units = {}
                for _, code in utf8.codes(label) do
                    table.insert(units, string.pack("<I2", code))
                end
                local name = table.concat(units)
                table.insert(text, ("\1"):rep(56) .. name .. ("\0"):rep(72 - #name))
            end
            local bytes = table.concat(text)
            before.vda = bytes .. before.vda:sub(#bytes + 1)
            support.write(bench.board.storage, before.vda)
            return before
        end
    end
    local function labelled(first, second)
        return { disk(part(BOOT, { label = first }), part(ROOT, { label = second })) }
    end
    rows({
        found("may have spaces, quotes and dollars", [[ my $(reboot) `root` 'q" x ]]),
        found("may look like the kernel's own words", "vda1/uevent PARTNAME=boot"),
        found("may look like a pattern", ".*[b]?o+%d|$"),
        found("may be that of its disk's target path", "vda"),
        found("is no beginning of another", "boo"),
        found("other than ASCII is compared with the disk's table", "café",
            { disks = labelled("boot", "cafi"), before = write_table("boot", "café") }),
        found("is told from one that the kernel shows alike", "cafi",
            { disks = labelled("cafi", "cafi"), before = write_table("café", "cafi") }),
        {
            name = "is not taken for one that the kernel shows alike", pieces = { { "cafi" } },
            disks = labelled("cafi", "root"), before = write_table("café", "root"),
            status = 5, step = "resolve_target", message = 'no partition with the label "cafi"',
        },
        {
            name = "other than ASCII is refused without a table", pieces = { { "café" } },
            disks = labelled("cafi", "root"), status = 5, step = "resolve_target",
            message = "no partition with the label",
        },
        {
            name = "that is too long for any is refused before the power is touched",
            pieces = { { ("x"):rep(37) } }, disks = boot_root_data(), status = 2, cycles = 0,
            step = "prepare_bundle", message = "up to 36 characters",
        },
        {
            name = "that is unknown lists those that exist, and nothing is written or retried",
            pieces = { { "boot" }, { "rootfs" } }, disks = boot_root_data(), config = { retries = 3 },
            status = 5, step = "resolve_target", message = { 'no partition with the label "rootfs"',
                '/dev/vda1 ("boot")', '/dev/vda2 ("root")' }, never = { "trying again" },
        },
        {
            name = "that only another disk has is unknown", pieces = { { "boot" } }, config = { retries = 3 },
            disks = { disk(part(ROOT)), { name = "vdb", bytes = 1 << 20, partitions = { part(BOOT) } } },
            status = 5, step = "resolve_target", message = "/dev/vda has no partition",
        },
        {
            name = "that two partitions have is refused with both", pieces = { { "boot" } },
            disks = { disk(part(BOOT), part(ROOT), part(BOOT)) }, config = { retries = 3 },
            status = 5, step = "resolve_target", message = { "several", "/dev/vda1, /dev/vda3" },
        },
        {
            name = "on a disk without a partition table is unknown", pieces = { { "boot" } },
            disks = { { bytes = 1 << 20 } }, status = 5, step = "resolve_target",
            message = "it has none with a label",
        },
    })
    for path, name in pairs({ mmcblk0 = "mmcblk0p2", nvme0n1 = "nvme0n1p2", sda = "sda2" }) do
        rows({ {
            name = "is found on " .. name, pieces = { { "root" } }, written = { name }, status = 0,
            config = { targets = { disk = { path = "/dev/" .. path } } },
            disks = { { name = path, bytes = 2 << 20, partitions = { part(BOOT), part(ROOT) } } },
        } })
    end
end)

describe("a piece", function()
    local function refused(row)
        row.step, row.config = row.step or "resolve_target", row.config or { retries = 2 }
        return row
    end
    rows({
        refused({
            name = "that is larger than its partition stops all of them before the first write",
            pieces = { { "root" }, { "boot", "b.img.xz", 256 * KIB + 1 } }, disks = boot_root_data(),
            step = "preflash", status = 6, message = { "262145 bytes", "/dev/vda1 only 262144" },
        }),
        refused({
            name = "for a mounted partition is refused", pieces = { { "root" }, { "boot" } },
            disks = { disk(part(BOOT, { mounted = "/boot" }), part(ROOT)) }, status = 5,
            message = "/dev/vda1 is mounted on /boot",
        }),
        refused({
            name = "for a partition that is mounted by another name is refused", pieces = { { "boot" } },
            disks = { disk(part(BOOT, { mounted = "/boot", mounted_as = "/dev/root" })) }, status = 5,
            message = "/dev/vda1 is mounted on /boot",
        }),
        refused({
            name = "for a whole disk with a mounted partition is refused", pieces = { { "disk" } },
            disks = { disk(part(BOOT), part(ROOT, { mounted = "/mnt", mounted_as = "/dev/root" })) },
            status = 5, message = "/dev/vda2 is mounted on /mnt",
        }),
        refused({
            name = "for a whole disk with a partition that is held is refused", pieces = { { "disk" } },
            disks = { disk(part(BOOT), part(ROOT, { holders = { "dm-0" } })) },
            status = 5, message = "held by dm-0",
        }),
        refused({
            name = "for a read-only partition is refused", pieces = { { "root" }, { "boot" } },
            disks = { disk(part(BOOT, { read_only = true }), part(ROOT)) }, status = 5, message = "read-only",
        }),
        {
            name = "beside a mounted partition is written", pieces = { { "boot" } },
            disks = { disk(part(BOOT), part(ROOT, { mounted = "/mnt" })) }, written = { "vda1" }, status = 0,
        },
        {
            name = "beside a mounted partition whose name begins alike is written", pieces = { { "boot" } },
            disks = { disk(part(BOOT), part(ROOT, { name = "vda12", mounted = "/mnt" })) },
            written = { "vda1" }, status = 0,
        },
        refused({
            name = "for a whole disk and one for its partition are refused", cycles = 0,
            pieces = { { "disk" }, { "boot" } }, disks = boot_root_data(), status = 2,
            step = "prepare_bundle", message = "is written as a whole",
        }),
        refused({
            name = "for one disk by two names is refused on the board", disks = boot_root_data(),
            pieces = { { "disk" }, { "sysfs" } }, status = 2,
            message = "-t disk is /dev/vda, -t sysfs is /dev/vda",
        }),
        refused({
            name = "for a partition by path and its disk is refused on the board", disks = boot_root_data(),
            config = { targets = { first = { path = "/dev/vda1" } } },
            pieces = { { "first" }, { "disk" } }, status = 2, message = "two images for one place",
        }),
        refused({
            name = "that is named twice is refused", pieces = { { "boot" }, { "boot" } }, cycles = 0,
            disks = boot_root_data(), step = "prove_source", status = 2, message = "twice",
        }),
    })
end)

describe("a piece that was written", function()
    local function reset_at_second(more)
        local fault = { kind = "reset", at = "write", offset = 4096, disk = "vda2", times = 1 }
        for key, value in pairs(more or {}) do
            fault[key] = value
        end
        return { faults = { fault } }
    end
    -- Each writing and each reading back is one script.
    local function scripts(bench)
        return count(bench, "jflash/script </dev/null")
    end
    rows({
        {
            name = "is not written again after a reset in the next one", disks = boot_root_data(),
            pieces = { { "boot" }, { "root" } }, written = { "vda1", "vda2" }, options = reset_at_second(),
            config = { retries = 1 }, status = 0, cycles = 2,
            also = function(bench) assert.equal(3 + 2, scripts(bench)) end,
        },
        {
            name = "is written again when preflash commands ran again", disks = boot_root_data(),
            pieces = { { "boot" }, { "root" } }, written = { "vda1", "vda2" }, options = reset_at_second(),
            config = { retries = 1 }, args = { "--preflash" }, prepare = WIPES, status = 0, cycles = 2,
            also = function(bench) assert.equal(4 + 2, scripts(bench)) end,
        },
        {
            name = "and read back equal stays so while another is written again", disks = boot_root_data(),
            pieces = { { "boot" }, { "root" } }, written = { "vda1", "vda2" },
            options = { faults = { { kind = "disk", disk = "vda2", flip_at = 1234, times = 1 } } },
            config = { retries = 1 }, status = 0,
            also = function(bench) assert.equal(3 + 3, scripts(bench)) end,
        },
        {
            name = "never makes a run flashed when another differs", disks = boot_root_data(),
            pieces = { { "boot" }, { "root" } }, written = false,
            options = { faults = { { kind = "disk", disk = "vda2", flip_at = 1234 } } },
            config = { retries = 1 }, status = 5, step = "verify", message = "read-back differs: /dev/vda2",
            never = { "flashed" },
        },
    })
end)
