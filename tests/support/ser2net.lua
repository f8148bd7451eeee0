-- SPDX-License-Identifier: Apache-2.0
--
-- ser2net between a TCP port and the pty of a console peer, and a stand-in for what it
-- does not do on request.
--
--   local peer <close> = peers.pty()
--   local server <close> = ser2net.start("telnet(rfc2217)", peer.where)
--   console.open("rfc2217:" .. server.address)

local http = require("jflash.http")
local job = require("jflash.job")
local net = require("jflash.net")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local M = {}

local START_S = 10
local STAND_IN = (arg[0]:match("^(.*)tests/") or "") .. "tests/support/rfc2217_stand_in.py"

local function free_port(host)
    local server <close> = assert(http.serve({ host = host }))
    return server:port()
end

---@class tests.Ser2net
---@field address string  HOST:PORT
local Server = {}
Server.__index = Server

function Server:log()
    return self.scratch:read("log")
end

-- Whether something listens; nothing is connected, so that nothing is disturbed.
local function listens(address)
    local port = (":%04X 00000000:0000 0A"):format(address:match(":(%d+)$"))
    for line in io.lines("/proc/net/tcp") do
        if line:find(port, 1, true) then
            return true
        end
    end
    return false
end

--- Starts it, or starts it again behind Server:kill.
function Server:run()
    self.process = assert(sys.spawn({ "ser2net", "-n", "-d", "-c", self.scratch:file("ser2net.yaml"), "-P",
        self.scratch:file("pid") }, { stdout = self.scratch:file("log"), stderr = self.scratch:file("log") }))
    local deadline = job.now() + START_S
    while not listens(self.address) do
        assert(self.process:alive() and job.now() < deadline, "ser2net does not start: " .. self:log())
        assert(job.sleep(0.01))
    end
end

function Server:kill()
    if self.process then
        self.process:kill(9)
        self.process:wait({ timeout_s = START_S })
        self.process:close()
        self.process = nil
    end
end

function Server:__close()
    self:kill()
    getmetatable(self.scratch).__close(self.scratch)
end

local YAML = [[
connection: &board
  accepter: %s,tcp,%s
  connector: serialdev(nouucplock),%s,115200n81,local
]]

--- ser2net as in Debian.
---@param accepter string  "tcp", "telnet" or "telnet(rfc2217)", without ",tcp"
---@param tty string
---@return tests.Ser2net to be closed
function M.start(accepter, tty)
    local host = assert(net.random_loopback())
    local scratch = scratches.new()
    local address = ("%s:%d"):format(host, free_port(host))
    scratch:write("ser2net.yaml", YAML:format(accepter, address:gsub(":", ","), tty):gsub("raw,tcp", "tcp"))
    local self = setmetatable({ scratch = scratch, address = address }, Server)
    self:run()
    return self
end

--- The stand-in, in one of its cases.
---@param case string
function M.stand_in(case)
    local host = assert(net.random_loopback())
    local scratch = scratches.new()
    local self = setmetatable({ scratch = scratch }, Server)
    local out = scratch:file("port")
    self.process = assert(sys.spawn({ "python3", STAND_IN, host, scratch:file("log"), case }, { stdout = out }))
    local deadline = job.now() + START_S
    local port
    repeat
        port = scratch:read("port"):match("^(%d+)\n")
        assert(job.now() < deadline, "the stand-in does not start")
    until port or not job.sleep(0.01)
    self.address = host .. ":" .. port
    return self
end

return M
