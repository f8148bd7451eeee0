-- SPDX-License-Identifier: Apache-2.0
--
-- A run's result as people read it.

local log = require("jflash.log")

local M = {}

local Page = {}
Page.__index = Page

function Page:line(format, ...)
    table.insert(self, (select("#", ...) > 0 and format:format(...) or format))
end

-- A name and what is known of it; nothing for what is not known.
function Page:field(name, value)
    if value ~= nil and value ~= "" then
        self:line("%-10s %s", name, value)
    end
end

local function digest(hex)
    return hex and "sha256:" .. hex
end

local function duration(seconds)
    return seconds and ("%.1f s"):format(seconds)
end

local function add_head(page, document)
    page:field("run", document.folder)
    page:field("board", document.board)
    page:field("command", document.command
        and ("jflash %s (version %s)"):format(document.command, document.jflash))
    page:field("started", document.started and document.started:gsub("T", " "):gsub("Z$", " UTC"))
    page:field("took", duration(document.elapsed_s))
    page:field("result", document.status and ("%s, exit status %d (%s)"):format(
        document.result, document.status, document.class) or document.result)
    page:field("power", document.power)
end

local function add_bundle(page, bundle)
    if not bundle then
        return
    end
    page:field("bundle", ("%s in %s"):format(bundle.name, bundle.path))
    page:field("", bundle.reference and ("%s, %s"):format(bundle.reference, bundle.digest))
    page:field("", bundle.variant and "variant " .. bundle.variant)
    page:field("", digest(bundle.sha256))
end

local function place(piece)
    local text = piece.label and ("partition %s of %s"):format(piece.label, piece.target)
        or piece.target
    local size = piece.device_bytes and (", " .. log.size(piece.device_bytes)) or ""
    local model = (piece.model or "") ~= "" and (", " .. piece.model) or ""
    return piece.device and ("%s: %s%s%s"):format(text, piece.device, size, model) or text
end

local function add_amount(page, what, bytes, hex)
    if bytes then
        page:field("", ("%s %d bytes%s"):format(what, bytes, hex and ", " .. digest(hex) or ""))
    elseif hex then
        page:field("", ("%s %s"):format(what, digest(hex)))
    end
end

local function add_piece(page, piece, command)
    page:line("")
    page:field(command == "dump" and "file" or "image",
        piece.image and piece.image .. (piece.format and ", " .. piece.format or ""))
    page:field("target", place(piece))
    page:field("result", piece.result)
    add_amount(page, "delivered", piece.delivered_bytes, piece.delivered_sha256)
    add_amount(page, "sent", piece.sent_bytes, piece.sent_sha256)
    add_amount(page, "read back", nil, piece.read_back_sha256)
    add_amount(page, "dumped", piece.dumped_bytes, piece.dumped_sha256)
    add_amount(page, "the file has", piece.stored_bytes)
end

local function add_steps(page, steps)
    if #steps == 0 then
        return
    end
    page:line("")
    page:line("%-15s %9s %9s %10s  %s", "step", "began", "took", "moved", "tries")
    for _, step in ipairs(steps) do
        page:line("%-15s %7.1f s %7.1f s %10s  %d%s", step.name, step.started_s, step.elapsed_s,
            step.bytes and log.size(step.bytes) or "", step.tries, step.ok and "" or ", failed")
    end
end

-- What failed and was tried again; the last failure of a run that failed is its error.
local function add_failures(page, document)
    local failed = document.error or {}
    for _, step in ipairs(document.steps) do
        for _, failure in ipairs(step.failures or {}) do
            if failure.message ~= failed.message then
                page:line("failed in between, %s at %.1f s: %s", step.name, failure.at_s, failure.message)
            end
        end
    end
end

local function indented(text)
    return "    " .. text:gsub("\n", "\n    ")
end

local function add_error(page, failure)
    if not failure then
        return
    end
    page:line("")
    page:line("failed%s (%s, %s): %s", failure.step and " in step " .. failure.step or "",
        failure.class, failure.code or "no code", failure.message)
    if (failure.console or "") ~= "" then
        page:line("the console's last lines:\n%s", indented(failure.console))
    end
    for _, cleanup in ipairs(failure.cleanup or {}) do
        page:line("and while cleaning up: %s", cleanup)
    end
    page:field("hint:", failure.hint)
    if failure.traceback then
        page:line("%s", indented(failure.traceback))
    end
end

local function add_last_messages(page, messages)
    if messages and #messages > 0 then
        page:line("")
        page:line("the last that it said:\n%s", indented(table.concat(messages, "\n")))
    end
end

--- The whole page.
---@param document table  see reader.lua
---@return string
function M.page(document)
    local page = setmetatable({}, Page)
    add_head(page, document)
    add_bundle(page, document.bundle)
    for _, piece in ipairs(document.pieces) do
        add_piece(page, piece, document.command)
    end
    add_steps(page, document.steps)
    add_failures(page, document)
    add_error(page, document.error)
    add_last_messages(page, document.last_messages)
    return table.concat(page, "\n") .. "\n"
end

--- One line of a list.
---@param name string
---@param document table
---@return string
function M.row(name, document)
    return ("%-44s %-16s %-6s %s\n"):format(name, document.command or "",
        document.status or "-", document.result)
end

return M
