-- SPDX-License-Identifier: Apache-2.0
--
-- Whole runs against the scripted board behind a USB serial adapter of a kernel, which is pulled
-- out and plugged in again in their middle.
local guest = require("tests.guest.guest")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local ADAPTER = { port = 2, serial = "JF0003", chardev = "usb" }
-- Noise that tells when the image is being written.
local WRITING = { faults = { { kind = "noise", at = "write", offset = 1 << 20, times = 1 } } }

-- What was on the line while the adapter was away is lost, be it the end of a command.
local RETRY = { retries = 1 }

describe("a run through a USB serial adapter", function()
    -- The scripted board's console goes to the far end of the adapter; to be closed.
    local function wire(bench)
        local relay = assert(sys.spawn({ "socat", "FILE:" .. bench.board.console .. ",rawer",
            "FILE:" .. guest.port("usb") }))
        bench.config.console = { device = "usb:JF0003", reconnect_s = 60 }
        return setmetatable({}, { __close = function()
            relay:close()
        end })
    end

    before_each(function()
        guest.plug(ADAPTER)
    end)

    after_each(function()
        guest.unplug(ADAPTER.port)
    end)

    -- socat has set the board's own line up as it likes.
    local function assert_result(bench, run, wanted)
        local result = run:wait(120)
        bench.tty = bench:tty_settings()
        bench:assert_result(result, wanted)
    end

    local function replug(run)
        guest.unplug(ADAPTER.port)
        run:wait_said("trying for 60 s to open it again")
        guest.plug(ADAPTER)
    end

    it("goes on when that is pulled out at U-Boot's prompt", function()
        local bench <close> = support.bench(nil, RETRY)
        local _ <close> = wire(bench)
        local marker, go = bench:path("marker"), bench:path("go")
        local run = bench:start_recipe(support.waiting_in("load", marker, go), { bench:image("disk.img") })
        run:wait_until("the step", function() return sys.stat(marker) end)
        support.write(go, "")
        replug(run)
        assert_result(bench, run, { status = 0, storage = "flashed",
            says = { "the console is open again after", "flashed and verified" } })
    end)

    it("goes on when that is pulled out while it writes", function()
        local bench <close> = support.bench(WRITING, RETRY)
        local _ <close> = wire(bench)
        local run = bench:start_flash({ bench:image("disk.img") })
        assert(bench.board:wait_for(function(entry)
            return entry.kind == "fault" and entry.at == "write"
        end, 60), "nothing was written")
        replug(run)
        assert_result(bench, run, { status = 0, storage = "flashed",
            says = { "the console is open again after", "flashed and verified" } })
    end)
end)
