-- SPDX-License-Identifier: Apache-2.0
--
-- The scripted board for specs: a fake of hardware at the wire (README.md).
--
--   local board <close> = sim.start({ dialect = "keyed", faults = { … } })
--   local config = board:config()           -- a board of jflash.yaml, as a table
--   … run a flash …
--   assert.equal("off", board:state())
local json = require("jflash.json")
local job = require("jflash.job")
local literal = require("tests.sim.board.literal")

local M = {}

local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")

local function quote(text)
    return "'" .. text:gsub("'", [['\'']]) .. "'"
end

local function output_of(command)
    local pipe <close> = assert(io.popen(command))
    return pipe:read("a")
end

-- The folder of the board's programs: in the build that this test runs from.
local function programs()
    local build = os.getenv("JFLASH_BUILD")
        or output_of("readlink -f /proc/$PPID/exe"):match("^(.*)/[^/]*\n$")
    local folder = build .. "/tests/sim"
    local file = io.open(folder .. "/sim-board", "rb")
    if not file then
        error("the scripted board is not built: " .. folder .. "/sim-board")
    end
    file:close()
    return folder
end

---@class sim.Board
---@field dir string      its folder; gone after close
---@field console string  the path of its serial line
---@field bundle string   the folder of a bundle that fits it
---@field storage string  the file that its first disk's content lies in
---@field power table     the `power` section of a board's configuration
local Board = {}
Board.__index = Board

--- Starts a board, switched off. The options are those of README.md.
---@param options table|nil
---@return sim.Board
function M.start(options)
    options = options or {}
    local folder = programs()
    local pipe = assert(io.popen(("exec %s %s %s"):format(
        quote(folder .. "/sim-board"), quote(HERE .. "/board.lua"), quote(literal.of(options)))))
    local dir = pipe:read("l")
    if not dir or dir:sub(1, 1) ~= "/" then
        pipe:close()
        error("the scripted board did not start: " .. (dir or "no answer"), 2)
    end
    local self = setmetatable({ pipe = pipe, dir = dir, options = options }, Board)
    self.tell = ("%s %s "):format(quote(folder .. "/sim-tell"), quote(dir .. "/control"))
    self.console = dir .. "/console"
    self.bundle = dir .. "/bundle"
    local first = (options.disks or {})[1] or {}
    self.storage = ("%s/root/dev/%s"):format(dir, first.name or "vda")
    local function tell(wanted)
        return self.tell .. quote("power " .. wanted)
    end
    self.power = {
        type = "command", on = tell("on"), off = tell("off"), cycle = tell("cycle"), read = tell("read"),
    }
    return self
end

-- Sends a request; returns its answer. Raises when the board refuses.
local function request(self, text)
    local pipe = assert(io.popen(self.tell .. quote(text) .. " 2>&1"))
    local answer = pipe:read("l")
    if not pipe:close() then
        error(("the scripted board: %s: %s"):format(text, answer), 3)
    end
    return answer
end

--- Switches it, as the power driver does.
---@param wanted "on"|"off"|"cycle"
function Board:switch(wanted)
    request(self, "power " .. wanted)
end

--- Adds a fault while it runs; one with at = "now" happens at once.
---@param fault table see README.md
function Board:set_fault(fault)
    request(self, "fault " .. literal.of(fault))
end

--- Ends all faults, or those of one kind.
---@param kind string|nil
function Board:clear_faults(kind)
    request(self, "clear " .. (kind or ""))
end

--- Whether its power is on.
---@return "on"|"off"
function Board:state()
    local file <close> = assert(io.open(self.dir .. "/state"))
    return file:read("l")
end

--- What happened so far, oldest first: {kind=, time_s=, …}; README.md lists the kinds.
---@param kind string|nil only these
---@return table[]
function Board:log(kind)
    local entries = {}
    local file <close> = assert(io.open(self.dir .. "/log"))
    for line in file:lines("L") do
        -- The last one may be half written.
        local entry = line:sub(-1) == "\n" and literal.value(line)
        if entry and (not kind or entry.kind == kind) then
            entries[#entries + 1] = entry
        end
    end
    return entries
end

--- The texts of the log's entries of one kind: of "uboot" or "shell", what was typed.
---@param kind string
---@return string[]
function Board:texts(kind)
    local texts = {}
    for _, entry in ipairs(self:log(kind)) do
        texts[#texts + 1] = entry.text
    end
    return texts
end

--- Waits for a log entry for which `is_wanted(entry)` is true, and returns it; nil
--- after `timeout_s`.
---@param is_wanted fun(entry: table): boolean
---@param timeout_s number|nil
function Board:wait_for(is_wanted, timeout_s)
    local deadline = job.now() + (timeout_s or 5)
    repeat
        for _, entry in ipairs(self:log()) do
            if is_wanted(entry) then
                return entry
            end
        end
    until job.now() >= deadline or not job.sleep(0.005)
    return nil
end

--- The configuration of a board that is this one, as in jflash.yaml.
---@return table
function Board:config()
    local options = self.options
    return {
        description = "the scripted board of the tests",
        bundle = self.bundle,
        -- A hang-up is a fault of the run unless a test wants otherwise.
        console = { device = self.console, reconnect_s = 0 },
        power = self.power,
        network = { method = "dhcp" },
        tftp = { host = "auto-loopback", port = 0 },
        http = { host = "127.0.0.1" },
        uboot = {
            prompt = options.prompt or "=> ",
            interrupt_key = options.dialect == "keyed" and (options.autoboot_key or "stop") or nil,
            interrupt_interval_s = 0.02,
        },
        login = { password = options.password },
    }
end

--- A jflash.yaml with this one board. JSON is YAML.
---@param name string|nil
---@param config table|nil what to write instead of config()
---@return string
function Board:yaml(name, config)
    return json.encode({ boards = { [name or "sim"] = config or self:config() } }) .. "\n"
end

--- Ends the board and all that it runs, and removes its folder.
function Board:close()
    if self.pipe then
        self.pipe:close()
        self.pipe = nil
    end
end

Board.__close = Board.close
Board.__gc = Board.close

return M
