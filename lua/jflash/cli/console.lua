-- SPDX-License-Identifier: Apache-2.0

local boards = require("jflash.cli.board")
local duts = require("jflash.dut")
local errors = require("jflash.errors")
local log = require("jflash.log")
local options = require("jflash.cli.options")

local M = {}

local EPILOG = [[
Ctrl-] (console.escape_key) opens a menu: power, break, log, Lua prompt, quit.
The board stays as it is. A console that hangs up is opened again when it is
back.

--watch shows what the board says to a run that is using it, types nothing and
ends with that run; Ctrl-C leaves earlier. With --wait it waits for a run.

Examples:
  jflash console --board qemu-arm64
  jflash console --board qemu-arm64 --watch
  jflash console --board qemu-arm64 --run-dir session]]

function M.define(command)
    options.board(command)
    options.wait(command)
    command:option("--run-dir", "Keep a transcript in this folder."):argname("DIR")
    command:flag("--watch", "Look on while a run uses the board.")
    options.output(command)
    command:epilog(EPILOG)
end

local endings = {
    quit = "left the console; the board stays as it is",
    eof = "standard input ended",
}

-- A virtual board has no console while it is off.
local function check_on(dut)
    if dut.power.console_moves and dut.power:state() == "off" then
        errors.raise({
            class = "host",
            code = "off",
            message = ("board %s is off, and has no console until it is on"):format(dut.name),
            hint = "jflash power on --board " .. dut.name,
        })
    end
end

function M.run(values)
    local board = boards.choose(values)
    if values.watch then
        if values.run_dir then
            errors.raise({ class = "config", code = "usage",
                message = "--run-dir does not go with --watch: the run that is watched keeps the transcript" })
        end
        require("jflash.watch").run(board, values.wait)
        return 0
    end
    local dut <close> = duts.new(board, { power_off = false, wait_s = values.wait,
        run_dir = values.run_dir })
    if values.run_dir then
        dut:start_run()
    end
    check_on(dut)
    dut:open_console()
    local why = dut:attach()
    log.raw("\n")
    if why == "closed" then
        dut.console:fail({ code = "closed", message = dut.console.name .. ": the console hung up" })
    end
    log.info("%s", endings[why])
    return 0
end

return M
