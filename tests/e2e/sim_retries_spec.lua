-- SPDX-License-Identifier: Apache-2.0
--
-- Each failure once, and what is done again because of it: power cycles, files that
-- U-Boot loaded, logins, and workers (each write and each reading back is one).
-- A run without a failure makes 1, 3, 1 and 2.
local support = require("tests.e2e.support")

local FILES = 3

local function done(bench)
    local logins = {}
    for index, entry in ipairs(bench.board:log("login")) do
        logins[index] = entry.user
    end
    return {
        cycles = support.count(bench.board:texts("power"), "on"),
        loads = #bench.board:log("tftp"),
        logins = support.count(logins, "root"),
        workers = bench:workers(),
    }
end

-- One row: what stands before "expected" makes the failure; expected are the four
-- numbers of `done`, and `from` is where the run says that it goes on.
local ROWS = {
    { "no prompt", fault = { kind = "silence", at = "prompt" }, from = "power_cycle", expected = { 2, 3, 1, 2 } },
    { "no DHCP, which U-Boot was asked for three times", from = "power_cycle", expected = { 2, 3, 1, 2 },
        fault = { kind = "no_network", at = "dhcp", times = 3 }, config = { uboot = { dhcp_tries = 3 } } },
    { "a file that TFTP refuses", fault = { kind = "tftp_missing", match = "board%-a" }, from = "load",
        expected = { 1, 2 + FILES, 1, 2 } },
    { "a load that nobody answers", from = "load", options = { net = { period_s = 0.02 } },
        fault = { kind = "tftp_silent", match = "initramfs", times = 2 }, expected = { 1, 1 + FILES, 1, 2 } },
    { "a reset while it loads", fault = { kind = "reset", at = "load", match = "initramfs" },
        from = "power_cycle", expected = { 2, 1 + FILES, 1, 2 } },
    { "a boot command that returns", from = "load", expected = { 1, 2 * FILES, 1, 2 }, changes = [[
        local boot = recipe.boot
        function recipe.boot(dut)
            dut.variant.bootcmd, dut.bootcmd = dut.bootcmd or "false", dut.variant.bootcmd
            boot(dut)
        end]] },
    { "a panic of the kernel", fault = { kind = "panic", at = "kernel" }, from = "power_cycle",
        expected = { 2, 2 * FILES, 1, 2 } },
    { "a login that does not come", fault = { kind = "silence", at = "login" }, from = "power_cycle",
        expected = { 2, 2 * FILES, 1, 2 } },
    { "a flasher that cannot fetch", from = "login", expected = { 1, 3, 1, 2 },
        fault = { kind = "connection", action = "refuse", match = "/reach", times = 4 },
        config = { timeouts = { network_s = 1 } } },
    { "a preflash command that fails", from = "preflash", expected = { 1, 3, 1, 2 },
        prepare = support.preflash("test -e /tmp/again || { touch /tmp/again; false; }") },
    { "a script that cannot be fetched", from = "write", expected = { 1, 3, 1, 2 },
        fault = { kind = "connection", action = "refuse", match = "/file%-" } },
    { "a download that is cut", from = "write", expected = { 1, 3, 1, 3 },
        fault = { kind = "connection", action = "cut", after_bytes = 1 << 20, match = "/image" } },
    { "a download that stands still", from = "write", expected = { 1, 3, 1, 3 },
        fault = { kind = "connection", action = "stall", after_bytes = 1 << 20, match = "/image" } },
    { "a panic while it writes", fault = { kind = "panic", at = "write", offset = 4096 },
        from = "power_cycle", expected = { 2, 2 * FILES, 2, 3 } },
    { "a console that hangs up while it writes", from = "power_cycle", expected = { 2, 2 * FILES, 2, 3 },
        fault = { kind = "hang_up", at = "write", offset = 4096, back_after_s = 0.3 } },
    { "a shell that ends while it writes", fault = { kind = "die", at = "write", offset = 4096 },
        from = "power_cycle", expected = { 2, 2 * FILES, 2, 3 } },
    { "a byte that differs", fault = { kind = "disk", flip_at = 12345 }, from = "write",
        expected = { 1, 3, 1, 4 } },
    { "a panic while it reads back: what is written stays", from = "power_cycle", expected = { 2, 2 * FILES, 2, 3 },
        fault = { kind = "panic", at = "read", offset = 4096 } },
    { "a source that fails for the moment", from = "write", expected = { 1, 3, 1, 2 }, changes = [[
        recipe:before("write", function(dut)
            if not dut.failed then
                dut.failed = true
                require("jflash.errors").raise({ class = "source", code = "network", message = "503" })
            end
        end)]] },
    { "a power switch that misses two requests", expected = { 3, 3, 1, 2 },
        fault = { kind = "power_fails", at = "power", match = "on", times = 2 },
        config = { power = { cycle = support.NONE } } },
}

describe("tried again is", function()
    for _, row in ipairs(ROWS) do
        it("what must be after " .. row[1], function()
            local options = row.options or {}
            if row.fault then
                row.fault.times = row.fault.times or 1
                options.faults = { row.fault }
            end
            local bench <close> = support.bench(options, row.config)
            if row.prepare then
                row.prepare(bench)
            end
            local result = bench:run_recipe(row.changes or "", { bench:image("disk.img"), "--retries", "1" })
            bench:assert_result(result, {
                status = 0, storage = "flashed", says = row.from and ("trying again from " .. row.from) or nil,
            })
            local _, tries = result.stderr:gsub("trying again from", "")
            assert.equal(row.from and 1 or 0, tries)
            local seen = done(bench)
            assert.same(row.expected, { seen.cycles, seen.loads, seen.logins, seen.workers })
        end)
    end
end)

describe("never tried again is", function()
    local function once(name, row)
        it(name, function()
            local bench <close> = support.bench(row.options)
            local result = bench:run_recipe(row.changes or "", { bench:image("disk.img"), "--retries", "3" })
            row.cycles, row.never = 1, { "trying again" }
            bench:assert_result(result, row)
        end)
    end
    once("a password that is refused", { status = 5, step = "login",
        options = { password = "x", faults = { { kind = "refuse_password" } } } })
    once("a source that refuses", { status = 3, step = "write", storage = "untouched", changes = [[
        recipe:before("write", function()
            require("jflash.errors").raise({ class = "source", code = "protocol", message = "404" })
        end)]] })
    once("a device with a bad block", { status = 5, step = "write",
        options = { faults = { { kind = "disk", bad_write_at = 4096 } } } })
    once("more than --retries says, whatever fails", { status = 5, step = "load",
        options = { faults = { { kind = "tftp_missing", match = "none of these" } } }, changes = [[
        function recipe.load(dut)
            dut.options.retries = 0
            dut.console:fail({ code = "x", message = "m", at = "uboot" })
        end]] })
end)
