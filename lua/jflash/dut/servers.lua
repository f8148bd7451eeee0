-- SPDX-License-Identifier: Apache-2.0
--
-- What the board fetches from this host: boot files over TFTP, scripts and the
-- image over HTTP. Only names that a run offers can be fetched.
--
-- The address that a server listens on and the address that the board must ask
-- are two settings: they differ behind QEMU's user network or a NAT.

local errors = require("jflash.errors")
local https = require("jflash.http")
local log = require("jflash.log")
local net = require("jflash.net")
local sys = require("jflash.sys")
local tftps = require("jflash.tftp")

local M = {}

local ANY = "0.0.0.0"
local TFTP_PORT = 69
-- Addresses tried for a board that gets a random one of the loopback network.
local LOOPBACK_TRIES = 8

local function raise_no_address()
    errors.raise({
        class = "config",
        code = "network",
        message = "the board has no address, so it can fetch nothing",
        hint = "network.method: dhcp or static gives it one",
    })
end

-- The address of this host that the board is told.
local function board_host(config, listening, board_address)
    if config.board_host then
        return config.board_host
    end
    if listening ~= ANY then
        return listening
    end
    if not board_address then
        raise_no_address()
    end
    return (errors.check("host", net.address_towards(board_address)))
end

-- Where addresses are translated on the way, the board's own is not the one that
-- requests come from.
local function is_translated(config)
    return config.board_host ~= nil or config.host ~= "auto"
end

-- The address to listen on.
local function listening_host(config)
    return config.host == "auto" and ANY or config.host
end

------------------------------------------------------------------------------
-- HTTP

---@class jflash.dut.Http
---@field base string  what URLs for the board begin with, once its address is known
local Http = {}
Http.__index = Http

---@param config table the board's `http` section
---@return jflash.dut.Http
function M.http(config)
    local server = errors.check("host", https.serve({
        host = listening_host(config),
        port = config.port,
    }))
    return setmetatable({ config = config, server = server }, Http)
end

--- Says which board may ask, and finds the address that it must ask.
---@param board_address string
function Http:face(board_address)
    local host = board_host(self.config, self.server:host(), board_address)
    self.base = ("http://%s:%d"):format(host, self.server:port())
    if not is_translated(self.config) then
        self.server:only(board_address)
    end
end

-- What is offered; closing it withdraws it.
local Offer = {}
Offer.__index = Offer

function Offer:__close()
    self.http:withdraw(self.name)
end

--- Makes a content fetchable until it is withdrawn, or its offer is closed:
--- `local offered <close> = http:offer(...)`.
---@param name string
---@param content table  {file=} or {bytes=} or {stream=}, see jflash.http
---@return {name: string, url: string}
function Http:offer(name, content)
    if not self.base then
        raise_no_address()
    end
    local path = errors.check("host", self.server:add(name, content))
    return setmetatable({ name = name, url = self.base .. path, http = self }, Offer)
end

--- Takes one upload of a name into a file, until it is withdrawn.
---@param name string
---@param content {file: string, limit_bytes: integer}
---@return {name: string, url: string}
function Http:receive(name, content)
    local path = errors.check("host", self.server:receive(name, content))
    return setmetatable({ name = name, url = self.base .. path, http = self }, Offer)
end

--- What an upload brought; nil while it is not complete.
---@param name string
---@return {bytes: integer, sha256: string}|nil
function Http:received(name)
    return self.server:received(name)
end

---@param name string
function Http:withdraw(name)
    self.server:remove(name)
end

--- The latest transfer of a name, or nil.
function Http:progress(name)
    return self.server:progress(name)
end

--- What arrived here, for an error about a transfer that failed.
---@param name string
---@return string
function Http:arrival(name)
    local transfer = self.server:progress(name)
    if transfer then
        return ("it was asked for by %s and %d bytes went out"):format(
            transfer.client, transfer.bytes)
    end
    if self.server:requests() > 0 then
        return "other requests have arrived here, this one did not"
    end
    return ("no request arrived here at %s:%d"):format(self.server:host(), self.server:port())
end

function Http:close()
    self.server:close()
end

------------------------------------------------------------------------------
-- TFTP

---@class jflash.dut.Tftp
---@field windowsize integer  to ask for; lowered when a transfer stalled
local Tftp = {}
Tftp.__index = Tftp

---@param config table the board's `tftp` section
---@param can_move boolean|nil  whether the board's U-Boot can ask another port (tftpdstp)
---@return jflash.dut.Tftp  closed; see Tftp:open
function M.tftp(config, can_move)
    return setmetatable({
        config = config,
        can_move = can_move,
        windowsize = config.windowsize,
        port = config.port,
    }, Tftp)
end

-- Lets a program have ports below 1024; docs/host-setup.md has it, too.
local CAPABILITY = "cap_net_bind_service=ep"
local IN_A_NETWORK_OF_ITS_OWN =
    "\nor run in a network of its own: unshare -Urn sh -c 'ip link set lo up && exec jflash …'"

-- Who holds a UDP port on this host, for people; "" when that cannot be told.
local function port_holder(port)
    local found = sys.run({ "ss", "-Hlunp", "sport", "=", ":" .. port }, { timeout_s = 3 })
    local name, pid = (found and found.stdout or ""):match('%(%("([^"]+)",pid=(%d+)')
    return name and (" (%s, pid %s)"):format(name, pid) or ""
end

local function raise_unavailable(host, port, message, errno)
    local where = ("TFTP port %d on %s"):format(port, host)
    if errno == "EADDRINUSE" then
        errors.raise({
            class = "host",
            code = "busy",
            message = ("%s is taken by another server%s"):format(where, port_holder(port)),
            hint = "stop it, or set tftp.host to an address that it does not serve",
        })
    end
    errors.raise({
        class = "host",
        code = errno == "EACCES" and "permission" or "io",
        message = ("%s: %s"):format(where, message),
        hint = errno == "EACCES" and ("allow it to this program, again after each build: sudo setcap %s %s%s"):format(
            CAPABILITY, sys.process_exe(sys.pid()), host:find("^127%.") and IN_A_NETWORK_OF_ITS_OWN or "") or nil,
    })
end

-- A server, or nil, a message and the errno's name.
local function serve(self, host, port)
    local server, message, _, errno = tftps.serve({
        host = host,
        port = port,
        max_blksize = self.config.max_blksize,
    })
    return server, message, errno
end

-- On the loopback network each run takes an address of its own, so that runs side
-- by side need not wait for each other's port 69.
local function serve_on_loopback(self)
    local server, message, errno, host
    for _ = 1, LOOPBACK_TRIES do
        host = self.loopback or net.random_loopback()
        server, message, errno = serve(self, host, self.port)
        if server or errno ~= "EADDRINUSE" then
            break
        end
        self.loopback = nil
    end
    self.loopback = host
    return server, message, errno, host
end

local function start(self)
    if self.config.host == "auto-loopback" then
        return serve_on_loopback(self)
    end
    local host = listening_host(self.config)
    local server, message, errno = serve(self, host, self.port)
    return server, message, errno, host
end

-- Where port 69 is not allowed, a U-Boot that knows tftpdstp asks another.
local function start_elsewhere(self, errno)
    local moved = errno == "EACCES" and self.port == TFTP_PORT and self.can_move ~= false
    if not moved then
        return nil
    end
    local server = serve(self, self.loopback or listening_host(self.config), 0)
    if server then
        log.info("TFTP port 69 is not allowed here: the board is told port %d", server:port())
    end
    return server
end

--- Proves, before the power is touched, that the port can be had. A port that
--- another run holds is no failure: see Tftp:open.
function Tftp:probe()
    local server, message, errno, host = start(self)
    if server then
        server:close()
    elseif errno == "EACCES" and self.can_move ~= false then
        return
    elseif errno ~= "EADDRINUSE" then
        raise_unavailable(host, self.port, message, errno)
    end
end

local function lock_turn(self, wait_s)
    local name = ("tftp-%s-%d"):format(self.config.host, self.port)
    local locks = require("jflash.lock")
    return locks.take(name, { wait_s = wait_s, what = "TFTP port " .. self.port })
end

--- Starts the server; another run's turn is waited for.
---@param board_address string|nil
---@param wait_s number
---@return jflash.dut.Tftp self to be closed: the port is held no longer than it is needed
function Tftp:open(board_address, wait_s)
    self:close()
    if self.config.host ~= "auto-loopback" then
        self.turn = lock_turn(self, wait_s)
    end
    local server, message, errno, host = start(self)
    server = server or start_elsewhere(self, errno)
    if not server then
        self:close()
        raise_unavailable(host, self.port, message, errno)
    end
    self.server = server
    self.board_port = server:port()
    self.host = board_host(self.config, server:host(), board_address)
    if not is_translated(self.config) and board_address then
        server:only(board_address)
    end
    return self
end

--- Tells U-Boot what it must know of the server; variables that it does not know do
--- no harm.
---@param uboot jflash.UBoot
function Tftp:introduce(uboot)
    uboot:setenv("serverip", self.host)
    uboot:setenv("tftpwindowsize", tostring(self.windowsize))
    if self.config.blksize then
        uboot:setenv("tftpblocksize", tostring(self.config.blksize))
    end
    if self.board_port ~= TFTP_PORT then
        uboot:setenv("tftpdstp", tostring(self.board_port))
    end
end

---@param name string
---@param path string
function Tftp:offer(name, path)
    errors.check("host", self.server:add(name, { file = path }))
end

--- The latest transfer of a name, or nil.
function Tftp:progress(name)
    local latest
    for _, transfer in ipairs(self.server:transfers()) do
        if transfer.name == name then
            latest = transfer
        end
    end
    return latest
end

--- What arrived here, for an error about a transfer that failed.
---@param name string
---@return string text
---@return boolean arrived
function Tftp:arrival(name)
    local transfer = self:progress(name)
    if transfer then
        return ("%d of %d bytes went out to %s"):format(
            transfer.bytes, transfer.total or 0, transfer.client), true
    end
    if self.server:requests() > 0 then
        return "requests arrived here, but none for this file", true
    end
    return ("no request arrived here at %s:%d"):format(self.server:host(), self.server:port()), false
end

function Tftp:close()
    if self.server then
        self.server:close()
        self.server = nil
    end
    if self.turn then
        self.turn:close()
        self.turn = nil
    end
end

Tftp.__close = Tftp.close

return M
