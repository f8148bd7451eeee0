-- SPDX-License-Identifier: Apache-2.0
--
-- What goes wrong while the storage is written and read back, and what the run
-- then says: "flashed" only for what was read back equal.
local support = require("tests.e2e.support")

local function disk(fault)
    fault.kind = "disk"
    return { faults = { fault } }
end

describe("a device", function()
    local function never_retried(row)
        row.step, row.cycles, row.within_s = "write", 1, 10
        row.config = { retries = 2 }
        row.also = function(bench)
            assert.equal(1, bench:workers())
        end
        return row
    end
    support.rows({
        never_retried({
            name = "that is smaller than it says", options = disk({ full_at = 1 << 20 }),
            status = 6, message = { "does not fit", "No space left on device" },
        }),
        never_retried({
            name = "with a bad block", options = disk({ bad_write_at = 2 << 20 }),
            status = 5, message = { "I/O error" },
        }),
        never_retried({
            name = "with a bad block in its last part", options = disk({ bad_write_at = (4 << 20) + 5000 }),
            status = 5, message = { "I/O error" },
        }),
        never_retried({
            name = "that fails while it synchronises", options = disk({ sync_fails = true }),
            status = 5, message = { "I/O error" },
        }),
        {
            name = "that cannot be read back", options = disk({ bad_read_at = 1 << 20 }),
            config = { retries = 2 }, status = 5, step = "verify", cycles = 1, within_s = 10,
            message = "reading back failed",
        },
    }, it)
end)

describe("a byte of the storage that changes behind the write", function()
    support.rows({
        {
            name = "once is written again, and then verified",
            options = disk({ flip_at = 12345, times = 1 }), config = { retries = 2 }, image = "disk.img.xz",
            status = 0, storage = "flashed", cycles = 1, says = { "read-back differs", "(2 tries)" },
            also = function(bench)
                assert.equal(1, #bench.board:log("flipped"))
                assert.equal(4, bench:workers())
            end,
        },
        {
            name = "twice is never called flashed",
            options = disk({ flip_at = 12345 }), config = { retries = 2 }, image = "disk.img.xz",
            status = 5, step = "verify", cycles = 1, storage = "something else",
            message = "read-back differs", never = { "flashed" }, hint = "medium",
            also = function(bench) assert.equal(4, bench:workers()) end,
        },
    }, it)
end)

describe("the download of the image", function()
    local function connection(action, times)
        local fault = { kind = "connection", action = action, after_bytes = 1 << 20, times = times,
            match = "/image" }
        return { faults = { fault } }
    end
    support.rows({
        {
            name = "that is cut", options = connection("cut"),
            status = 5, step = "write", cycles = 1, within_s = 10, message = "download failed",
        },
        {
            name = "that stands still", options = connection("stall"),
            status = 5, step = "write", cycles = 1, within_s = 10, message = "no progress for 4 s",
        },
        {
            name = "that changes on the way is found by reading back", options = connection("corrupt"),
            status = 5, step = "verify", cycles = 1, never = { "flashed" }, message = "read-back differs",
        },
        {
            name = "that is cut once is repeated, and nothing before it", options = connection("cut", 1),
            config = { retries = 1 }, status = 0, storage = "flashed", cycles = 1,
            also = function(bench)
                assert.equal(3, #bench.board:log("tftp"))
                assert.equal(3, bench:workers())
            end,
        },
        {
            name = "that is refused once is repeated", options = connection("refuse", 1),
            config = { retries = 1 }, status = 0, storage = "flashed", cycles = 1,
        },
    }, it)
end)

describe("in the middle of the write", function()
    local function at(kind, more)
        local fault = { kind = kind, at = "write", offset = 4096 }
        for key, value in pairs(more or {}) do
            fault[key] = value
        end
        return { faults = { fault } }
    end
    support.rows({
        {
            name = "the board resets", options = at("reset"),
            status = 5, step = "write", within_s = 15, message = "the board reset", cycles = 1,
        },
        {
            name = "the board resets, once", options = at("reset", { times = 1 }),
            config = { retries = 1 }, status = 0, storage = "flashed", cycles = 2, within_s = 30,
        },
        {
            name = "the kernel panics", options = at("panic"),
            status = 5, step = "write", within_s = 15, message = "the kernel panicked",
        },
        {
            name = "the board hangs", options = at("silence"),
            status = 5, step = "write", within_s = 15, message = "answer",
        },
        {
            name = "the console hangs up", options = at("hang_up"),
            status = 5, step = "write", within_s = 15, message = "hung up",
        },
        {
            name = "the shell ends", options = at("die"),
            status = 5, step = "write", within_s = 15, message = "login again",
        },
    }, it)
end)

describe("a flash", function()
    support.rows({
        {
            name = "with --no-verify says that it was not verified", args = { "--no-verify" },
            status = 0, storage = "flashed", says = "sim: written, not verified (--no-verify)",
            never = { "flashed and verified" },
            also = function(bench) assert.equal(1, bench:workers()) end,
        },
        {
            name = "with --no-power-off leaves the board on", args = { "--no-power-off" }, says = "the power stays on",
            status = 0, storage = "flashed", power = "on",
        },
        {
            name = "with --no-power-off that fails leaves the board on", args = { "--no-power-off" },
            options = { faults = { { kind = "panic", at = "kernel" } } },
            status = 5, step = "login", power = "on",
        },
    }, it)
end)

describe("a power switch that fails", function()
    local function switch(nth, times)
        local fault = { kind = "power_fails", at = "power", match = "off", nth = nth, times = times }
        return { faults = { fault } }
    end
    local config = { power = { cycle = support.NONE, state = support.NONE } }
    support.rows({
        {
            name = "at the end turns success into status 4", options = switch(2), config = config,
            status = 4, storage = "flashed", power = "on", within_s = 10,
            message = { "power off", "the power switch does not answer" },
            hint = "the storage is done: verified",
        },
        {
            name = "by not answering at all is ended, and leaves no process", image = "disk.img",
            config = { power = { cycle = support.NONE, state = support.NONE, off = "sleep 61", timeout_s = 1 } },
            status = 4, step = "power_cycle", power = "off", within_s = 10, storage = "untouched",
            message = "did not end within 1 s",
        },
        {
            name = "at the end once is asked again", options = switch(2, 1), config = config,
            status = 0, storage = "flashed", within_s = 10,
        },
        {
            name = "at the beginning ends the run", options = switch(1), config = config,
            status = 4, step = "power_cycle", storage = "untouched", power = "off", within_s = 10,
            message = "the power switch does not answer",
        },
        {
            name = "behind another failure is told beside it",
            options = { faults = {
                { kind = "power_fails", at = "power", match = "off", nth = 2 },
                { kind = "panic", at = "kernel" },
            } },
            config = config, status = 5, step = "login", power = "on", within_s = 10,
            message = "the kernel panicked", says = "and while cleaning up: switch the power off",
        },
    }, it)
end)
