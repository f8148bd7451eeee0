-- SPDX-License-Identifier: Apache-2.0
--
-- The write method that needs nothing but a busybox on the board:
-- fetch | decode | dd, each with its status believed.

local dd = require("jflash.write.dd")
local decoders = require("jflash.write.decoder")
local fetches = require("jflash.board_fetch")
local log = require("jflash.log")
local workers = require("jflash.write.worker")

local M = {}

local SCRIPT = [[
{ %s; echo $? >fetch.status; } 2>fetch.err | { %s; echo $? >decode.status; } 2>decode.err | {
%s; echo $? >write.status; }
sync
]]

-- The same for what this host does not see: hashed on its way, as delivered and as
-- decoded. busybox's tee goes on when its reader has ended, so whatever fails behind
-- it stops the download by itself. A reader of a FIFO that no one writes to would
-- wait for ever: at the end each is opened for writing once, and so ends. What is
-- written waits in the page cache: little of it, so that progress is the device's.
local UNSEEN_SCRIPT = [[
rm -f *.fifo *.seen
echo 33554432 >/proc/sys/vm/dirty_bytes
mkfifo delivered.fifo decoded.fifo count.fifo || exit 1
sha256sum <delivered.fifo >delivered.seen &
sha256sum <decoded.fifo >decoded.seen &
wc -c <count.fifo >count.seen &
ended() { echo $2 >$1.status; [ $2 = 0 ] || { echo 1 >stopped.status; ]] .. fetches.STOP .. [[; }; }
{ %s; echo $? >fetch.status; } 2>fetch.err | { tee delivered.fifo; echo $? >tee.status; } |
{ %s; ended decode $?; } 2>decode.err | { tee decoded.fifo count.fifo; echo $? >tee2.status; } | {
%s; ended write $?; }
for fifo in *.fifo; do : <>$fifo; done
wait
rm -f *.fifo
sync
]]

-- What a shell says of a process that SIGTERM ended.
local TERMINATED = 128 + 15

-- A download that was stopped because of what failed behind it did not fail.
local function fetch_status(worker)
    local status = worker:status("fetch")
    local stopped = status == TERMINATED and worker:status("stopped") ~= nil
    return stopped and 0 or status
end

-- The parts' statuses, that of the storage first: what fails behind takes what
-- stands before it down with it.
local function check_parts(dut, worker, delivery)
    local write, fetch, decode = worker:status("write"), fetch_status(worker), worker:status("decode")
    local words = worker:result("dd.err")
    if words:find("rror") or (write ~= 0 and fetch == 0 and decode == 0) then
        dd.raise_fault(dut, words)
    end
    delivery:check(fetch ~= 0 or decode ~= 0)
    if fetch ~= 0 then
        delivery:raise_failed(dut, fetch, worker:result("fetch.err"))
    end
    if decode ~= 0 or write ~= 0 then
        dut.console:fail({
            -- What this host proved decodes; of anything else the board is the judge.
            class = delivery.is_unseen and "image" or "board",
            code = "io", at = "shell",
            message = ("write: decoding ended with %s, writing with %s: %s %s"):format(decode, write,
                worker:result("decode.err"), words),
        })
    end
end

-- What the board saw of an image that went past this host.
local function seen(dut, worker)
    local taps = worker:status("tee") == 0 and worker:status("tee2") == 0
    local proof = {
        delivered_sha256 = worker:result("delivered.seen"):match("^%x+"),
        decoded_sha256 = worker:result("decoded.seen"):match("^%x+"),
        decoded_bytes = math.tointeger(tonumber(worker:result("count.seen"))),
    }
    if not taps or not (proof.delivered_sha256 and proof.decoded_sha256 and proof.decoded_bytes) then
        dut.console:fail({ code = "io", at = "shell", retry = 0,
            message = "write: the board could not hash the image on its way",
            hint = "leave out --dut-fetch: this host hashes then" })
    end
    return proof
end

-- What the board cannot decode, this host decodes while it serves: nil then.
local function choose_decoder(dut, source)
    local decoder = decoders.find(dut.shell, source:format())
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
    local flags = dd.flags(dut.shell, device)
    local decoder = choose_decoder(dut, piece.source)
    local delivery <close> = piece.source:deliver(dut, piece.key, decoder == nil)
    local script = delivery.is_unseen and UNSEEN_SCRIPT or SCRIPT
    local bytes = piece.source:decoded_bytes()
    local body = script:format(delivery.command, decoder or "cat", dd.write_commands(device, bytes, flags))
    local worker <close> = workers.start(dut, body, {
        what = "write", total_bytes = bytes, stall_s = dut.board.timeouts.write_stall_s, descriptor = 1,
    })
    worker:wait(function()
        return delivery:bytes()
    end)
    check_parts(dut, worker, delivery)
    if delivery.is_unseen then
        delivery:settle(seen(dut, worker))
    end
    return { bytes = bytes or piece.source:proof().decoded_bytes, elapsed_s = worker.elapsed_s }
end

return M
