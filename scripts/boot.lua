-- SPDX-License-Identifier: Apache-2.0
--
-- Powers a board on, lets it boot from its own storage, and waits for a text on its
-- console: the proof that what was flashed starts.
--
--     jflash run boot.lua --board qemu-arm64 --expect "login:"

local cli = require("jflash.cli")
local boards = require("jflash.cli.board")
local duts = require("jflash.dut")
local job = require("jflash.job")
local log = require("jflash.log")
local options = require("jflash.cli.options")

local values = cli.parse_as("jflash run boot.lua", "Boot a board from its own storage.", function(command)
    options.board(command)
    command:option("--expect", "The text that shows that the system is up."):default("login:")
    command:option("--timeout", "Seconds to wait for it."):convert(tonumber):default("180")
    command:flag("--no-power-off", "Leave the board running.")
    command:flag("--console-debug", "Show the board's console on stderr.")
    options.wait(command)
    options.output(command)
end, arg)
log.configure({ format = values.log_format, quiet = values.quiet })

local board = boards.choose(values)
local dut <close> = duts.new(board, {
    power_off = not values.no_power_off,
    console_debug = values.console_debug,
    wait_s = values.wait,
})
dut:start_run()
dut:power_cycle()
local started = job.now()
dut.console:expect(values.expect, { timeout_s = values.timeout })
log.info("board %s: %q came %.1f s after power-on", board.name, values.expect, job.now() - started)
