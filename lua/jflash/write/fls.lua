-- SPDX-License-Identifier: Apache-2.0
--
-- The write method that runs the `fls` program on the board: it fetches, decodes and
-- writes by itself. It is fetched by this host (jflash.fls_program), handed to the
-- board, and gets the image from this host's server, so that the board needs neither
-- the internet nor a secret.

local dd = require("jflash.write.dd")
local log = require("jflash.log")
local programs = require("jflash.fls_program")
local shells = require("jflash.shell")
local workers = require("jflash.write.worker")

local M = {}

local PLACE = workers.FOLDER .. "/fls"
-- A program of several megabytes over a slow network.
local INSTALL_S = 120

-- fls goes by the name's ending. What it does not decode in each of its releases,
-- this host decodes while it serves.
local SUFFIXES = { raw = ".raw", xz = ".xz", gzip = ".gz" }

-- fls fills its last direct write up to this with zeros.
local DIRECT_BYTES = 4096

local SCRIPT = [[
%s from-url -i 1.0 -n %s%s %s >fls.out 2>&1
echo $? >write.status
tail -c 1200 fls.out >fls.err
grep -m 1 'panicked at' fls.out >panic.err
sync
]]

-- What fls says of its progress, in MiB.
local POSITION = [[n=$(sed -n 's/.*Written: \([0-9]*\).*/\1/p' fls.out|tail -n 1);echo "at $((n*1048576))"]]

--- Refuses options that cannot be right, before the power is touched.
---@param dut jflash.Dut
function M.check(dut)
    programs.check(dut.options.fls or {})
end

--- Brings the program to the board, and proves that it runs there.
---@param dut jflash.Dut with a shell
function M.prepare(dut)
    local shell = dut.shell
    local machine = shell:run("uname -m"):match("%S+")
    dut.fls = dut.fls or programs.obtain(dut, machine)
    shell:run("mkdir -p " .. workers.FOLDER)
    shell:put_file(dut.http, dut.fls, PLACE, INSTALL_S)
    shell:run(("chmod 700 %s && %s --help >/dev/null 2>&1"):format(PLACE, PLACE), {
        retry = 0, hint = "the fls program does not start on this board; --method shell needs none",
    })
    shell.has_fls = true
end

-- Nothing may be written behind the image's end.
local function direct(bytes)
    return bytes and bytes % DIRECT_BYTES == 0 and "--o-direct " or ""
end

local function check_result(dut, worker, delivery)
    local status, words = worker:status("write"), worker:result("fls.err")
    local panic = worker:result("panic.err")
    if status == 0 and panic == "" then
        return
    end
    delivery:check(true)
    dd.raise_fault(dut, panic ~= "" and panic or words, {
        tool = "fls", text = ("write: fls ended with status %s: "):format(status),
    })
end

--- Writes a piece's image to its target.
---@param dut jflash.Dut with a shell
---@param piece jflash.Piece with a target
---@return {bytes: integer, elapsed_s: number}
function M.write(dut, piece)
    if not dut.shell.has_fls then
        M.prepare(dut)
    end
    local suffix, bytes = SUFFIXES[piece.source:format()], piece.source:decoded_bytes()
    if not suffix then
        log.info("fls does not decode %s: this host decodes while serving", piece.source:format())
    end
    local delivery <close> = piece.source:deliver(dut, piece.key .. (suffix or ".raw"), suffix == nil)
    local worker <close> = workers.start(dut,
        SCRIPT:format(PLACE, direct(bytes), shells.quote(delivery.url), piece.target.device), {
            what = "write", total_bytes = bytes, stall_s = dut.board.timeouts.write_stall_s,
            position = POSITION,
        })
    worker:wait(function()
        return delivery:bytes()
    end)
    check_result(dut, worker, delivery)
    return { bytes = bytes or piece.source:proof().decoded_bytes, elapsed_s = worker.elapsed_s }
end

return M
