-- SPDX-License-Identifier: Apache-2.0
--
-- The virtual board's cable pulled in the middle of a step: the run goes on from
-- where the board still answers, without a power cycle.
local virtual = require("tests.support.virtual")

local MIB = 1 << 20

-- A recipe's beginning: cable(true or false) plugs the board's cable in, or out.
local PROLOGUE = [[
    local recipe = require("jflash.recipe.flash"):derive()
    local function cable(is_in)
        local qmp <close> = require("jflash.power.qmp").connect(%q)
        qmp:execute("set_link", { name = "n0", up = is_in })
    end
    local function first_time(dut)
        local first = not dut.was_pulled
        dut.was_pulled = true
        return first
    end
]]

-- Out before the second file, and in again for the next try.
local WHILE_LOADING = [[
    recipe:before("load", function(dut)
        if not first_time(dut) then
            dut.uboot.tftpboot = nil
            return cable(true)
        end
        local stock = dut.uboot.tftpboot
        function dut.uboot.tftpboot(uboot, address, name, ...)
            if name:find("initramfs", 1, true) then
                cable(false)
            end
            return stock(uboot, address, name, ...)
        end
    end)
    return recipe
]]

-- Out when some of the image went over.
local WHILE_WRITING = [[
    recipe:before("write", function(dut)
        if not first_time(dut) then
            dut.http.progress = nil
            return cable(true)
        end
        local stock, is_out = dut.http.progress, false
        function dut.http.progress(http, name)
            local transfer = stock(http, name)
            if not is_out and transfer and transfer.bytes > 0 then
                is_out = true
                cable(false)
            end
            return transfer
        end
    end)
    return recipe
]]

local function count(text, pattern)
    local _, found = text:gsub(pattern, "")
    return found
end

describe("the virtual board without its cable", function()
    local function flash(bench, body, bytes)
        local path, digest = bench:random_image("a.raw", bytes)
        local recipe = bench.dir .. "/cable.lua"
        local file <close> = assert(io.open(recipe, "w"))
        file:write(PROLOGUE:format(bench.dir .. "/run/qmp.sock"), body)
        file:flush()
        local result = bench:jflash({ "run", recipe, path, "--retries", "1",
            "--set", "timeouts.load_stall_s=7", "--set", "timeouts.write_stall_s=4" })
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stderr:find("flashed and verified", 1, true), result.stderr)
        assert.equal(digest, virtual.digest_of(bench.drive, bytes))
        assert.same({}, bench:processes())
        assert.truthy(result.stderr:find("power_cycle +%d+%.%d s\n"), "cycled more than once: " .. result.stderr)
        return result.stderr
    end

    it("loads again from U-Boot's prompt", virtual.test(function(bench)
        local said = flash(bench, WHILE_LOADING, MIB)
        assert.truthy(said:find("initramfs.cpio.gz stood still for 7 s", 1, true), said)
        assert.truthy(said:find("trying again from load", 1, true), said)
        assert.equal(2, count(said, "kernel data/Image.gz loaded"))
        assert.truthy(said:find("login +%d+%.%d s\n"), said)
    end))

    it("writes again from the flasher's shell", virtual.test(function(bench)
        local said = flash(bench, WHILE_WRITING, 64 * MIB)
        assert.truthy(said:find("no progress for 4 s", 1, true), said)
        assert.truthy(said:find("trying again from write", 1, true), said)
        assert.equal(1, count(said, "kernel data/Image.gz loaded"))
        assert.truthy(said:find("write +%d+%.%d s %(2 tries%)"), said)
    end))
end)
