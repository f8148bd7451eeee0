-- SPDX-License-Identifier: Apache-2.0
--
-- Partitions of the virtual board's disks, several in one boot: real GPTs, read by a
-- real kernel. Every other byte of the disks is the same before and after.
local files = require("tests.support.files")
local virtual = require("tests.support.virtual")

local MIB = 1 << 20
local DISK_BYTES = 64 * MIB -- an SD card's size is a power of two
local SECTOR = 512
local ROOT_LABEL = [[my $root's "é" ]]

-- A disk full of random bytes with partitions, in the order of their first sectors.
local function make_disk(path, labels)
    files.shell(("head -c %d /dev/urandom >'%s'"):format(DISK_BYTES, path))
    local options = {}
    for number, label in ipairs(labels) do
        table.insert(options, ("-n %d:%d:+4M -c %d:'%s'"):format(number, number * 8 * MIB // SECTOR, number,
            (label:gsub("'", [['\'']]))))
    end
    files.shell(("sgdisk --clear %s '%s'"):format(table.concat(options, " "), path))
end

-- Asserts that `path` is what it was, with `written` (a file's bytes by partition).
local function assert_disk(path, before, written)
    local expected = before
    for number, bytes in pairs(written) do
        local at = number * 8 * MIB
        expected = expected:sub(1, at) .. bytes .. expected:sub(at + #bytes + 1)
    end
    assert.is_true(files.read(path) == expected, path .. " differs elsewhere")
end

describe("partitions of the virtual board", function()
    local bench, boot, root

    before_each(function()
        bench = virtual.bench()
        for _, path in ipairs({ bench.drive, bench.card }) do
            make_disk(path, { "boot", ROOT_LABEL, "boot2" })
        end
        boot, root = bench:random_image("boot.zst", 2 * MIB + 77), bench:random_image("root.xz", 4 * MIB)
    end)

    after_each(function()
        bench:close()
    end)

    for _, case in ipairs({
        { name = "its virtio disk", target = "disk", disk = "drive", other = "card", device = "/dev/vda" },
        { name = "its SD card", target = "mmc", disk = "card", other = "drive", device = "/dev/mmcblk0p" },
    }) do
        it("are written in one boot, on " .. case.name, function()
            local before = files.read(bench[case.disk])
            local other = files.read(bench[case.other])
            local result = bench:jflash({ "flash", "--target", case.target, "-t", "boot:" .. boot,
                "-t", ROOT_LABEL .. ":" .. root })
            assert.equal(0, result.status, result.stderr)
            assert.truthy(result.stderr:find("flashed and verified", 1, true), result.stderr)
            assert.truthy(result.stderr:find(case.device .. "1 (boot)", 1, true), result.stderr)
            local _, boots = result.stderr:gsub("kernel data/Image[^\n]* loaded", "")
            assert.equal(1, boots)
            assert_disk(bench[case.disk], before, { files.read(boot .. ".raw"), files.read(root .. ".raw") })
            assert_disk(bench[case.other], other, {})
            assert.same({}, bench:processes())
        end)
    end
end)
