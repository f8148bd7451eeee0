-- SPDX-License-Identifier: Apache-2.0
--
-- Brings a device's content to this host, range by range: the board reads a range
-- into its memory, hashes it there, and sends it by HTTP to a name that takes one
-- upload. What arrived is stored when its digest is the board's. A range that the
-- board finds to be what this host expects (stored by an earlier try, or zeros) is
-- not sent. While one range is sent the board reads the next.

local log = require("jflash.log")
local shells = require("jflash.shell")
local sys = require("jflash.sys")
local workers = require("jflash.write.worker")

local M = {}

local MIB = 1024 * 1024
-- A range costs the board twice its size in memory, and is what is sent again.
local LARGEST_RANGE = 16 * MIB
-- A small device is still several ranges.
local SMALLEST_COUNT = 64
-- Ranges that one script handles. What this host stores more slowly than the board
-- sends piles up here, never more than this.
local BATCH = 32
-- How often a range may fail in a row before the board is thought to have failed.
local TRIES = 3

-- What a worker does: lines "NUMBER WORD DIGEST" in the file "ranges" say which range
-- was the expected one ("same"), which was sent, which could not be read ("unread",
-- with dd's status) or sent ("unsent"); behind a failure it ends.
local SCRIPT = [[
rm -f ranges stop range.?
send() { %s; }
range() { # NUMBER EXPECTED URL
    f=range.$(($1 %% 2))
    sh -c 'echo $$ >position; exec dd if="$0" bs=%d count=%d skip="$1" 2>dd.err' %s $(($1 * %d)) >$f
    s=$?
    wait
    [ -e stop ] && return 1
    [ $s = 0 ] || { echo "$1 unread $s" >>ranges; return 1; }
    d=$(sha256sum <$f); d=${d%%%% *}
    [ "$d" = "$2" ] && { echo "$1 same $d" >>ranges; return; }
    { send $f "$3" && echo "$1 sent $d" >>ranges || { : >stop; echo "$1 unsent $d" >>ranges; }; } &
}
%s
wait
rm -f range.?
]]

---@class jflash.dump.Transfer
local Transfer = {}
Transfer.__index = Transfer

local function range_bytes(dut, size_bytes)
    local bytes = math.min(LARGEST_RANGE, math.max(1, size_bytes // SMALLEST_COUNT // MIB) * MIB)
    local output = dut.shell:frame("grep MemAvailable /proc/meminfo 2>/dev/null")
    local available = tonumber(output:match("(%d+) kB"))
    while available and bytes > MIB and 4 * bytes > available * 1024 do
        bytes = bytes // 2 // MIB * MIB
    end
    return bytes
end

local function begin_file(dut, piece)
    local target, facts = piece.target, piece.file.facts
    if facts and (facts.size_bytes ~= target.size_bytes or facts.model ~= target.model) then
        dut.console:fail({ code = "target", retry = 0, at = "shell", message =
            ("%s is another device than before the board booted again: %d bytes, %q; it was %d bytes, %q"):format(
                target.device, target.size_bytes, target.model, facts.size_bytes, facts.model) })
    elseif facts then
        return
    end
    piece.file:begin({
        board = dut.name, target = target.name, label = target.label, device = target.device,
        model = target.model, size_bytes = target.size_bytes,
        range_bytes = range_bytes(dut, target.size_bytes),
    })
end

-- Registers what the batch may upload. Returns the script's lines.
local function offer(self, first, last)
    local file, calls = self.file, {}
    self.names = {}
    for number = first, last do
        local name = ("range-%d-%s"):format(number, sys.random_hex(4))
        local offered = self.dut.http:receive(name, {
            file = ("%s/%d"):format(file.incoming, number), limit_bytes = file:range_size(number),
        })
        self.names[number] = name
        table.insert(calls, ("range %d %s %s"):format(number, file:expected(number),
            shells.quote(offered.url)))
    end
    return table.concat(calls, " &&\n")
end

local function withdraw(self)
    for _, name in pairs(self.names) do
        self.dut.http:withdraw(name)
    end
    self.names = {}
end

-- Bytes that arrived in this batch, and whether a range more is complete.
local function arrived(self)
    local bytes, complete = 0, 0
    for _, name in pairs(self.names) do
        local transfer = self.dut.http:progress(name)
        bytes = bytes + (transfer and transfer.bytes or 0)
        complete = complete + (self.dut.http:received(name) and 1 or 0)
    end
    return bytes, complete
end

-- A range arrived, or is what was expected: all before it are stored.
local function keep(self, number, digest, path)
    local file = self.file
    if number < #file.ranges and file.ranges[number + 1].sha256 ~= digest then
        log.warn("%s: the storage has changed since the earlier dump: what lies behind %s is dumped again",
            file.part, log.size(number * file.facts.range_bytes))
        file:drop_from(number)
        self.stale = true
    end
    if number == #file.ranges then
        file:add(number, digest, path)
    end
    self.next = number + 1
    self.dut.report:add_bytes(file:range_size(number))
end

local function take_sent(self, number, digest)
    local path = ("%s/%d"):format(self.file.incoming, number)
    local got = self.dut.http:received(self.names[number])
    if not got or got.sha256 ~= digest or got.bytes ~= self.file:range_size(number) then
        self.failed = ("range %d arrived as %d bytes with sha256:%s, the board read sha256:%s"):format(
            number, got and got.bytes or 0, got and got.sha256 or "none", digest)
        return
    end
    keep(self, number, digest, path)
    sys.remove(path)
end

-- What this host refused (a full disk) is no fault of the board's.
local function take_unsent(self, number)
    local transfer = self.dut.http:progress(self.names[number])
    if transfer and transfer.status == 500 then
        self.file:refused(transfer.error)
    end
    self.failed = ("range %d could not be sent: %s"):format(number,
        transfer and transfer.error or self.dut.http:arrival(self.names[number]))
end

local function raise_unread(self, number, words)
    local first = number * self.file.facts.range_bytes
    self.dut.console:fail({
        code = "io", retry = 0, at = "shell",
        message = ("dump: reading %s between %d and %d failed: dd said: %s"):format(self.device,
            first, first + self.file:range_size(number), words:match("[^\n]*rror[^\n]*") or words),
        hint = "a worn-out medium? What was read so far is kept",
    })
end

-- Goes through what the board has reported since the last look.
local function take_reports(self, worker)
    for number, word, digest in worker:lines("ranges", self.seen + 1):gmatch("(%d+) (%l+) (%w+)\n") do
        number = tonumber(number)
        self.seen = self.seen + 1
        if word == "same" then
            keep(self, number, digest)
        elseif word == "sent" then
            take_sent(self, number, digest)
        elseif word == "unsent" then
            take_unsent(self, number)
        else
            raise_unread(self, number, worker:result("dd.err"))
        end
        if self.failed or self.stale then
            return
        end
    end
end

local function start(self, first, last)
    local file = self.file
    local blocks = file.facts.range_bytes // MIB
    local body = SCRIPT:format(self.sender, MIB, blocks, shells.quote(self.device), blocks,
        offer(self, first, last))
    self.seen, self.failed, self.stale = 0, nil, false
    return workers.start(self.dut, body, {
        what = "dump", total_bytes = file.facts.size_bytes, origin = first * file.facts.range_bytes,
        stall_s = self.dut.board.timeouts.write_stall_s, descriptor = 0,
    })
end

-- Stores what has arrived while the worker goes on; returns how much arrived. What
-- follows a range that is to be sent again is of no use: the worker is told to end.
local function look(self, worker)
    local bytes, complete = arrived(self)
    local is_over = self.failed or self.stale
    if complete > self.complete and not is_over then
        self.complete = complete
        take_reports(self, worker)
        if self.failed or self.stale then
            worker:tell("stop")
        end
    end
    return bytes
end

-- Lets the board read and send ranges from self.next on; ends early when one failed,
-- or is not the one that was stored.
local function run_batch(self)
    local first = self.next
    local last = math.min(first + BATCH, self.file:range_count()) - 1
    local _ <close> = setmetatable({}, { __close = function() withdraw(self) end })
    local worker <close> = start(self, first, last)
    self.complete = 0
    worker:wait(function()
        return look(self, worker)
    end)
    if not self.failed and not self.stale then
        take_reports(self, worker)
    end
    if not self.failed and not self.stale and self.next <= last then
        self.failed = ("the board's script ended before range %d"):format(self.next)
    end
end

local function run_all(self)
    local failures = 0
    while self.next < self.file:range_count() do
        local before = self.next
        run_batch(self)
        failures = self.next > before and 0 or failures
        if self.failed then
            failures = failures + 1
            if failures >= TRIES then
                self.dut.console:fail({
                    code = "network", at = "shell", message = "dump: " .. self.failed,
                    hint = "a bad line between the board and this host? What arrived whole is kept",
                })
            end
            log.warn("%s: it is sent again", self.failed)
        end
    end
end

--- Dumps a piece's device into its file. What the file has already is compared on
--- the board first.
---@param dut jflash.Dut with a shell
---@param piece jflash.Piece with a target and a file
---@return table saved  see jflash.dump.File:finish
function M.run(dut, piece)
    begin_file(dut, piece)
    local self = piece.transfer
    -- What was compared before a boot may have changed in it.
    if not self or self.shell ~= dut.shell then
        self = setmetatable({
            dut = dut, shell = dut.shell, file = piece.file, device = piece.target.device,
            next = 0, names = {}, sender = dut.shell:sender(),
        }, Transfer)
        piece.transfer = self
    end
    run_all(self)
    return piece.file:finish()
end

return M
