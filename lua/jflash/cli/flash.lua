-- SPDX-License-Identifier: Apache-2.0

local boards = require("jflash.cli.board")
local duts = require("jflash.dut")
local errors = require("jflash.errors")
local log = require("jflash.log")
local options = require("jflash.cli.options")
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

-- IMAGE for a whole device, or what -t names, PART:FILE each.
local function settle_pieces(values)
    if #values.part == 0 then
        if not values.image then
            refuse("no image was named", "jflash flash IMAGE, or -t PART:FILE for a partition")
        end
        return { { image = values.image } }
    elseif values.image then
        refuse("IMAGE and -t exclude each other", "-t takes its file behind the colon")
    elseif #values.part > 1 and values.os_image_checksum then
        refuse("--os-image-checksum is for one image", "each image is hashed and compared anyway")
    end
    local pieces = {}
    for index, text in ipairs(values.part) do
        local part, image = text:match("^([^:]+):(.+)$")
        if not part then
            refuse(("-t %s: expected PART:FILE"):format(text), "as in -t boot:boot.img.xz")
        end
        pieces[index] = { part = part, image = image }
    end
    return pieces
end

-- What the command line says, else the board's configuration.
local function settle(values, pieces, board)
    options.check_power_off(values)
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
        power_off = not values.no_power_off,
        console_debug = values.console_debug,
        run_dir = values.run_dir,
        wait_s = values.wait,
    }
end

-- What failed behind the last step (the power switch) does not undo what was done.
local function add_result(failure, report)
    local result = ("the storage is done: %s"):format(report:result())
    failure.hint = failure.hint and (result .. "; " .. failure.hint) or result
end

-- Runs the recipe and returns the report; the board is released, and its power
-- off, when this returns.
local function flash(recipe, board, settled)
    local report
    local ok, failure = xpcall(function()
        local dut <close> = duts.new(board, settled)
        dut:start_run()
        recipe:run(dut)
        report = dut.report
    end, errors.wrap)
    if not ok and report then
        add_result(failure, report)
    end
    if not ok then
        error(failure, 0)
    end
    return report
end

--- Runs a recipe with the options of `flash`.
---@param values table
---@param recipe jflash.Recipe|nil  nil takes the board's, else the stock recipe
---@return integer status
function M.run(values, recipe)
    local pieces = settle_pieces(values)
    local board = boards.choose(values)
    local stock = recipe or scripts.board_recipe(board)
    local report = flash(stock, board, settle(values, pieces, board))
    if log.is_json() then
        log.event(board.name .. ": " .. report:result(), report:fields())
    else
        log.record(board.name .. ": " .. report:result(), report:fields())
        log.raw(report:summary(board.name))
    end
    return 0
end

return M
