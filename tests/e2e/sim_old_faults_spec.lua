-- SPDX-License-Identifier: Apache-2.0
--
-- Faults that other flashers had and that no other spec here would notice; README.md
-- beside this file lists all of them with the tests that would.
local https = require("jflash.http")
local support = require("tests.e2e.support")

describe("a # that is no prompt", function()
    support.rows({
        {
            name = "does not end the wait for a command", prepare = support.preflash("printf '~ # ';sleep 0.3;no_such"),
            status = 5, step = "preflash", message = "status 127", storage = "untouched",
        },
        {
            name = "does not pass for the end of the login", status = 0, storage = "flashed", cycles = 1,
            options = { faults = {
                { kind = "noise", at = "shell", text = "\n### Linux sim #1 SMP ###\n", times = 1 },
            } },
        },
    }, it)
end)

describe("a URL on the board", function()
    it("is one word of its shell, whatever is in it", function()
        local bench <close> = support.bench()
        local result = bench:run_recipe([[
            recipe:after("login", function(dut)
                local url = dut.http.base .. '/$(touch /tmp/a)`touch /tmp/a`"$(touch /tmp/a)"' .. "'; touch /tmp/a; '"
                dut.shell:frame(dut.shell:fetch(url) .. " >/dev/null 2>&1")
                dut.shell:run("test ! -e /tmp/a", { retry = 0 })
            end)
        ]], { bench:image("disk.img") })
        bench:assert_result(result, { status = 0, storage = "flashed" })
    end)
end)

describe("an image goes by its content", function()
    -- What the bytes are, and what the name says that they are.
    for is, says in pairs({ xz = "disk.img.xz?sig=a.raw", zst = "disk.img", gz = "disk.zst", img = "disk.xz" }) do
        support.rows({ {
            name = ("and not by its name: %s in %s"):format(is, says), status = 0, storage = "flashed",
            prepare = function(bench)
                local path = bench:image("content." .. is)
                support.shell(("mv '%s' '%s'"):format(path, bench:path(says)))
                return bench:path(says)
            end,
        } }, it)
    end
end)

describe("a board with two network interfaces", function()
    support.rows({ {
        name = "is given the one that was chosen, in U-Boot and in the flasher",
        config = { network = { method = "dhcp", ethact = "ethernet@1" }, flasher = { interface = "eth1" } },
        status = 0, storage = "flashed", also = function(bench)
            local uboot = table.concat(bench.board:texts("uboot"), "\n")
            assert.matches("setenv ethact ethernet@1;.*\ndhcp;", uboot)
            assert.matches("udhcpc %-i eth1 ", table.concat(bench.board:texts("shell"), "\n"))
        end,
    } }, it)
end)

describe("an HTTP port that is fixed", function()
    local function free_port()
        local server <close> = assert(https.serve({ host = "127.0.0.1" }))
        return server:port()
    end

    it("is free again for the next run when one was killed in the middle", function()
        local stall = { kind = "connection", action = "stall", after_bytes = 1 << 20, match = "/image", times = 1 }
        local bench <close> = support.bench({ faults = { stall } }, { http = { port = free_port() } })
        local path = bench:image("disk.img")
        local first = bench:start_flash({ path })
        first:wait_until("the write", function()
            return #bench.board:log("fault") > 0
        end)
        first:kill(9)
        first:wait()
        bench:assert_result(bench:flash({ path }), { status = 0, storage = "flashed", cycles = 2 })
    end)
end)
