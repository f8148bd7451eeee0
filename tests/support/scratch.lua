-- SPDX-License-Identifier: Apache-2.0
--
-- A temporary folder for a test, and commands run in it.
local M = {}

local Scratch = {}
Scratch.__index = Scratch

local function capture(command)
    local pipe = assert(io.popen(command, "r"))
    local text = pipe:read("a")
    pipe:close()
    return (text:gsub("\n$", ""))
end
M.capture = capture

--- The jflash binary that runs this test.
function M.jflash()
    return capture("readlink /proc/$PPID/exe")
end

--- How many descriptors and threads this process has.
---@return integer descriptors, integer threads
function M.usage()
    -- One of the descriptors belongs to the pipe that asks, and another one where the
    -- shell was faster than this process, which has yet to close it: the least counts.
    local fds = math.huge
    for _ = 1, 5 do
        fds = math.min(fds, tonumber(capture("ls /proc/$PPID/fd | wc -l")))
    end
    local threads = tonumber(capture("ls /proc/$PPID/task | wc -l"))
    return fds, threads
end

--- A new folder; close it to remove it with all that is inside.
function M.new()
    return setmetatable({ path = capture("mktemp -d") }, Scratch)
end

function Scratch:file(name)
    return self.path .. "/" .. name
end

--- Writes a file and returns its path.
function Scratch:write(name, bytes)
    local path = self:file(name)
    local file = assert(io.open(path, "wb"))
    assert(file:write(bytes))
    assert(file:close())
    return path
end

function Scratch:read(name)
    local file = assert(io.open(self:file(name), "rb"))
    local bytes = file:read("a")
    file:close()
    return bytes
end

--- Runs a shell command inside the folder; its output goes nowhere.
function Scratch:sh(command)
    local line = ("exec >/dev/null 2>&1; cd '%s' && { %s; }"):format(self.path, command)
    assert(os.execute(line), "failed: " .. command)
end

function Scratch:close()
    os.execute(("rm -rf '%s'"):format(self.path))
end
Scratch.__close = Scratch.close

return M
