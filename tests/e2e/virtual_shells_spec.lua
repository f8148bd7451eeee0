-- SPDX-License-Identifier: Apache-2.0
--
-- The shells and the Lua prompt on the virtual board: real U-Boot, a real kernel, and
-- a console that goes with the power.
local sys = require("jflash.sys")
local terminals = require("tests.support.terminal")
local virtual = require("tests.support.virtual")

local ESCAPE = "\x1d"

describe("the virtual board's shells", function()
    it("print one command's output", virtual.test(function(bench)
        local result = bench:jflash({ "bootloader-shell", "version" })
        assert.equal(0, result.status, result.stderr)
        assert.truthy(result.stdout:find("^U%-Boot 20"))
        result = bench:jflash({ "busybox-shell", "uname -sm; echo $((6 * 7)); (exit 9)" })
        assert.equal("Linux aarch64\n42\n", result.stdout, result.stderr)
        assert.equal(9, result.status)
        assert.same({}, bench:processes())
    end))

    it("are live in a terminal, where programs get Ctrl-C and the window's size", virtual.test(function(bench)
        local args = { "busybox-shell" }
        table.move(bench:board_options(), 1, #bench:board_options(), 2, args)
        local terminal <close> = terminals.start(bench:place(), args, { columns = 99, rows = 31 })
        terminal:see("opens the menu", 60)
        terminal:see("# ")
        terminal:type("stty size\r")
        terminal:see("31 99")
        terminal:see("# ")
        terminal:type("echo rea''dy; cat\r")
        terminal:see("ready\n")
        terminal:resize(88, 22)
        terminal:type("to the program\r")
        terminal:see("to the program\nto the program\n")
        terminal:type("\4")
        terminal:see("stty cols 88 rows 22")
        -- The console's other end is new after each cycle.
        terminal:type(ESCAPE .. "f")
        terminal:see("power off")
        terminal:see("q quit")
        terminal:type("o")
        terminal:see("Hit any key")
        terminal:type(" ")
        terminal:see("=> ")
        terminal:type(ESCAPE .. "q")
        terminal:ends_with(0)
        assert.same({}, bench:processes())
    end))

    it("are driven from the Lua prompt", virtual.test(function(bench)
        local script = bench.dir .. "/input"
        assert(sys.write_file(script, [[
            sh = dut:bootloader_shell()
            sh:run("printenv ipaddr")
            dut:power_off()
            dut.power:state()
            dut:power_cycle()
            dut.console:expect("Hit any key").text
        ]]))
        local result = bench:shell("repl", script)
        assert.equal(0, result.status, result.stderr)
        assert.equal("ipaddr=10.0.2.15\noff\nHit any key\n", result.stdout)
        assert.same({}, bench:processes())
    end))
end)
