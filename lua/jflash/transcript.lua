-- SPDX-License-Identifier: Apache-2.0
--
-- Reads a console's transcript while it grows (its format: src/console/transcript.h)
-- and gives back what the board said, without times, marks and what was typed.

local errors = require("jflash.errors")
local sys = require("jflash.sys")

local M = {}

-- How much of a long transcript's end is read first.
local LAST_BYTES = 64 << 10
local CHUNK_BYTES = 64 << 10
-- "    0.104211 < "
local MARK = "^ *%d+%.%d+ ([<>]) "
-- A line that is longer than this without a mark has none.
local MARK_BYTES = 40

local LETTERS = { n = "\n", r = "\r", t = "\t", e = "\27", ["\\"] = "\\" }

---@class jflash.Transcript
local Transcript = {}
Transcript.__index = Transcript

--- Opens the transcript `path`, at most some last lines before its end. Raises class
--- host when it is none, or cannot be read.
---@param path string
---@return jflash.Transcript to be closed
function M.open(path)
    local info = errors.check("host", sys.stat(path))
    if info.type ~= "file" then -- a FIFO would keep us waiting
        errors.raise({ class = "host", code = "unsupported", message = path .. ": not a regular file" })
    end
    local file, message = io.open(path, "rb")
    if not file then
        errors.raise({ class = "host", code = "io", message = message })
    end
    local self = setmetatable({ file = file, held = "" }, Transcript)
    if info.size > LAST_BYTES then
        file:seek("set", info.size - LAST_BYTES)
        file:read("l") -- the rest of a line whose beginning is not seen
    end
    return self
end

-- The text without an escape at its end that is not whole yet, and that.
local function split_escape(text)
    local whole, rest = text:match("^(.-)(\\x?%x?)$")
    -- A backslash behind an odd number of them is itself escaped.
    if not whole or #whole:match("\\*$") % 2 == 1 then
        return text, ""
    end
    return whole, rest
end

local function unescape(text)
    return (text:gsub("\\(.)(%x?%x?)", function(letter, digits)
        if letter == "x" and #digits == 2 then
            return string.char(tonumber(digits, 16))
        end
        return (LETTERS[letter] or "\\" .. letter) .. digits
    end))
end

-- One line's mark; nil when it has not come in full.
local function take_mark(self)
    local direction = self.held:match(MARK)
    if direction then
        self.held = self.held:gsub(MARK, "", 1)
        return direction
    elseif self.held:find("\n", 1, true) or #self.held > MARK_BYTES then
        return "#" -- the header
    end
    return nil
end

-- The next piece of one line that can be told; nil when more must come.
local function take_piece(self)
    self.direction = self.direction or take_mark(self)
    if not self.direction or self.held == "" then
        return nil
    end
    local direction = self.direction
    local line, rest = self.held:match("^([^\n]*)\n(.*)$")
    if line then
        self.direction, self.held = nil, rest
    else
        line, self.held = split_escape(self.held)
        if line == "" then
            return nil
        end
    end
    return direction == "<" and unescape(line) or ""
end

--- What the board said since the last time; "" when nothing came.
---@return string
function Transcript:read()
    local pieces = {}
    self.file:seek("cur", 0) -- past an end that was met before
    while true do
        local chunk = self.file:read(CHUNK_BYTES)
        if not chunk then
            return table.concat(pieces)
        end
        self.held = self.held .. chunk
        local piece = take_piece(self)
        while piece do
            table.insert(pieces, piece)
            piece = take_piece(self)
        end
    end
end

function Transcript:close()
    self.file:close()
end

return M
