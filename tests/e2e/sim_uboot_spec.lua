-- SPDX-License-Identifier: Apache-2.0
--
-- What goes wrong between power-on and the kernel: no prompt, no network, TFTP
-- that fails, a line that damages what goes over it, a board that resets.
local support = require("tests.e2e.support")

local UNTOUCHED = "untouched"

-- How often each file was loaded.
local function loads(bench)
    local counts = {}
    for _, entry in ipairs(bench.board:log("tftp")) do
        local name = entry.name:match("[^/]+$")
        counts[name] = (counts[name] or 0) + 1
    end
    return counts
end

describe("a board that never shows a U-Boot prompt", function()
    support.rows({
        {
            name = "because it is dead", options = { faults = { { kind = "silence", at = "banner" } } },
            status = 5, step = "interrupt", silent = true, within_s = 3, storage = UNTOUCHED,
            message = { "no U-Boot prompt within 4 s", "said nothing" }, hint = "power",
        },
        {
            name = "because it hangs behind its banner",
            options = { faults = { { kind = "silence", at = "prompt" } } },
            status = 5, step = "interrupt", within_s = 3, storage = UNTOUCHED,
            message = "no U-Boot prompt within 4 s", console = "U-Boot 2023.01", hint = "uboot.prompt",
        },
        {
            name = "because its autoboot cannot be stopped",
            options = { interruptible = false, autoboot_s = 0.2 },
            status = 5, step = "interrupt", within_s = 3, storage = UNTOUCHED,
            console = "debian login: ", message = "no U-Boot prompt",
        },
        {
            name = "because its prompt is another one", options = { prompt = "J7> " },
            config = { uboot = { prompt = "=> " } },
            status = 5, step = "interrupt", within_s = 3, console = "J7> ", hint = '"=> "',
        },
        {
            name = "because its autoboot is announced otherwise",
            config = { uboot = { autoboot_text = "Press SPACE to abort", interrupt_timeout_s = 2 } },
            status = 5, step = "interrupt", within_s = 2, hint = "uboot.autoboot_text",
        },
        {
            name = "at first, and is tried again",
            options = { faults = { { kind = "silence", at = "prompt", times = 1 } } },
            config = { retries = 1 }, status = 0, storage = "flashed", cycles = 2,
        },
    }, it)
end)

describe("a U-Boot without network", function()
    support.rows({
        {
            name = "gets no address", options = { faults = { { kind = "no_network" } } },
            status = 5, step = "network", within_s = 3, storage = UNTOUCHED, cycles = 1,
            message = "no address by DHCP", console = "BOOTP broadcast", hint = "cable",
        },
        {
            name = "is tried again, from the power cycle on",
            options = { faults = { { kind = "no_network", at = "dhcp", times = 1 } },
                net = { period_s = 0.02 } },
            config = { retries = 1 }, status = 0, storage = "flashed", cycles = 2,
        },
        {
            name = "gets no file although it has an address",
            options = { faults = { { kind = "no_network", at = "load" } }, net = { period_s = 0.02 } },
            status = 5, step = "load", within_s = 10, storage = UNTOUCHED,
            message = "Retry count exceeded", hint = "no request arrived here",
        },
    }, it)
end)

describe("TFTP", function()
    support.rows({
        {
            name = "of a file that does not exist",
            options = { faults = { { kind = "tftp_missing", match = "initramfs" } } },
            status = 5, step = "load", within_s = 10, cycles = 1,
            message = "not found", console = "TFTP error", storage = UNTOUCHED,
        },
        {
            name = "that times out once is repeated from the network on",
            options = { faults = { { kind = "tftp_silent", match = "initramfs", times = 2 } },
                net = { period_s = 0.02 } },
            config = { retries = 1 }, status = 0, storage = "flashed", cycles = 1,
            also = function(bench)
                assert.same({ Image = 2, ["initramfs.gz"] = 1, ["board-a.dtb"] = 1 }, loads(bench))
            end,
        },
        {
            name = "that stands still is ended and explained",
            options = { faults = { { kind = "tftp_silent" } }, net = { period_s = 0.5, tries = 100 } },
            config = { timeouts = { load_stall_s = 2 } },
            status = 5, step = "load", within_s = 2, message = "stood still for 2 s",
            hint = "firewall",
        },
        {
            name = "lasts no longer than the board's configuration says",
            options = { faults = { { kind = "tftp_silent" } }, net = { period_s = 0.5, tries = 100 } },
            config = { uboot = { load_timeout_s = 2 } },
            status = 5, step = "load", within_s = 2, message = "tftpboot",
        },
    }, it)
end)

describe("a board that resets", function()
    for _, case in ipairs({ { "load", "load" }, { "starting", "login" }, { "kernel", "login" } }) do
        support.rows({
            {
                name = "at " .. case[1] .. " is noticed",
                options = { faults = { { kind = "reset", at = case[1] } } },
                status = 5, step = case[2], within_s = 3, message = "the board reset",
                console = "U-Boot 2023.01", storage = UNTOUCHED,
            },
            {
                name = "at " .. case[1] .. " is tried again from the power cycle on",
                options = { faults = { { kind = "reset", at = case[1], times = 1 } } },
                config = { retries = 1 }, status = 0, cycles = 2, storage = "flashed",
            },
        }, it)
    end
end)

describe("a banner in a command's output", function()
    it("is no reset, and is part of the output", function()
        local bench <close> = support.bench()
        local result = bench:run_recipe([[
            recipe:after("network", function(dut)
                local output = dut.uboot:run("version; version; echo behind", { tick = function() end })
                local _, banners = output:gsub("U%-Boot 2023%.01", "")
                assert(banners == 2 and output:find("behind\n$"), output)
            end)
        ]], { bench:image("disk.img") })
        bench:assert_result(result, { status = 0, says = "flashed and verified", cycles = 1 })
    end)
end)

describe("a console that hangs up", function()
    support.rows({
        {
            name = "ends the run", options = { faults = { { kind = "hang_up", at = "load" } } },
            status = 5, step = "load", within_s = 3, message = "hung up", storage = UNTOUCHED,
        },
        {
            name = "and comes back is opened again",
            options = { faults = { { kind = "hang_up", at = "load", times = 1, back_after_s = 0.3 } } },
            config = { retries = 1 }, status = 0, cycles = 2, storage = "flashed",
        },
    }, it)
end)

describe("a bad serial line", function()
    local function line(name, fault, options)
        support.rows({
            {
                name = name, options = { faults = { fault } }, status = 0, storage = "flashed", cycles = 1,
                config = options and options.config, within_s = 60,
            },
        }, it)
    end
    line("loses characters of U-Boot's", { kind = "drop", at = "uboot", every = 97, times = 2 })
    line("doubles characters of U-Boot's", { kind = "double", at = "uboot", every = 89, times = 2 })
    line("loses characters of the shell's", { kind = "drop", at = "shell", every = 211, times = 2 })
    line("doubles characters of the shell's", { kind = "double", at = "shell", every = 199, times = 2 })
    line("puts noise into a prompt", { kind = "noise", at = "prompt", after_bytes = 1, nth = 3, times = 5 })
    line("puts noise into the login prompt", { kind = "noise", at = "shell", after_bytes = 3 })
    line("is slow", { kind = "slow", bytes_per_s = 11520 })

    support.rows({
        {
            name = "that loses every third character is given up with a hint",
            options = { faults = { { kind = "drop", at = "uboot", every = 3 } } },
            status = 5, step = "interrupt", within_s = 30, hint = "console.cps", storage = UNTOUCHED,
        },
    }, it)
end)
