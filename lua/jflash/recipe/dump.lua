-- SPDX-License-Identifier: Apache-2.0
--
-- Storage back to this host: the stock recipe as far as the target, and then its
-- content into files. Nothing here writes on the board's storage.

local files = require("jflash.dump.file")
local log = require("jflash.log")
local transfer = require("jflash.dump.transfer")

local recipe = require("jflash.recipe.flash"):derive({
    "prepare_files", "prepare_bundle", "start_servers", "power_cycle", "interrupt", "network",
    "load", "boot", "login", "resolve_target", "dump",
}, "dump")

--- Looks whether the files can be made: what is wrong on this side shows before the
--- power is touched.
---@param dut jflash.Dut
function recipe.prepare_files(dut)
    dut.pieces = {}
    dut.report.pieces = dut.pieces
    for index, entry in ipairs(dut.options.pieces) do
        dut.pieces[index] = {
            image = entry.image,
            part = entry.part,
            file = dut.scope:own(files.open(entry.image, dut.options.force), "close " .. entry.image),
        }
    end
end

--- Reads what is not read yet: a repeated step goes on where it was.
---@param dut jflash.Dut
function recipe.dump(dut)
    for _, piece in ipairs(dut.pieces) do
        if not piece.saved then
            piece.saved = transfer.run(dut, piece)
            log.event(("%s of %s dumped to %s: sha256:%s"):format(log.size(piece.saved.bytes),
                piece.target.device, piece.saved.path, piece.saved.sha256), piece.saved)
        end
    end
end

return recipe
