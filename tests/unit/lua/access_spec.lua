-- SPDX-License-Identifier: Apache-2.0
--
-- What an ordinary user is told about devices and ports of somebody else's: whose they
-- are, and the command that lets one in. Needs root, to be an ordinary user.
local peers = require("tests.support.console_peer")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

-- Only root can be an ordinary user beside others.
local as_nobody = sys.uid() == 0 and it or function(name)
    pending(name .. " (only root can play another user)")
end
local NOBODY, NOGROUP = 65534, 65534
-- A group that nobody is in.
local OTHER = 1
local RW = tonumber("660", 8)

-- Prints the message and the hint of the failure of `arg[1]`.
local SCRIPT = [[
local errors = require("jflash.errors")
local function power(config)
    local device = require("jflash.power").open(config, { name = "bench", retry_pause_s = 0 })
    device:off()
end
local function console(where)
    require("jflash.dut.console").new({ device = where }, "board"):open()
end
local function tftp(host)
    require("jflash.dut.servers").tftp({ host = host, port = 69, max_blksize = 1428 }, false):probe()
end
local action = assert(load(arg[1], "action", "t", { power = power, console = console, tftp = tftp }))
local ok, failure = xpcall(action, errors.wrap)
print(ok and "it worked" or ("%s: %s\n%s"):format(failure.class, failure.message, failure.hint))
]]

describe("a device that belongs to somebody else", function()
    local scratch

    before_each(function()
        scratch = scratches.new()
        scratch:write("use.lua", SCRIPT)
        scratch:sh("chmod -R a+rX .")
    end)

    after_each(function()
        scratch:close()
    end)

    -- As nobody, in no group but `group`.
    local function use(action, group)
        local argv = { "setpriv", "--reuid=" .. NOBODY, "--regid=" .. (group or NOGROUP), "--clear-groups",
            sys.process_exe(sys.pid()), "run", scratch:file("use.lua"), action }
        local result = assert(sys.run(argv, { env = { HOME = "/nonexistent" } }))
        assert.equal(0, result.status, result.stderr)
        return result.stdout
    end

    local function says(text, ...)
        for _, part in ipairs({ ... }) do
            assert.truthy(text:find(part, 1, true), text)
        end
    end

    local function give(path, group, mode)
        scratch:sh(("chgrp %s '%s' && chmod %o '%s'"):format(group, path, mode or RW, path))
    end

    describe("as a serial port", function()
        local peer, node

        before_each(function()
            peer = peers.pty()
            node = peers.output("readlink -f " .. peer.where)
            give(node, "dialout")
        end)

        after_each(function()
            peer:__close()
        end)

        as_nobody("is told with its group, and how to join that", function()
            says(use(("console(%q)"):format(node)),
                ("host: board: %s is of user root and group dialout, mode 0660: Permission denied\n"):format(node),
                'sudo usermod -aG dialout "$USER", then log in again')
        end)

        as_nobody("is told by its true name", function()
            local link = scratch:file("usb-adapter")
            scratch:sh(("ln -s %s %s"):format(node, link))
            says(use(("console(%q)"):format(link)), node .. " is of user root and group dialout")
        end)

        as_nobody("needs a new login where the user joined the group behind this one", function()
            give(node, NOGROUP)
            says(use(("console(%q)"):format(node), OTHER),
                "is in the group nogroup, but not yet where jflash was started: log in again, or: newgrp nogroup")
        end)

        as_nobody("is told as out of reach behind a folder that is shut", function()
            local link = scratch:file("shut/port")
            scratch:sh(("mkdir shut && ln -s %s shut/port && chmod 700 shut"):format(node))
            says(use(("console(%q)"):format(link)), "Permission denied\nits owner may, and root: ls -l " .. link)
        end)

        as_nobody("is its owner's alone without a group that may", function()
            give(node, "dialout", tonumber("600", 8))
            says(use(("console(%q)"):format(node)), "be the user root, or give the port to a group by a udev rule")
        end)

        as_nobody("opens for its group", function()
            local gid = assert(sys.stat(node)).gid
            says(use(("console(%q)"):format(node), gid), "it worked\n")
        end)

        as_nobody("is told in the same words behind a relay card", function()
            says(use(("power({ type = 'noyito-serial', device = %q })"):format(node)),
                ("power off: relay at %s: %s is of user root and group dialout"):format(node, node),
                'sudo usermod -aG dialout "$USER"')
        end)
    end)

    as_nobody("is told as a console's unix socket", function()
        local path = scratch:file("socket")
        local socket <close> = assert(sys.spawn({ "socat", "UNIX-LISTEN:" .. path, "-" }))
        peers.await("the socket", function() return sys.stat(path) end)
        give(path, "dialout")
        says(use(("console('unix:%s')"):format(path)), "Permission denied", 'sudo usermod -aG dialout "$USER"')
        assert(socket)
    end)

    as_nobody("is told as TFTP's port", function()
        if tonumber(peers.content("/proc/sys/net/ipv4/ip_unprivileged_port_start")) <= 69 then
            pending("this host gives port 69 to everybody")
        end
        says(use("tftp('127.76.1.9')"), "host: TFTP port 69 on 127.76.1.9: ", "Permission denied\n",
            "sudo setcap cap_net_bind_service=ep " .. sys.process_exe(sys.pid()) .. "\n", "unshare -Urn")
    end)

    as_nobody("is told as a port of a USB hub", function()
        local port = "bus/usb/devices/1-1:1.0/1-1-port2"
        scratch:sh(("mkdir -p %s && echo 0 >%s/disable && chmod -R a+rX bus"):format(port, port))
        local path = scratch:file(port .. "/disable")
        local action = ("power({ type = 'usb-port', hub = '1-1', port = 2, sysfs = '%s' })"):format(scratch.path)
        local said = use(action)
        says(said, "host: power off: " .. path .. ": Permission denied\n",
            ("sudo chgrp plugdev %s && sudo chmod g+rw %s; for good by the udev rule"):format(path, path),
            '\nand be in that group: sudo usermod -aG plugdev "$USER"')
        give(path, "plugdev")
        says(use(action), 'disable: Permission denied\nsudo usermod -aG plugdev "$USER"')
        -- The owner's bits go before the group's.
        give(path, NOGROUP, tonumber("060", 8))
        scratch:sh(("chown %d '%s'"):format(NOBODY, path))
        says(use(action), "the group nogroup may, and this user is in it; ")
    end)
end)

describe("a device that a container was not given", function()
    it("is told with the options that give it", function()
        local access = require("jflash.access")
        local hint = access.hint("/dev/ttyUSB0", "EPERM", "")
        assert.truthy(hint:find("--device /dev/ttyUSB0 (docker, podman), DeviceAllow=/dev/ttyUSB0 rw", 1, true), hint)
        assert.is_nil(access.hint("/dev/ttyUSB0", "ENOENT", ""))
    end)
end)
