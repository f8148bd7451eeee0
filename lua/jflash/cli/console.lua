-- SPDX-License-Identifier: Apache-2.0

local config = require("jflash.config")
local duts = require("jflash.dut")
local log = require("jflash.log")
local options = require("jflash.cli.options")

local M = {}

function M.define(command)
    options.board(command)
    options.wait(command)
    command:option("--run-dir", "Keep a transcript in this folder."):argname("DIR")
    options.output(command)
    command:epilog("Ctrl-] ends it; the board stays as it is.")
end

local endings = {
    escape = "left the console; the board stays as it is",
    closed = "the console hung up",
    eof = "standard input ended",
}

function M.run(values)
    local board = config.board(values.board, { config = values.config, set = values.set })
    local dut <close> = duts.new(board, { power_off = false, wait_s = values.wait,
        run_dir = values.run_dir })
    if values.run_dir then
        dut:start_run()
    end
    dut:open_console()
    dut.power:resume()
    log.info("console of %s; Ctrl-] ends it", board.name)
    local why = dut.console:attach()
    log.info("%s", endings[why] or why)
    return 0
end

return M
