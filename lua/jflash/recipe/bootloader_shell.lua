-- SPDX-License-Identifier: Apache-2.0
--
-- The stock recipe as far as U-Boot's prompt, with the bundle's files ready to be
-- loaded. A board without a bundle is none the worse: then nothing is served.

local flash = require("jflash.recipe.flash")
local log = require("jflash.log")

local recipe = flash:derive({
    "prepare_bundle", "start_servers", "power_cycle", "interrupt", "network", "serve",
}, "bootloader-shell")

-- Another run's turn at TFTP's port is short: it ends with its loading.
local TFTP_TURN_S = 120

---@param dut jflash.Dut
function recipe.prepare_bundle(dut)
    if dut.options.bundle or dut.board.bundle then
        flash.prepare_bundle(dut)
    end
end

--- Serves the bundle's files by TFTP until the board is released, or powered again.
---@param dut jflash.Dut
function recipe.serve(dut)
    if not dut.files or not dut.address.ipaddr then
        log.info("nothing is served: the board has no %s", dut.files and "address" or "bundle")
        return
    end
    dut.tftp:open(dut.address.ipaddr, TFTP_TURN_S)
    dut.tftp:introduce(dut.uboot)
    for _, file in ipairs(dut.files) do
        dut.tftp:offer(file.file, file.path)
        log.info("%s: tftpboot %s %s", file.role, file.address, file.file)
    end
end

return recipe
