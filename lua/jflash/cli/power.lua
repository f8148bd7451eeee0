-- SPDX-License-Identifier: Apache-2.0

local board_lock = require("jflash.board_lock")
local boards = require("jflash.cli.board")
local consoles = require("jflash.dut.console")
local errors = require("jflash.errors")
local log = require("jflash.log")
local options = require("jflash.cli.options")
local powers = require("jflash.power")
local sys = require("jflash.sys")

local M = {}

--- `jflash power --help DRIVER`
M.topics = {
    argname = "DRIVER",
    description = "Show this, or the keys of a power driver.",
    text = function(driver)
        return require("jflash.cli.power_drivers").explain(driver)
    end,
}

local EXAMPLES = [[
Examples:
  jflash power on --board qemu-arm64
  jflash power cycle --off-time 5 --board qemu-arm64
  jflash power state --board qemu-arm64
  jflash power read --board bench-3
  jflash power --list
  jflash power --help command]]

function M.define(command)
    command:argument("action", "on, off, cycle, state, or read (volts, amperes, watts)")
        :choices({ "on", "off", "cycle", "state", "read" }):args("?")
    command:flag("--list", "List the power drivers; --help DRIVER explains the keys of one.")
    options.board(command)
    command:option("-w --off-time", "Seconds between off and on in a cycle (default: the board's).")
        :argname("S"):convert(tonumber)
    options.wait(command)
    options.output(command)
    command:epilog(EXAMPLES)
end

local actions = {}

function actions.on(power)
    power:on()
end

function actions.off(power)
    power:off()
end

function actions.cycle(power, values, board)
    power:cycle(values.off_time or power.off_time_s or board.timeouts.power_off_wait_s, function() end)
end

function actions.state(power)
    sys.write(1, (power:state() or "unknown") .. "\n")
end

function actions.read(power)
    local reading = power:read()
    if not reading then
        errors.raise({ class = "config", code = "unsupported",
            message = "this power device measures nothing" })
    end
    for _, name in ipairs({ "volts", "amps", "watts" }) do
        if reading[name] then
            sys.write(1, ("%s %g\n"):format(name, reading[name]))
        end
    end
end

local READS = { state = true, read = true }

function M.run(values)
    if values.list then
        sys.write(1, require("jflash.cli.power_drivers").list())
        return 0
    elseif not values.action then
        errors.raise({ class = "config", code = "usage", message = "no action was named",
            hint = "jflash power on, off, cycle, state or read; --list shows the power drivers" })
    end
    local board = boards.choose(values)
    local console = consoles.of_board(board)
    local power = powers.open(board.power, { name = board.name, console = console })
    local scope <close> = require("jflash.scope").new()
    if not READS[values.action] then
        scope:own(board_lock.take(board, power, values.wait))
    end
    scope:own(console, "close the console")
    scope:own(power, "let go of the power device")
    actions[values.action](power, values, board)
    if not READS[values.action] then
        log.info("board %s: power %s", board.name, values.action)
    end
    return 0
end

return M
