-- SPDX-License-Identifier: Apache-2.0
--
-- The far end of a console in tests: socat joins a pty, a unix socket or a TCP
-- port, which the console under test opens, to a unix socket, through which the
-- test plays the board with a console of its own.
--
--   local peer <close> = console_peer.pty()
--   local con <close> = assert(console.open(peer.where))
--   peer.board:send("=> ")

local console = require("jflash.console")
local job = require("jflash.job")

local M = {}

local Peer = {}
Peer.__index = Peer

---Waits until `probe` returns a true value, and returns that.
---@generic T
---@param what string for the message
---@param probe fun(): T?
---@return T
function M.await(what, probe)
    local deadline = job.now() + 20
    repeat
        local value = probe()
        if value then
            return value
        end
        job.sleep(0.005)
    until job.now() > deadline
    error("timeout: " .. what, 2)
end

---The output of a shell command, without the line end.
---@param command string
---@return string
function M.output(command)
    local pipe <close> = assert(io.popen(command))
    return (pipe:read("a"):gsub("\n$", ""))
end

---The content of a file, or nil.
---@param path string
---@return string?
function M.content(path)
    local file <close> = io.open(path, "rb")
    return file and file:read("a")
end

local function start(far)
    local dir = M.output("mktemp -d")
    local command = "exec socat -d -d -b 65536 %s UNIX-LISTEN:%s/board >%s/log 2>&1 & echo $!"
    local self = setmetatable({ dir = dir }, Peer)
    self.pid = M.output(command:format(far:gsub("DIR", dir), dir, dir))
    return self
end

-- As M.await, but nothing is left of `self` when it fails.
local function await(self, what, probe)
    local ok, value = pcall(M.await, what, probe)
    if not ok then
        Peer.__close(self)
        error(value, 0)
    end
    return value
end

-- socat opens its second address when the first one has its peer.
local function join(self)
    self.board = await(self, "socat's socket", function()
        return console.open("unix:" .. self.dir .. "/board")
    end)
end

---A pty whose console end is `where`.
function M.pty()
    local self = start("PTY,link=DIR/tty,rawer")
    self.where = self.dir .. "/tty"
    await(self, "the pty", function()
        return M.output("readlink -e " .. self.where) ~= ""
    end)
    join(self)
    return self
end

---A unix socket, `board`, behind which is whatever socat takes for an address.
---@param address string
function M.relay(address)
    local self = start(address)
    join(self)
    return self
end

---A board that never stops talking, on `board` itself.
function M.flood()
    return M.relay("EXEC:yes")
end

---Opens a file and finds its descriptor's number.
---@param path string
---@param mode string?
---@param prepare string? a shell command to run first
---@return {file: file*, number: integer}
function M.open(path, mode, prepare)
    if prepare then
        os.execute(prepare)
    end
    local file = assert(io.open(path, mode))
    local listing = M.output("ls -l --time-style=+ /proc/$PPID/fd")
    for number, target in listing:gmatch("(%d+) %-> ([^\n]*)") do
        if target == path then
            return { file = file, number = math.tointeger(tonumber(number)) }
        end
    end
    error("no descriptor of " .. path)
end

local function socket(far, where, options)
    local self = start(far)
    local con = await(self, "the listener", function()
        self.where = where(self)
        return self.where and console.open(self.where, options)
    end)
    join(self)
    return self, con
end

---A unix socket, and the console that is open on it.
function M.unix(options)
    return socket("UNIX-LISTEN:DIR/far", function(self)
        return "unix:" .. self.dir .. "/far"
    end, options)
end

---A TCP port of the loopback, and the console that is open on it.
function M.tcp(options)
    return socket("TCP4-LISTEN:0,bind=127.0.0.1", function(self)
        local port = M.content(self.dir .. "/log"):match("listening on AF=2 127%.0%.0%.1:(%d+)")
        return port and "tcp:127.0.0.1:" .. port
    end, options)
end

---Ends socat: the console hangs up.
function Peer:kill()
    if self.pid then
        os.execute("kill -9 " .. self.pid)
    end
    self.pid = nil
end

---Stops socat from reading and writing.
function Peer:stop()
    os.execute("kill -STOP " .. self.pid)
end

function Peer.__close(self)
    self:kill()
    if self.board then
        self.board:close()
    end
    os.execute("rm -rf " .. self.dir)
end

return M
