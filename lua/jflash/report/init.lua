-- SPDX-License-Identifier: Apache-2.0
--
-- What a run did: its steps with times, the digests, and the one result that it
-- may claim. "flashed" and "verified" are said only when what was read back equals
-- what was sent.

local job = require("jflash.job")
local log = require("jflash.log")

local M = {}

---@class jflash.Report
---@field steps jflash.report.Step[]
---@field pieces jflash.Piece[]  what is written or read, with what was done of it
---@field bundle table|nil  {path, name, variant, sha256, reference, digest}: the last two of one that was pulled
---@field writes boolean  whether the run is there to write
---@field power "untouched"|"on"|"off"|"unknown"  as the run leaves it
local Report = {}
Report.__index = Report

---@class jflash.report.Step
---@field name string
---@field started_s number   of its first try, from the run's start
---@field elapsed_s number   of all tries
---@field tries integer
---@field ok boolean         how the last try ended
---@field bytes integer|nil  that it moved
---@field failures table[]|nil  {at_s, class, code, message} of each try that failed

---@return jflash.Report
function M.new()
    return setmetatable({
        steps = {}, by_name = {}, pieces = {}, writes = true, power = "untouched", started = job.now(),
    }, Report)
end

--- Seconds since the run's start.
---@return number
function Report:elapsed_s()
    return job.now() - self.started
end

--- Notes that a step begins, for the first time or again.
---@param name string
function Report:begin_step(name)
    local entry = self.by_name[name]
    if not entry then
        entry = { name = name, started_s = self:elapsed_s(), elapsed_s = 0, tries = 0 }
        self.by_name[name] = entry
        table.insert(self.steps, entry)
    end
    entry.tries = entry.tries + 1
    entry.ok = false
    self.current, self.current_started = entry, job.now()
end

--- Notes how the step ended that began last.
---@param failure jflash.Error|nil
---@return number elapsed_s
function Report:end_step(failure)
    local entry, elapsed_s = self.current, job.now() - self.current_started
    self.current = nil
    entry.elapsed_s = entry.elapsed_s + elapsed_s
    entry.ok = failure == nil
    if failure then
        entry.failures = entry.failures or {}
        table.insert(entry.failures, {
            at_s = self:elapsed_s(), class = failure.class, code = failure.code,
            message = failure.message,
        })
    end
    return elapsed_s
end

--- Adds to what the present step has moved.
---@param bytes integer
function Report:add_bytes(bytes)
    if self.current then
        self.current.bytes = (self.current.bytes or 0) + bytes
    end
end

local function step_lines(self, lines)
    local total = 0
    for _, step in ipairs(self.steps) do
        total = total + step.elapsed_s
        local tries = step.tries > 1 and (" (%d tries)"):format(step.tries) or ""
        table.insert(lines, ("  %-15s %7.1f s%s"):format(step.name, step.elapsed_s, tries))
    end
    table.insert(lines, ("  %-15s %7.1f s"):format("total", total))
end

local function digest_lines(piece, lines)
    local sent, read = piece.proof and piece.proof.decoded_sha256, piece.read_back_sha256
    if not sent then
        return
    end
    table.insert(lines, "  digest sent      sha256:" .. sent)
    if read then
        local relation = read == sent and " (equal)" or " (DIFFERS)"
        table.insert(lines, "  digest read back sha256:" .. read .. relation)
    end
end

local function place_of(target)
    return target.label and ("%s (%s)"):format(target.device, target.label) or target.device
end

local function saved_lines(piece, lines)
    local saved = piece.saved
    table.insert(lines, ("  dumped           %s of %s to %s (%s)"):format(log.size(saved.bytes),
        place_of(piece.target), saved.path, log.size(saved.stored_bytes)))
    table.insert(lines, "  digest           sha256:" .. saved.sha256)
end

local function written_line(piece)
    local written, target = piece.written, piece.target
    local rate = written.bytes / math.max(written.elapsed_s, 0.001)
    return ("  written          %s to %s in %.1f s, %s/s"):format(
        log.size(written.bytes), place_of(target), written.elapsed_s, log.size(rate))
end

-- A dump is done when its file is: each range was stored with the board's digest.
local function result_of(piece)
    if piece.saved then
        return "dumped"
    elseif piece.verification == "verified" then
        return "verified"
    elseif piece.verification then
        return ("written, not verified (%s)"):format(piece.verification)
    end
    return "failed"
end

--- The run's result in the only words there are: verified, written, not verified
--- (why), dumped, failed. What may be said of a whole run is what may be said of
--- its weakest piece.
---@return string
function Report:result()
    if not self.writes then
        return "nothing was to be written"
    end
    local weakest
    for _, piece in ipairs(self.pieces) do
        local result = result_of(piece)
        if result == "failed" then
            return result
        elseif not weakest or result ~= "verified" then
            weakest = result
        end
    end
    return weakest or "failed"
end

--- The summary for people.
---@param board_name string
---@return string
function Report:summary(board_name)
    local result = self:result()
    local headline = result == "verified" and "flashed and verified" or result
    local lines = { ("%s: %s"):format(board_name, headline) }
    step_lines(self, lines)
    for _, piece in ipairs(self.pieces) do
        if piece.written then
            table.insert(lines, written_line(piece))
        end
        if piece.saved then
            saved_lines(piece, lines)
        end
        digest_lines(piece, lines)
    end
    return table.concat(lines, "\n") .. "\n"
end

local function piece_fields(piece)
    local proof, saved = piece.proof or {}, piece.saved or {}
    return {
        image = piece.image,
        reference = piece.reference,
        digest = piece.digest,
        format = proof.format or saved.format,
        target = piece.target_name,
        label = piece.label,
        device = piece.target and piece.target.device,
        device_bytes = piece.target and piece.target.size_bytes,
        model = piece.target and piece.target.model,
        result = result_of(piece),
        written_bytes = piece.written and piece.written.bytes,
        write_s = piece.written and piece.written.elapsed_s,
        sent_bytes = proof.decoded_bytes,
        sent_sha256 = proof.decoded_sha256,
        delivered_bytes = proof.delivered_bytes,
        delivered_sha256 = proof.delivered_sha256,
        read_back_sha256 = piece.read_back_sha256,
        dumped_bytes = saved.bytes,
        dumped_sha256 = saved.sha256,
        stored_bytes = saved.stored_bytes,
    }
end

--- The same for machines.
---@return table
function Report:fields()
    local pieces = {}
    for index, piece in ipairs(self.pieces) do
        pieces[index] = piece_fields(piece)
    end
    return { result = self:result(), steps = self.steps, pieces = pieces }
end

return M
