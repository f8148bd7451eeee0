-- SPDX-License-Identifier: Apache-2.0

local boards = require("jflash.cli.board")
local choice = require("jflash.recipe.choice")
local errors = require("jflash.errors")
local options = require("jflash.cli.options")
local parts = require("jflash.cli.parts")
local runner = require("jflash.runner")

local M = {}

local HELP = [[
Nothing is written on the board's storage. Each range is hashed on the board
and here; a range that differs is sent again. Until the dump is whole it is
FILE.part (with FILE.part.jsonl): after a failure or Ctrl-C the same command
goes on from there, and first compares what it has with the storage, range by
range.

Examples:
  jflash dump --board qemu-arm64 disk.img
  jflash dump --board qemu-arm64 --target mmc card.img.xz
  jflash dump --board qemu-arm64 -t boot:boot.img -t root:root.img.zst]]

local WORDS = { name = "FILE", what = "file", example = "dump FILE" }

function M.define(command)
    options.dump(command)
    command:epilog(HELP)
end

local function settle_pieces(values)
    local pieces, seen = parts.settle(values.file, values.part, WORDS), {}
    for _, piece in ipairs(pieces) do
        if piece.image == "-" or seen[piece.image] then
            errors.raise({ class = "config", code = "usage", message = piece.image == "-"
                and "a dump goes into a file, not to standard output"
                or ("two dumps into one file: %s"):format(piece.image) })
        end
        seen[piece.image] = true
    end
    return pieces
end

--- Runs a recipe with the options of `dump`.
---@param values table
---@param recipe jflash.Recipe|nil  nil takes the stock recipe, over the board's own
---@return integer status
function M.run(values, recipe)
    local pieces = settle_pieces(values)
    local board = boards.choose(values)
    local settled = options.of_run(values, board)
    settled.pieces, settled.force, settled.target = pieces, values.force, values.target
    recipe = recipe or require("jflash.recipe.dump"):over(choice.choose(nil, board, settled))
    local report = runner.run(recipe, board, settled)
    parts.tell(board, report)
    return 0
end

return M
