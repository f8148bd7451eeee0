-- SPDX-License-Identifier: Apache-2.0
--
-- What a run did: its steps with times, the digests, and the one result that it
-- may claim. "flashed" and "verified" are said only when what was read back equals
-- what was sent.

local log = require("jflash.log")

local M = {}

---@class jflash.Report
---@field steps {name: string, elapsed_s: number, tries: integer}[]
---@field verification "verified"|string|nil  "verified", or why it was not; nil before the write ended
local Report = {}
Report.__index = Report

---@return jflash.Report
function M.new()
    return setmetatable({ steps = {}, by_name = {}, tries = 1 }, Report)
end

--- Notes that a step was done, or tried.
---@param name string
---@param elapsed_s number
---@param ok boolean
function Report:step_done(name, elapsed_s, ok)
    local entry = self.by_name[name]
    if not entry then
        entry = { name = name, elapsed_s = 0, tries = 0 }
        self.by_name[name] = entry
        table.insert(self.steps, entry)
    end
    entry.elapsed_s = entry.elapsed_s + elapsed_s
    entry.tries = entry.tries + 1
    entry.ok = ok
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

local function digest_lines(self, lines)
    if not self.sent_sha256 then
        return
    end
    table.insert(lines, "  digest sent      sha256:" .. self.sent_sha256)
    if self.read_back_sha256 then
        local relation = self.read_back_sha256 == self.sent_sha256 and " (equal)" or " (DIFFERS)"
        table.insert(lines, "  digest read back sha256:" .. self.read_back_sha256 .. relation)
    end
end

local function written_line(self)
    local written = self.written
    local rate = written.bytes / math.max(written.elapsed_s, 0.001)
    return ("  written          %s to %s in %.1f s, %s/s"):format(
        log.size(written.bytes), self.device, written.elapsed_s, log.size(rate))
end

--- The run's result in the only three words there are.
---@return string
function Report:result()
    if self.verification == "verified" then
        return "verified"
    elseif self.verification then
        return ("written, not verified (%s)"):format(self.verification)
    end
    return "failed"
end

--- The summary for people.
---@param board_name string
---@return string
function Report:summary(board_name)
    local lines = {}
    step_lines(self, lines)
    if self.written then
        table.insert(lines, written_line(self))
    end
    digest_lines(self, lines)
    local headline = self.verification == "verified" and "flashed and verified" or self:result()
    table.insert(lines, 1, ("%s: %s"):format(board_name, headline))
    return table.concat(lines, "\n") .. "\n"
end

--- The same for machines.
---@return table
function Report:fields()
    return {
        result = self:result(),
        steps = self.steps,
        device = self.device,
        written_bytes = self.written and self.written.bytes,
        sent_sha256 = self.sent_sha256,
        delivered_sha256 = self.delivered_sha256,
        read_back_sha256 = self.read_back_sha256,
    }
end

return M
