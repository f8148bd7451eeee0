-- SPDX-License-Identifier: Apache-2.0
--
-- The write method that needs nothing but a busybox on the board:
-- fetch | decode | dd, each with its status believed.

local dd = require("jflash.write.dd")
local log = require("jflash.log")
local workers = require("jflash.write.worker")

local M = {}

-- What decodes a format on the board, first choice first.
local DECODERS = {
    raw = { "cat" },
    xz = { "xzcat", "xz -dc" },
    gzip = { "zcat", "gzip -dc" },
    bzip2 = { "bzcat", "bzip2 -dc" },
    zstd = { "zstdcat", "zstd -dc" },
    lz4 = { "lz4cat", "lz4 -dc" },
}

local function decoder_on_board(shell, format)
    for _, command in ipairs(DECODERS[format] or {}) do
        if shell:test(("command -v %s >/dev/null"):format(command:match("^%S+"))) then
            return command
        end
    end
end

local SCRIPT = [[
{ %s; echo $? >fetch.status; } 2>fetch.err | { %s; echo $? >decode.status; } 2>decode.err | {
%s; echo $? >write.status; }
sync
]]

-- The parts' statuses, that of the storage first: what fails behind takes what
-- stands before it down with it.
local function check_parts(dut, worker, delivery)
    local write, fetch, decode = worker:status("write"), worker:status("fetch"),
        worker:status("decode")
    local words = worker:result("dd.err")
    if words:find("rror") or (write ~= 0 and fetch == 0 and decode == 0) then
        dd.raise_fault(dut, words)
    end
    delivery:check(fetch ~= 0 or decode ~= 0)
    if fetch ~= 0 then
        dut.console:fail({
            code = "network", at = "shell",
            message = ("write: the board's download failed (status %s): %s; %s"):format(
                fetch, worker:result("fetch.err"), delivery:arrival()),
        })
    end
    if decode ~= 0 or write ~= 0 then
        dut.console:fail({
            code = "io", at = "shell",
            message = ("write: decoding ended with %s, writing with %s: %s %s"):format(decode, write,
                worker:result("decode.err"), words),
        })
    end
end

-- What the board cannot decode, this host decodes while it serves: nil then.
local function choose_decoder(dut, source)
    local decoder = decoder_on_board(dut.shell, source:format())
    if not decoder then
        log.info("the board has no decoder for %s: this host decodes while serving", source:format())
    end
    return decoder
end

--- Writes a piece's image to its target.
---@param dut jflash.Dut with a shell
---@param piece jflash.Piece with a target
---@return {bytes: integer, elapsed_s: number}
function M.write(dut, piece)
    local device = piece.target.device
    local bytes = piece.source:decoded_bytes()
    local flags = dd.flags(dut.shell, device)
    local decoder = choose_decoder(dut, piece.source)
    local delivery <close> = piece.source:deliver(dut, piece.key, decoder == nil)
    local body = SCRIPT:format(delivery.command, decoder or "cat",
        dd.write_commands(device, bytes, flags))
    local worker <close> = workers.start(dut, body, {
        what = "write", total_bytes = bytes, stall_s = dut.board.timeouts.write_stall_s, descriptor = 1,
    })
    worker:wait(function()
        return delivery:bytes()
    end)
    check_parts(dut, worker, delivery)
    return { bytes = bytes or piece.source:proof().decoded_bytes, elapsed_s = worker.elapsed_s }
end

return M
