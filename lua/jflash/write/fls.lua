-- SPDX-License-Identifier: Apache-2.0
--
-- The write method that runs the `fls` program on the board: it fetches, decodes and
-- writes by itself. It is fetched by this host (jflash.fls_program), handed to the
-- board, and gets the image from this host's server, so that the board needs neither
-- the internet nor a secret. With --dut-fetch it gets the image's own URL: nobody
-- sees then what it writes.

local dd = require("jflash.write.dd")
local errors = require("jflash.errors")
local fetches = require("jflash.board_fetch")
local log = require("jflash.log")
local programs = require("jflash.fls_program")
local shells = require("jflash.shell")
local urls = require("jflash.url")
local workers = require("jflash.write.worker")

local M = {}

local PLACE = workers.FOLDER .. "/fls"
-- A program of several megabytes over a slow network.
local INSTALL_S = 120

-- fls goes by the name's ending. What it does not decode in each of its releases,
-- this host decodes while it serves.
local SUFFIXES = { raw = ".raw", xz = ".xz", gzip = ".gz" }
-- What it takes a URL for; "?": some releases decode it.
local ENDINGS = { xz = "xz", gz = "gzip", bz = "?", bz2 = "?", zst = "?", zstd = "?" }

-- fls fills its last direct write up to this with zeros.
local DIRECT_BYTES = 4096

local SCRIPT = [[
%ssh -c 'echo $$ >position; exec "$@"' sh %s from-url -i 1.0 -n %s%s%s %s >fls.out 2>&1
echo $? >write.status
tail -c 1200 fls.out >fls.err
grep -m 1 'panicked at' fls.out >panic.err
sync
]]

-- What fls says of its progress, in MiB.
local POSITION = [[n=$(sed -n 's/.*Written: \([0-9]*\).*/\1/p' fls.out|tail -n 1);echo "at $((n*1048576))"]]
local MIB = 1 << 20

local function refuse(message, hint)
    errors.raise({ class = "config", code = "unsupported", message = message,
        hint = hint or "leave out --dut-fetch: this host fetches then; or take --method shell" })
end

-- What fls fetches by itself stands in its arguments.
local function check_shown(dut)
    for _, piece in ipairs(dut.options.pieces) do
        if fetches.has_secrets(piece.image, dut.options.fetch) or piece.image:find("?", 1, true) then
            refuse("--dut-fetch: fls would show what is sent, and the URL's query, in the board's process list")
        end
    end
end

--- Refuses options that cannot be right, before the power is touched.
---@param dut jflash.Dut
function M.check(dut)
    programs.check(dut.options.fls or {})
    if dut.options.dut_fetch then
        check_shown(dut)
    end
end

-- What fls would make of a URL must be what is there, and a digest that was asked
-- for must be one that somebody can compare.
local function check_lent(source)
    if source.is_registry then
        return -- there it goes by content
    end
    local taken_for = ENDINGS[source.url:match("%.(%w+)$")] or "raw"
    if taken_for ~= source:format() then
        refuse(("%s is %s by its content, and fls goes by a URL's ending"):format(
            urls.shown(source.url), source:format()))
    elseif source.wanted_sha256 and not source:is_known() then
        refuse("--os-image-checksum: nobody hashes what fls fetches by itself")
    end
end

--- Brings the program to the board, and proves that it runs there.
---@param dut jflash.Dut with a shell
function M.prepare(dut)
    local shell = dut.shell
    for _, piece in ipairs(dut.pieces) do
        if piece.source.lend then
            check_lent(piece.source)
        end
    end
    local machine = shell:run("uname -m"):match("%S+")
    dut.fls = dut.fls or programs.obtain(dut, machine)
    shell:run("mkdir -p " .. workers.FOLDER)
    shell:put_file(dut.http, dut.fls, PLACE, INSTALL_S)
    shell:run(("chmod 700 %s && %s --help >/dev/null 2>&1"):format(PLACE, PLACE), {
        retry = 0, hint = "the fls program does not start on this board; --method shell needs none",
    })
    shell.has_fls = true
end

-- Where fls gets the image from.
local function deliver(dut, piece)
    local source = piece.source
    if source.lend then
        return source:lend(dut)
    end
    local suffix = SUFFIXES[source:format()]
    if not suffix then
        log.info("fls does not decode %s: this host decodes while serving", source:format())
    end
    return source:deliver(dut, piece.key .. (suffix or ".raw"), suffix == nil)
end

local function fetch_arguments(delivery)
    return (delivery.insecure and "-k " or "")
        .. (delivery.cacert and "--cacert " .. delivery.cacert .. " " or "")
        .. (delivery.pattern and "--file-pattern " .. shells.quote(delivery.pattern) .. " " or "")
end

-- Credentials go by its environment: not by its arguments, which all can see.
local function login_command(delivery)
    return delivery.login and (". %s\n"):format(delivery.login) or ""
end

-- Nothing may be written behind the image's end.
local function direct_argument(bytes)
    return bytes and bytes % DIRECT_BYTES == 0 and "--o-direct " or ""
end

local function check_result(dut, worker, delivery)
    local status, words = worker:status("write"), worker:result("fls.err")
    local panic = worker:result("panic.err")
    if status == 0 and panic == "" then
        return words
    end
    delivery:check(true)
    return dd.raise_fault(dut, panic ~= "" and panic or words, {
        tool = "fls", text = ("write: fls ended with status %s: "):format(status),
    })
end

-- What it says that it wrote: nobody else can tell.
local function bytes_said(words)
    return math.floor((tonumber(words:match("Write complete: ([%d.]+) MB")) or 0) * MIB)
end

--- Writes a piece's image to its target.
---@param dut jflash.Dut with a shell
---@param piece jflash.Piece with a target
---@return {bytes: integer, elapsed_s: number}
function M.write(dut, piece)
    if not dut.shell.has_fls then
        M.prepare(dut)
    end
    local source, bytes = piece.source, piece.source:decoded_bytes()
    local delivery <close> = deliver(dut, piece)
    local body = SCRIPT:format(login_command(delivery), PLACE, fetch_arguments(delivery), direct_argument(bytes),
        shells.quote(delivery.url), piece.target.device)
    local worker <close> = workers.start(dut, body, {
        what = "write", total_bytes = bytes, stall_s = dut.board.timeouts.write_stall_s,
        descriptor = 1, position = POSITION,
    })
    worker:wait(function()
        return delivery:bytes()
    end)
    local words = check_result(dut, worker, delivery)
    if source.lend then
        source:believe()
    end
    local proof = source:proof()
    return { bytes = proof and proof.decoded_bytes or bytes_said(words), elapsed_s = worker.elapsed_s }
end

return M
