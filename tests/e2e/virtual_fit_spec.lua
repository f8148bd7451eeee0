-- SPDX-License-Identifier: Apache-2.0
--
-- FITs as public bundles have them, on real U-Boot: a configuration by name, parts
-- with a device tree of one's own, and a chain of commands that takes the FIT
-- apart; and what U-Boot does when a FIT is not what the manifest says.
local sys = require("jflash.sys")
local virtual = require("tests.support.virtual")

local BYTES = 300001
-- The models of the bundle's device trees.
local VIRT, ALT = "linux,dummy-virt", "jflash virtual board (virt-alt)"

-- A recipe file: the stock recipe with `changes`.
local function recipe(bench, changes)
    local path = bench.dir .. "/recipe.lua"
    assert(sys.write_file(path, ([[
        local recipe = require("jflash.recipe.flash"):derive()
        %s
        return recipe
    ]]):format(changes)))
    return path
end

-- Runs a recipe on the FIT bundle.
local function run(bench, changes, arguments)
    local path, digest = bench:random_image("a.raw", BYTES)
    local argv = { "run", recipe(bench, changes), "--set", "manifest=manifest-fit.yaml", path }
    return bench:jflash(table.move(arguments, 1, #arguments, #argv + 1, argv)), digest
end

describe("a FIT", function()
    -- Flashes, and proves which device tree the flasher runs with.
    local function assert_boots(bench, arguments, model)
        local result, digest = run(bench, [[
            recipe:after("login", function(dut)
                dut.log.info("model: %s.", (dut.shell:run("tr -d '\\0' </proc/device-tree/model")))
            end)
        ]], arguments)
        bench:assert_flashed(result, bench.drive, BYTES, digest)
        assert.truthy(result.stderr:find("model: " .. model, 1, true), result.stderr)
    end

    it("boots by its default configuration", virtual.test(function(bench)
        assert_boots(bench, {}, VIRT)
    end))

    it("boots by the name of a configuration", virtual.test(function(bench)
        assert_boots(bench, { "--variant", "virt-alt" }, ALT)
    end))

    it("boots its kernel and initramfs with a device tree of one's own", virtual.test(function(bench)
        local own = bench.dir .. "/own.dtb"
        local made = sys.run({ "sh", "-c", ("cp '%s/data/virt.dtb' '%s' && fdtput -t s '%s' / model mine")
            :format(bench.bundle, own, own) })
        assert.equal(0, made.status, made.stderr)
        assert_boots(bench, { "--variant", "custom", "--dtb", own }, "mine")
    end))

    it("is taken apart by a chain of commands", virtual.test(function(bench)
        assert_boots(bench, { "--variant", "chain" }, ALT)
    end))

    -- Enters another boot command; returns the run's last words.
    local function fails(bench, bootcmd)
        local changes = ('recipe:before("boot", function(dut) dut.variant.bootcmd = %q end)'):format(bootcmd)
        local result = run(bench, changes, { "--variant", "custom", "--retries", "0" })
        assert.equal(5, result.status, result.stderr)
        assert.same({}, bench:processes())
        -- Less than what login waits for a system that does not come.
        assert.is_true(tonumber(result.stderr:match("%[ *([%d.]+)%] login")) < 60, result.stderr)
        return result.stderr:match("\njflash: .*")
    end

    local returns = {
        { "an unknown configuration", "bootm 0x50000000#nope", "Could not find configuration node" },
        { "a missing kernel", "bootm 0x50000000:nope 0x50000000:initrd 0x4a000000",
            "Could not find subimage node" },
        { "a missing part", "imxtract 0x50000000 nope 0x48000000", "Can't find 'nope' FIT subimage" },
        { "a kernel that is not where the chain looks for it", "unlz4 0x50000004 0x40400000 0x4000000; "
            .. "booti 0x40400000 - 0x4a000000", "Bad Linux ARM64 Image magic!" },
    }
    for _, case in ipairs(returns) do
        it("with " .. case[1] .. " is told by U-Boot's words", virtual.test(function(bench)
            local said = fails(bench, case[2])
            local message = said:match("[^\n]+")
            assert.truthy(message:find("the boot command returned to U-Boot with status 1", 1, true), said)
            assert.truthy(message:find(case[3], 1, true), said)
        end))
    end

    it("that U-Boot answers with a reset is reported as one", virtual.test(function(bench)
        local said = fails(bench, "bootm 0x50000000:kernel 0x50000000:initrd")
        assert.truthy(said:find("the board reset: a U-Boot banner came", 1, true), said)
        assert.truthy(said:find("FDT and ATAGS support not compiled in", 1, true), said)
    end))
end)
