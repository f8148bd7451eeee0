-- SPDX-License-Identifier: Apache-2.0

local boards = require("jflash.cli.board")
local errors = require("jflash.errors")
local options = require("jflash.cli.options")
local parts = require("jflash.cli.parts")
local runner = require("jflash.runner")
local scripts = require("jflash.scripts")

local M = {}

local EXAMPLES = [[
Examples:
  jflash flash --board qemu-arm64 image.raw.xz
  jflash flash --board qemu-arm64 --target mmc image.raw.xz
  jflash flash --board qemu-arm64 -t boot:boot.img -t root:root.img.zst
  jflash flash --board qemu-arm64 --set power.drive=/tmp/disk.img image.raw.xz
  xzcat image.raw.xz | jflash flash --board qemu-arm64 -]]

function M.define(command)
    options.flash(command)
    command:epilog(EXAMPLES)
end

local function refuse(message, hint)
    errors.raise({ class = "config", code = "usage", message = message, hint = hint })
end

local WORDS = { name = "IMAGE", what = "image", example = "flash IMAGE" }

local function settle_pieces(values)
    local pieces = parts.settle(values.image, values.part, WORDS)
    if #pieces > 1 and values.os_image_checksum then
        refuse("--os-image-checksum is for one image", "each image is hashed and compared anyway")
    end
    return pieces
end

-- What the command line says, else the board's configuration.
local function settle(values, pieces, board)
    return {
        pieces = pieces,
        method = values.method,
        preflash = values.preflash,
        target = values.target,
        variant = values.variant,
        bundle = values.force_flash_bundle,
        os_image_checksum = values.os_image_checksum,
        format = values.format,
        retries = values.retries or board.retries,
        verify = not values.no_verify,
        power_off = parts.power_off(values),
        console_debug = values.console_debug,
        run_dir = values.run_dir,
        wait_s = values.wait,
    }
end

--- Runs a recipe with the options of `flash`.
---@param values table
---@param recipe jflash.Recipe|nil  nil takes the board's, else the stock recipe
---@return integer status
function M.run(values, recipe)
    local pieces = settle_pieces(values)
    local board = boards.choose(values)
    local report = runner.run(recipe or scripts.board_recipe(board), board,
        settle(values, pieces, board))
    parts.tell(board, report)
    return 0
end

return M
