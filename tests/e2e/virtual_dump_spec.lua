-- SPDX-License-Identifier: Apache-2.0
--
-- A dump of the virtual board's storage, nothing simulated: what this host finds in
-- the drive's file is compared with what came over the console's and the network's way.
local files = require("tests.support.files")
local image = require("jflash.image")
local json = require("jflash.json")
local sys = require("jflash.sys")
local virtual = require("tests.support.virtual")

local MIB = 1 << 20
local DRIVE_BYTES = 40 * MIB
-- The partition "root", in sectors.
local ROOT_FIRST, ROOT_SECTORS = 10240, 20480 + 8

-- A drive with two partitions, random bytes in some of it and holes in the rest.
local function prepare_drive(path)
    files.shell(("truncate -s %d '%s' && sgdisk -n 1:2048:+4M -c 1:boot -n 2:%d:%d -c 2:root '%s'"):format(
        DRIVE_BYTES, path, ROOT_FIRST, ROOT_FIRST + ROOT_SECTORS - 1, path))
    files.shell(("dd if=/dev/urandom of='%s' bs=1M seek=1 count=7 conv=notrunc 2>&1"):format(path))
end

local function digest_of(command)
    return files.shell(command .. " | sha256sum"):match("^%x+")
end

describe("a dump of the virtual board", function()
    it("is its whole disk and a partition of it, in one boot, and leaves it as it was", virtual.test(function(bench)
        prepare_drive(bench.drive)
        local before = image.sha256_file(bench.drive)
        local disk, root, dir = bench.dir .. "/disk.img.xz", bench.dir .. "/root.img", bench.dir .. "/kept"
        local result = bench:jflash({ "dump", "-t", "disk:" .. disk, "-t", "root:" .. root, "--run-dir", dir })
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stderr:find("qemu-arm64: dumped", 1, true), result.stderr)
        assert.equal(before, image.sha256_file(bench.drive))
        assert.equal(before, digest_of(("xz -dc '%s'"):format(disk)))
        local partition = digest_of(("dd if='%s' bs=512 skip=%d count=%d 2>/dev/null"):format(
            bench.drive, ROOT_FIRST, ROOT_SECTORS))
        assert.equal(partition, image.sha256_file(root))
        local document = assert(json.decode(sys.read_file(dir .. "/result.json")))
        assert.same({ "dumped", "off", before, partition }, { document.result, document.power,
            document.pieces[1].dumped_sha256, document.pieces[2].dumped_sha256 })
        assert.same({}, bench:processes())
    end))
end)
