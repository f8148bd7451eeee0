-- SPDX-License-Identifier: Apache-2.0
--
-- One program at a time has a serial port: against cu (lock files), picocom (flock),
-- and jflash itself.

local console = require("jflash.console")
local consoles = require("jflash.dut.console")
local job = require("jflash.job")
local peers = require("tests.support.console_peer")
local sys = require("jflash.sys")

local JFLASH = assert(os.getenv("JFLASH_PROGRAM"))

-- The lock file of a peer's pty.
local function lock_path(peer)
    local node = peers.output("readlink -f " .. peer.where)
    return "/run/lock/LCK.." .. node:match("[^/]+$"), node
end

local function failure_of_open(peer)
    local con = consoles.new({ device = peer.where }, "board")
    local ok, failure = pcall(con.open, con)
    con:close()
    assert.is_false(ok)
    return failure
end

-- Runs a command until it prints `ready` into its log; returns its pid, to be killed.
local function start(command, ready)
    local log = os.tmpname()
    local pid = peers.output(("%s >%s 2>&1 & echo $!"):format(command, log))
    local ok, message = pcall(peers.await, command, function()
        return (peers.content(log) or ""):find(ready, 1, true)
    end)
    os.remove(log)
    assert(ok, message)
    return setmetatable({ pid = pid }, { __close = function()
        os.execute("kill -9 " .. pid .. " 2>/dev/null")
    end })
end

-- jflash as another process that holds the port until it is killed.
local HOLDER = [[
assert(require("jflash.console").open(arg[1]))
io.stderr:write("open\n")
require("jflash.job").sleep(60)
]]

local function hold(peer)
    local script = os.tmpname()
    assert(sys.write_file(script, HOLDER))
    local holder = start(("exec %s run %s %s"):format(JFLASH, script, peer.where), "open")
    os.remove(script)
    return holder
end

-- Both want a terminal; script(1) gives them one and ends with their status.
local function on_terminal(command)
    return ("exec script -qefc 'exec %s' /dev/null"):format(command)
end

-- cu runs as the user uucp, who may not open our pty.
local function cu(node)
    os.execute("chmod 666 " .. node)
    return on_terminal("cu --nostop -l " .. node)
end

local function picocom(node)
    return on_terminal("picocom " .. node)
end

describe("a serial port's lock", function()
    local peer

    before_each(function()
        peer = peers.pty()
    end)

    after_each(function()
        peer:__close()
    end)

    it("is a file with the pid in ten columns, from before the opening to the end", function()
        local path = lock_path(peer)
        local con = assert(console.open(peer.where))
        assert.equal(("%10d\n"):format(sys.pid()), peers.content(path))
        con:close()
        assert.is_nil(peers.content(path))
    end)

    it("is given back when the port cannot be opened", function()
        local path, node = lock_path(peer)
        local flock <close> = start(("exec flock --no-fork %s sh -c 'echo held; exec sleep 60'"):format(node), "held")
        assert.is_nil(console.open(peer.where))
        assert.is_nil(peers.content(path))
        assert(flock)
    end)

    it("keeps cu and picocom out", function()
        local con <close> = assert(console.open(peer.where))
        local _, node = lock_path(peer)
        assert.matches("Line in use", peers.output("timeout 10 cu -l " .. node .. " </dev/null 2>&1; true"))
        local said = peers.output(('timeout 10 sh -c "%s" </dev/null 2>&1; true'):format(picocom(node)))
        assert.matches("cannot lock", said)
        assert(con)
    end)

    it("names the program that has it by its lock file: cu", function()
        local path, node = lock_path(peer)
        local program <close> = start(cu(node) .. " </dev/null", "Connected")
        local pid = assert(peers.content(path):match("^ *(%d+)\n$"))
        local failure = failure_of_open(peer)
        assert.equal("host", failure.class)
        assert.equal("EBUSY", failure.errno)
        assert.matches("^board: taken by cu %(pid " .. pid .. ", user %S+%), says /run/lock/LCK%.%.%d+: ",
            failure.message)
        assert.equal(("end that program (kill %s): one program at a time reads a port"):format(pid), failure.hint)
        os.execute(("kill -9 %s $(pgrep -P %s)"):format(pid, pid))
        local con <close> = peers.await("the port of a cu that was killed", function()
            return console.open(peer.where)
        end)
        assert(program and con)
    end)

    it("names the program that has it by flock: picocom", function()
        local _, node = lock_path(peer)
        local program <close> = start(picocom(node) .. " </dev/null", "Terminal ready")
        local failure = failure_of_open(peer)
        assert.matches("^board: taken by picocom %(pid %d+, user ", failure.message)
        os.execute("kill " .. failure.message:match("pid (%d+)"))
        assert(program)
    end)

    it("names the holder of a flock without a lock file", function()
        local _, node = lock_path(peer)
        local holder <close> = start(("exec flock --no-fork %s sh -c 'echo held; exec sleep 60'"):format(node), "held")
        peers.await("sleep in the shell's place", function()
            return peers.content(("/proc/%s/comm"):format(holder.pid)) == "sleep\n"
        end)
        local failure = failure_of_open(peer)
        assert.matches("^board: taken by sleep %(pid " .. holder.pid .. ", user ", failure.message)
    end)

    it("names another jflash, and how to look on", function()
        local holder <close> = hold(peer)
        local failure = failure_of_open(peer)
        assert.matches("^board: taken by jflash %(pid " .. holder.pid .. ", ", failure.message)
        assert.matches("jflash console %-%-watch", failure.hint)
    end)

    it("is its own obstacle, too", function()
        local con <close> = assert(console.open(peer.where))
        local failure = failure_of_open(peer)
        assert.matches("^board: taken by this very process", failure.message)
        assert.is_nil(failure.hint)
        assert(con)
    end)

    it("of a process that was killed is taken over", function()
        if sys.uid() ~= 0 then
            pending("a pty stays exclusive until its other end closes, except for root")
        end
        local path = lock_path(peer)
        do
            local holder <close> = hold(peer)
            assert.matches(holder.pid, peers.content(path))
        end
        local con <close> = peers.await("the port", function()
            return console.open(peer.where)
        end)
        assert.equal(("%10d\n"):format(sys.pid()), peers.content(path))
        assert(con)
    end)

    it("is let go by a signal", function()
        local path = lock_path(peer)
        local holder <close> = hold(peer)
        os.execute("kill -TERM " .. holder.pid)
        peers.await("the end of the lock", function()
            return not peers.content(path)
        end)
        assert(job.now())
    end)
end)
