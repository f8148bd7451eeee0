-- SPDX-License-Identifier: Apache-2.0
--
-- The write method that needs nothing but a busybox on the board:
-- fetch | decode | dd, each with its status believed.
--
-- dd's status alone tells of an I/O error only when the data has reached the
-- device (oflag=direct, or conv=fsync); sync's status does not tell it at all.

local log = require("jflash.log")
local workers = require("jflash.write")

local M = {}

local BLOCK = 4 * 1024 * 1024

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

-- Whether the board's dd knows fullblock and direct, found out by reading.
local function dd_flags(shell, device)
    return {
        direct = shell:test(("dd if=%s of=/dev/null bs=4096 count=1 iflag=fullblock,direct 2>/dev/null")
            :format(device)),
        count_bytes = shell:test("dd if=/dev/zero of=/dev/null bs=4096 count=1 "
            .. "iflag=fullblock,count_bytes 2>/dev/null"),
    }
end

--- Tells how many whole blocks and how many bytes behind them `bytes` are.
local function split(bytes)
    return bytes // BLOCK, bytes % BLOCK
end

-- A dd whose process number stands in "position", so that its offset can be read.
local function watched_dd(arguments)
    return ("sh -c 'echo $$ >position; exec dd %s 2>>dd.err'"):format(arguments)
end

-- Direct writes for whole blocks; the rest goes through the page cache and is
-- synchronised by itself, since direct writes come in whole sectors and nothing
-- may be written behind the image's end.
local function write_commands(device, bytes, flags)
    local blocks, rest = split(bytes)
    if not flags.direct then
        return watched_dd(("of=%s bs=64k conv=fsync"):format(device))
    end
    local commands = {}
    if blocks > 0 then
        table.insert(commands, watched_dd(("of=%s bs=%d count=%d iflag=fullblock oflag=direct"):format(
            device, BLOCK, blocks)))
    end
    if rest > 0 or blocks == 0 then
        table.insert(commands, ("dd of=%s bs=%d seek=%d iflag=fullblock conv=fsync 2>>dd.err"):format(
            device, BLOCK, blocks))
    end
    return table.concat(commands, " && ")
end

local SCRIPT = [[
{ %s; echo $? >fetch.status; } 2>fetch.err | { %s; echo $? >decode.status; } 2>decode.err | {
%s; echo $? >write.status; }
sync
]]

-- What is wrong with the storage stays wrong: never retried.
local STORAGE_FAULTS = {
    { text = "No space left on device", class = "image", meaning = "the image does not fit the device" },
    { text = "Input/output error", meaning = "the device reports an I/O error" },
    { text = "I/O error", meaning = "the device reports an I/O error" },
    { text = "Read-only file system", meaning = "the device is read-only" },
    { text = "Operation not permitted", meaning = "the device refuses writes" },
    { text = "No such", meaning = "the device has gone" },
}

local function raise_storage_fault(dut, words)
    for _, fault in ipairs(STORAGE_FAULTS) do
        if words:find(fault.text, 1, true) then
            dut.console:fail({
                class = fault.class or "board", code = "io", retry = 0, at = "shell",
                message = ("write: %s: dd said: %s"):format(fault.meaning, words),
                hint = "a worn-out or write-protected medium? try another one",
            })
        end
    end
    dut.console:fail({ code = "io", at = "shell", message = "write: dd failed: " .. words })
end

-- The parts' statuses, that of the storage first: what fails behind takes what
-- stands before it down with it.
local function check_parts(dut, worker, offered)
    local write, fetch, decode = worker:status("write"), worker:status("fetch"),
        worker:status("decode")
    local words = worker:result("dd.err")
    if words:find("rror") or (write ~= 0 and fetch == 0 and decode == 0) then
        raise_storage_fault(dut, words)
    end
    if fetch ~= 0 then
        dut.console:fail({
            code = "network", at = "shell",
            message = ("write: the board's download failed (status %s): %s; %s"):format(
                fetch, worker:result("fetch.err"), dut.http:arrival(offered.name)),
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

-- What the board cannot decode, this host decodes while it serves: returns the
-- board's decoder, and the stream of decoded bytes if there must be one.
local function choose_decoder(dut, img)
    local decoder = decoder_on_board(dut.shell, img:format())
    if decoder then
        return decoder, nil
    end
    log.info("the board has no decoder for %s: this host decodes while serving", img:format())
    return "cat", img:stream()
end

--- Writes the image to the target.
---@param dut jflash.Dut with a shell, a target and a proven image
---@return {bytes: integer, elapsed_s: number}
function M.write(dut)
    local device, bytes = dut.target.device, dut.proof.decoded_bytes
    local flags = dd_flags(dut.shell, device)
    local decoder, stream <close> = choose_decoder(dut, dut.image)
    local offered <close> = dut.http:offer("image",
        stream and { stream = stream } or { file = dut.image.file })
    local body = SCRIPT:format(dut.shell:fetch(offered.url), decoder,
        write_commands(device, bytes, flags))
    local worker <close> = workers.start(dut, body, {
        what = "write", total_bytes = bytes, stall_s = dut.board.timeouts.write_stall_s, descriptor = 1,
    })
    worker:wait(function()
        local transfer = dut.http:progress(offered.name)
        return transfer and transfer.bytes
    end)
    check_parts(dut, worker, offered)
    return { bytes = bytes, elapsed_s = worker.elapsed_s }
end

local function read_commands(device, bytes, flags)
    local blocks, rest = split(bytes)
    local commands = {}
    local direct = flags.direct and " iflag=fullblock,direct" or " iflag=fullblock"
    if blocks > 0 then
        table.insert(commands, watched_dd(("if=%s bs=%d count=%d%s"):format(
            device, BLOCK, blocks, direct)))
    end
    if rest > 0 then
        table.insert(commands, ("dd if=%s bs=%d skip=%d count=%d iflag=fullblock,count_bytes 2>>dd.err")
            :format(device, BLOCK, blocks, rest))
    end
    return table.concat(commands, " && ")
end

local READ_SCRIPT = [[
sync
blockdev --flushbufs %s 2>/dev/null
{ %s; echo $? >read.status; } | sha256sum >digest
]]

--- Reads back what was written, past the board's page cache, and returns its digest.
---@param dut jflash.Dut
---@param bytes integer
---@return {digest: string|nil, elapsed_s: number, why_not: string|nil}
function M.read_back(dut, bytes)
    local device = dut.target.device
    local flags = dd_flags(dut.shell, device)
    local dropped = dut.shell:test("sync; echo 3 >/proc/sys/vm/drop_caches")
    if not flags.count_bytes then
        return { why_not = "the board's dd cannot read a number of bytes" }
    end
    if not dropped and not (flags.direct and bytes % BLOCK == 0) then
        return { why_not = "the board's page cache cannot be dropped" }
    end
    local worker <close> = workers.start(dut,
        READ_SCRIPT:format(device, read_commands(device, bytes, flags)), {
            what = "read back", total_bytes = bytes, stall_s = dut.board.timeouts.verify_stall_s,
            descriptor = 0,
        })
    worker:wait()
    local status, words = worker:status("read"), worker:result("dd.err")
    if status ~= 0 or words:find("rror") then
        dut.console:fail({ code = "io", retry = 0, at = "shell",
            message = "verify: reading back failed: " .. words })
    end
    return { digest = worker:result("digest"):match("^%x+"), elapsed_s = worker.elapsed_s }
end

return M
