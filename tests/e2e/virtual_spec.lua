-- SPDX-License-Identifier: Apache-2.0
--
-- The main job on the virtual board, nothing simulated: QEMU, Debian's U-Boot, a
-- Debian kernel. What lies on the storage afterwards is read by this host too.
local job = require("jflash.job")
local sys = require("jflash.sys")
local virtual = require("tests.support.virtual")

local MIB = 1 << 20

describe("the virtual board", function()
    it("is flashed on its virtio disk, with a size that is no multiple of anything", virtual.test(function(bench)
        local bytes = 9 * MIB + 4321
        local path, digest = bench:random_image("a.xz", bytes)
        bench:assert_flashed(bench:jflash({ "flash", path }), bench.drive, bytes, digest)
    end))

    it("is flashed on its SD card", virtual.test(function(bench)
        local bytes = 6 * MIB
        local path, digest = bench:random_image("a.xz", bytes)
        bench:assert_flashed(bench:jflash({ "flash", "--target", "mmc", path }), bench.card, bytes, digest)
    end))

    it("gets what it cannot decode decoded by this host", virtual.test(function(bench)
        local bytes = 5 * MIB + 1
        local path, digest = bench:random_image("a.zst", bytes)
        local result = bench:jflash({ "run", "flash.lua", path, "--variant", "builtin" })
        bench:assert_flashed(result, bench.drive, bytes, digest)
        assert.truthy(result.stderr:find("this host decodes while serving", 1, true))
    end))

    it("is flashed by a recipe that derives from the stock one", virtual.test(function(bench)
        local bytes = MIB
        local path, digest = bench:random_image("a.raw", bytes)
        local result = bench:jflash({ "run", "scripts/keyed-autoboot.lua", path })
        bench:assert_flashed(result, bench.drive, bytes, digest)
        assert.truthy(result.stderr:find("the flasher runs Linux", 1, true))
    end))

    it("is found out when a byte of its storage flips after the write", virtual.test(function(bench)
        local path = bench:random_image("a.raw", 5 * MIB)
        local recipe = bench.dir .. "/flip.lua"
        assert(sys.write_file(recipe, ([[
            local recipe = require("jflash.recipe.flash"):derive()
            recipe:after("write", function()
                local file <close> = assert(io.open(%q, "r+b"))
                file:seek("set", 1234567)
                local byte = file:read(1):byte()
                file:seek("set", 1234567)
                file:write(string.char(byte ~ 1))
            end)
            return recipe
        ]]):format(bench.drive)))
        local result = bench:jflash({ "run", recipe, path })
        assert.equal(5, result.status, result.stderr)
        assert.truthy(result.stderr:find("read-back differs: /dev/vda", 1, true), result.stderr)
        assert.is_nil(result.stderr:find("flashed", 1, true))
        local _, writes = result.stderr:gsub(" written to /dev/vda in ", "")
        assert.equal(2, writes)
        assert.same({}, bench:processes())
    end))

    it("refuses an image that is larger than the disk before it writes", virtual.test(function(bench)
        local path = bench:random_image("a.xz", 3 * MIB)
        local result = bench:jflash({ "flash", "--set", "power.drive_size=2M", path })
        assert.equal(6, result.status, result.stderr)
        assert.truthy(result.stderr:find("3145728 bytes, /dev/vda only 2097152", 1, true), result.stderr)
        assert.equal(0, sys.stat(bench.drive).used or 0)
        assert.same({}, bench:processes())
    end))

    it("outlives the command, and is taken over by the next", virtual.test(function(bench)
        assert.equal(0, bench:jflash({ "power", "on" }).status)
        assert.equal("on\n", bench:jflash({ "power", "state" }).stdout)
        local path, digest = bench:random_image("a.raw", MIB)
        bench:assert_flashed(bench:jflash({ "flash", path }), bench.drive, MIB, digest)
        assert.equal("off\n", bench:jflash({ "power", "state" }).stdout)
    end))

    local function await(log, text)
        local deadline = job.now() + 120
        repeat
            local seen = sys.read_file(log) or ""
            if seen:find(text, 1, true) then
                return true
            end
            assert(job.sleep(0.1))
        until job.now() > deadline
        return false
    end

    it("is flashed by the run after one that was killed hard", virtual.test(function(bench)
        local path, digest = bench:random_image("a.raw", 2 * MIB)
        local process <close>, log = bench:start({ "flash", path })
        assert.is_true(await(log, "the board has"))
        assert(process:kill("KILL"))
        assert(process:wait({ timeout_s = 10 }))
        assert.equal(1, #bench:processes())
        bench:assert_flashed(bench:jflash({ "flash", path }), bench.drive, 2 * MIB, digest)
    end))

    it("is flashed beside another one", virtual.test(function(bench)
        local other <close> = virtual.bench()
        local path, digest = bench:random_image("a.xz", 2 * MIB)
        local first <close> = bench:start({ "flash", path })
        local second <close> = other:start({ "flash", path })
        assert.equal(0, first:wait({ timeout_s = 300 }).status)
        assert.equal(0, second:wait({ timeout_s = 300 }).status)
        assert.equal(digest, virtual.digest_of(bench.drive, 2 * MIB))
        assert.equal(digest, virtual.digest_of(other.drive, 2 * MIB))
    end))

    it("boots what was flashed", virtual.test(function(bench)
        local small = "build/demo/small.raw.xz"
        assert(sys.stat(small), small .. " is missing: tests/e2e/prepare.sh makes it")
        local result = bench:jflash({ "flash", small })
        assert.equal(0, result.status, result.stderr)
        result = bench:jflash({ "run", "boot.lua", "--expect", "jflash-demo login:" })
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stderr:find("jflash-demo login:", 1, true))
        assert.same({}, bench:processes())
    end))
end)
