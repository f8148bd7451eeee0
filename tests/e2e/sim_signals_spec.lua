-- SPDX-License-Identifier: Apache-2.0
--
-- SIGINT, SIGTERM and SIGHUP in every step that the stock recipe has, and in the
-- middle of what takes long: the run unwinds, the board is off, nothing is left,
-- and nothing is written before the write.
local job = require("jflash.job")
local recipe = require("jflash.recipe.flash")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local SIGHUP, SIGINT, SIGKILL, SIGTERM = 1, 2, 9, 15
-- From here on the storage may have changed.
local FIRST_WRITING = "write"

-- Tells the test that a step has begun.
local MARK = [[
recipe:before(%q, function()
    io.open(%q, "w"):close()
end)
]]

local function exists(path)
    return sys.stat(path) ~= nil
end

local function steps_before(name)
    local found = {}
    for _, step in ipairs(recipe.order) do
        if step == name then
            return found
        end
        found[step] = true
    end
end

local function signal_at_step(step, signal_number)
    local bench <close> = support.bench()
    local marker = bench:path("marker")
    local run = bench:start_recipe(support.waiting_in(step, marker), { bench:image("disk.img") })
    run:wait_until("step " .. step, function() return exists(marker) end)
    local sent = job.now()
    run:kill(signal_number)
    local result = run:wait(20)
    assert.is_true(job.now() - sent < 15)
    bench:assert_result(result, {
        status = 128 + signal_number, step = step, never = { "flashed and verified" },
        storage = steps_before(FIRST_WRITING)[step] and "untouched" or nil,
        cycles = steps_before("power_cycle")[step] and 0 or nil,
    })
end

describe("a signal at the beginning of step", function()
    for index, step in ipairs(recipe.order) do
        -- Each step gets both; a third one takes turns with the second.
        for _, signal_number in ipairs({ SIGINT, index % 2 == 0 and SIGTERM or SIGHUP }) do
            it(("%s: %d"):format(step, signal_number), function()
                signal_at_step(step, signal_number)
            end)
        end
    end
end)

-- Where a step waits for the board for long, and what was typed shows that it has
-- begun; where nothing is typed, the recipe tells it.
local WAITS = {
    { step = "interrupt", options = { faults = { { kind = "silence", at = "banner" } } } },
    { step = "network", options = { faults = { { kind = "no_network" } } }, typed = "dhcp" },
    { step = "load", options = { faults = { { kind = "tftp_silent" } }, net = { period_s = 1 } },
        typed = "tftpboot" },
    { step = "login", options = { faults = { { kind = "silence", at = "kernel" } } }, typed = "booti" },
    { step = "write", typed = "jflash/script </dev/null", shell = true,
        options = { faults = { { kind = "connection", action = "stall", after_bytes = 1 << 20 } } } },
}

local LONG = {
    uboot = { interrupt_timeout_s = 60, dhcp_timeout_s = 60, load_timeout_s = 60 },
    timeouts = { boot_s = 60, write_stall_s = 60, load_stall_s = 60 },
}

local function typed(bench, kind, text)
    for _, line in ipairs(bench.board:texts(kind)) do
        if line:find(text, 1, true) then
            return true
        end
    end
end

describe("a signal while the board is waited for in step", function()
    for _, wait in ipairs(WAITS) do
        for _, signal_number in ipairs({ SIGINT, SIGTERM }) do
            it(("%s: %d"):format(wait.step, signal_number), function()
                local bench <close> = support.bench(wait.options, LONG)
                local marker = bench:path("marker")
                local run = bench:start_recipe(MARK:format(wait.step, marker), { bench:image("disk.img") })
                run:wait_until("the board's stage", function()
                    if wait.typed then
                        return typed(bench, wait.shell and "shell" or "uboot", wait.typed)
                    end
                    return exists(marker) and #bench.board:log("fault") > 0
                end)
                run:kill(signal_number)
                bench:assert_result(run:wait(), { status = 128 + signal_number, step = wait.step })
            end)
        end
    end
end)

describe("a second signal", function()
    it("ends the program at once and says what stays on", function()
        local bench <close> = support.bench()
        -- The first signal's clean-up hangs in the power switch.
        local hanging = bench:hang_at_power_off()
        local marker = bench:path("marker")
        local run = bench:start_recipe(support.waiting_in("interrupt", marker), { bench:image("disk.img") })
        run:wait_until("the step", function() return exists(marker) end)
        run:kill(SIGINT)
        run:wait_until("the clean-up", function() return support.runs(hanging) end)
        run:kill(SIGTERM)
        -- Less than the 10 s that a clean-up may take.
        local result = run:wait(8)
        assert.equal(128 + SIGTERM, result.status)
        assert.is_truthy(result.stderr:find("left on: power of board sim", 1, true), result.stderr)
        assert.equal("on", bench.board:state())
    end)
end)

describe("a run that is killed", function()
    for _, step in ipairs({ "interrupt", "load", "write", "verify" }) do
        it("in step " .. step .. " does not disturb the next one", function()
            local bench <close> = support.bench()
            local marker = bench:path("marker")
            local path = bench:image("disk.img.xz")
            local run = bench:start_recipe(support.waiting_in(step, marker), { path })
            run:wait_until("step " .. step, function() return exists(marker) end)
            run:kill(SIGKILL)
            assert.equal(SIGKILL, run:wait().signal)
            bench:assert_result(bench:flash({ path }), { status = 0, storage = "flashed", cycles = 2 })
        end)
    end
end)
