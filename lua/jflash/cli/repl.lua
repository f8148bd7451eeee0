-- SPDX-License-Identifier: Apache-2.0

local boards = require("jflash.cli.board")
local duts = require("jflash.dut")
local log = require("jflash.log")
local options = require("jflash.cli.options")
local repls = require("jflash.repl")
local sys = require("jflash.sys")

local M = {}

local EXAMPLES = [[
At the prompt help() says what there is; Tab completes; Ctrl-D leaves. What was
switched on there is switched off at the end.

Examples:
  jflash repl --board qemu-arm64
  echo 'dut.power:state()' | jflash repl --board qemu-arm64 --quiet]]

function M.define(command)
    options.board(command)
    options.boot(command)
    command:epilog(EXAMPLES)
end

function M.run(values)
    local board = boards.choose(values)
    local dut <close> = duts.new(board, options.of_run(values, board))
    if values.run_dir then
        dut:start_run()
    end
    local repl = repls.new(dut)
    if not sys.isatty(0) then
        repl:run_input()
        return 0
    end
    log.info("board %s is dut; help() says what there is, Ctrl-D leaves", board.name)
    repl:converse()
    return 0
end

return M
