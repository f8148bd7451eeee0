-- SPDX-License-Identifier: Apache-2.0
--
-- The scripted board by itself: what the fault tests stand on.
local drive = require("tests.support.simdrive")
local job = require("jflash.job")
local sim = require("tests.sim")

local expect, open, refute = drive.expect, drive.open, drive.refute
local run, shell = drive.run, drive.shell

describe("the scripted board", function()
    it("is silent until it is switched on, and keeps to the time limits of its kind", function()
        local board <close> = sim.start()
        local con <close> = open(board)
        con:send("hello\r")
        refute(con, "e", 0.05)
        assert.equal("off", board:state())
        local before = job.now()
        drive.to_prompt(board, con)
        assert.is_true(job.now() - before < 15)
        assert.equal("on", board:state())
        board:switch("off")
        assert.equal("off", board:state())
        con:send("version\r")
        refute(con, "U-Boot 2023", 0.05)
    end)

    it("leaves nothing behind", function()
        local board <close> = sim.start()
        local con = open(board)
        drive.to_shell(board, con)
        -- Told from those of other runs of this test.
        local sleep = ("sleep 1000.%06d"):format(math.random(0, 999999))
        con:send(sleep .. " & " .. sleep .. "\r")
        expect(con, "\n")
        con:close()
        local dir = board.dir
        board:close()
        assert.is_nil(io.open(dir .. "/log"))
        local pipe <close> = assert(io.popen("pgrep -fxc '" .. sleep .. "'"))
        assert.equal("0", pipe:read("l"))
    end)

    it("ends with its starter, even if that is killed", function()
        local name = os.tmpname()
        local file <close> = assert(io.open(name, "w"))
        file:write(([[
            package.path = "./?.lua;./?/init.lua"
            local board <close> = require("tests.sim").start()
            board:switch("on")
            io.write(board.dir, "\n")
            io.flush()
            require("jflash.job").sleep(60)
        ]]))
        file:flush()
        local pipe <close> = assert(io.popen(
            ("readlink -f /proc/$PPID/exe; exec \"$(readlink -f /proc/$PPID/exe)\" run %s 2>&1 & "
            .. "echo $!; wait $! 2>/dev/null"):format(name)))
        local _, pid, dir = pipe:read("l", "l", "l")
        local log = assert(io.open(dir .. "/log"))
        log:close()
        os.execute("kill -9 " .. pid)
        local deadline = job.now() + 20
        repeat
            log = io.open(dir .. "/log")
            if log then
                log:close()
            end
        until not log or job.now() > deadline or not job.sleep(0.01)
        os.remove(name)
        assert.is_nil(log)
    end)

    it("stands beside others", function()
        local one <close> = sim.start({ prompt = "one> " })
        local two <close> = sim.start({ prompt = "two> " })
        local first <close> = open(one)
        local second <close> = open(two)
        for _, board in ipairs({ one, two }) do
            board:switch("on")
        end
        first:send(" ")
        expect(first, "one> ")
        one:switch("off")
        second:send(" ")
        expect(second, "two> ")
        assert.equal("off", one:state())
        assert.equal("on", two:state())
    end)

    it("describes itself as a board's configuration", function()
        local board <close> = sim.start({ password = "pw", dialect = "keyed" })
        local config = board:config()
        assert.equal(board.console, config.console.device)
        assert.equal("stop", config.uboot.interrupt_key)
        assert.is_true(os.execute(config.power.on .. " >/dev/null"))
        assert.equal("on", board:state())
        assert.is_truthy(board:yaml("bench"):find('"bench":', 1, true))
        local power = board:wait_for(function(entry) return entry.kind == "power" end)
        assert.equal("on", power.text)
    end)

    it("refuses an option that it does not know", function()
        local ok, message = pcall(sim.start, { dialekt = "hush" })
        assert.is_false(ok)
        assert.is_truthy(message:find("unknown option: dialekt", 1, true))
    end)
end)

describe("its U-Boot", function()
    it("runs commands as hush does", function()
        local board <close> = sim.start()
        local con <close> = open(board)
        drive.to_prompt(board, con)
        local cases = {
            { "echo a  b", "a b" },
            { [[echo "a  b"'$c'"]] .. '"', [[a  b$c]] },
            { "false; echo $?", "1" },
            { "true && echo yes || echo no", "yes" },
            { "false && echo yes || echo no", "no" },
            { "setenv v 'x;y'; echo $v ${v} [$none]", "x;y x;y []" },
            { "if false; then echo A; else echo B; fi", "B" },
            { "if test $v = 'x;y'; then echo A; fi", "A" },
            { "nonsense", "Unknown command 'nonsense' - try 'help'" },
            { "echo 'open", "syntax error" },
            { "setenv r 'echo one; echo two'; run r", "one\ntwo" },
            { "printenv v", "v=x;y" },
            { "printenv none", '## Error: "none" not defined' },
            { "# nothing", "" },
        }
        for _, case in ipairs(cases) do
            assert.equal(case[2], run(con, case[1]), case[1])
        end
    end)

    it("has dialects: no hush, no $?", function()
        local simple <close> = sim.start({ dialect = "simple" })
        local con <close> = open(simple)
        drive.to_prompt(simple, con)
        assert.equal("$?", run(con, "echo $?"))
        assert.equal("a && echo b", run(con, "echo a && echo b"))
        assert.equal("1\n2", run(con, "setenv v 1; echo ${v}; echo 2"))
        assert.equal("2", run(con, "false; echo 2"))
        local refused = run(con, "if true; then echo a; fi")
        assert.equal("Unknown command 'if' - try 'help'", refused:match("^[^\n]*"))
        local nostatus <close> = sim.start({ dialect = "nostatus" })
        local other <close> = open(nostatus)
        drive.to_prompt(nostatus, other)
        assert.equal("[]", run(other, "false; echo [$?]"))
    end)

    it("stops a keyed autoboot for its key alone", function()
        local board <close> = sim.start({ dialect = "keyed", autoboot_s = 0.2 })
        local con <close> = open(board)
        board:switch("on")
        expect(con, "type 'stop'")
        con:send("\27\27 sto")
        refute(con, "\n=> ", 0.05)
        con:send("p")
        expect(con, "\n=> ")
    end)

    it("boots the disk when nobody stops it", function()
        local board <close> = sim.start({ autoboot_s = 0.05 })
        local con <close> = open(board)
        board:switch("on")
        expect(con, "** No partition table")
        expect(con, "\n=> ")
        local file <close> = assert(io.open(board.storage, "r+b"))
        file:write("a boot sector")
        file:flush()
        con:send("boot\r")
        expect(con, "debian login: ")
    end)

    it("edits lines: Ctrl-C, backspace, repeat, escapes, and a limit", function()
        local board <close> = sim.start()
        local con <close> = open(board)
        drive.to_prompt(board, con)
        con:send("echo no\3")
        expect(con, "<INTERRUPT>\n=> ")
        assert.equal("yes", run(con, "echo noo\b\b\byes"))
        run(con, "version")
        assert.is_truthy(run(con, ""):find("U-Boot 2023.01", 1, true))
        run(con, "setenv a 1")
        assert.equal("", run(con, ""))
        -- What stopped the autoboot is part of the line until Ctrl-C.
        assert.is_truthy(run(con, "\27\27echo a"):find("Unknown command", 1, true))
        local long = ("x"):rep(600)
        assert.equal(511 - #"echo ", #run(con, "echo " .. long))
    end)

    it("loads over TFTP", function()
        local board <close> = sim.start()
        local con <close> = open(board)
        drive.to_prompt(board, con)
        assert.is_truthy(run(con, "tftpboot 40400000 Image"):find("`serverip' not set", 1, true))
        local server <close> = drive.serve_bundle(board, con)
        local size = 4464
        local output = run(con, "tftpboot 0x40400000 Image; echo $? $filesize $fileaddr")
        assert.is_truthy(output:find(("Bytes transferred = %d (%x hex)"):format(size, size), 1, true))
        assert.is_truthy(output:find(("0 %x 40400000"):format(size), 1, true))
        output = run(con, "tftpboot 0x40400000 absent; echo $?")
        assert.is_truthy(output:find("TFTP error: 'file absent not found' (1)\nNot retrying...\n1", 1, true))
        assert.equal("Image", board:log("tftp")[1].name)
        assert.equal(2, server:requests())
    end)

    it("gives up on a silent server, and at Ctrl-C", function()
        local board <close> = sim.start({
            net = { period_s = 0.01, tries = 4 }, faults = { { kind = "tftp_silent" } },
        })
        local con <close> = open(board)
        drive.to_prompt(board, con)
        local server <close> = drive.serve_bundle(board, con)
        local output = run(con, "tftpboot 40400000 Image; echo $?")
        assert.is_truthy(output:find("T T T T \nRetry count exceeded; starting again\n", 1, true))
        assert.is_truthy(output:find("Retry count exceeded\n1", 1, true))
        con:send("tftpboot 40400000 Image\r")
        expect(con, "T ")
        con:send("\3")
        expect(con, "Abort\n=> ")
        assert.equal(0, server:requests())
    end)

    it("boots only what is a kernel, a ramdisk of the size given, and a device tree", function()
        local board <close> = sim.start()
        local con <close> = open(board)
        drive.to_prompt(board, con)
        drive.load(board, con)
        local cases = {
            { "booti 48000000 - 4a000000", "Bad Linux ARM64 Image magic!" },
            { "booti 40400000 48000000 4a000000", "Wrong Ramdisk Image Format" },
            { "booti 40400000 48000000:${rd} 40400000", "Could not find a valid device tree" },
            { "bootm 40400000", "Wrong Image Format" },
        }
        for _, case in ipairs(cases) do
            assert.is_truthy(run(con, case[1]):find(case[2], 1, true), case[1])
        end
        assert.equal("crc32 for 4a000000 ... 4a000003 ==> 5b4ca720", run(con, "crc32 4a000000 4"))
    end)
end)

describe("its flasher", function()
    it("logs in with and without a password", function()
        local board <close> = sim.start({ password = "geheim" })
        local con <close> = open(board)
        drive.to_login(board, con)
        con:send("root\r")
        expect(con, "Password: ")
        con:send("wrong\r")
        expect(con, "Login incorrect")
        expect(con, "login: ")
        con:send("root\r")
        expect(con, "Password: ")
        con:send("geheim\r")
        expect(con, drive.SHELL_PROMPT)
        assert.equal("board-a.dtb", board:log("boot")[1].dtb)
        assert.is_nil(con:tail():find("geheim", 1, true))
    end)

    it("may ask for no login, and have no gateway", function()
        local lease = { ipaddr = "192.0.2.7", netmask = "255.255.255.0", serverip = "192.0.2.1" }
        local board <close> = sim.start({ login = false, net = { lease = lease } })
        local con <close> = open(board)
        drive.to_prompt(board, con)
        drive.load(board, con)
        assert.equal("192.0.2.7 []", run(con, "echo $ipaddr [$gatewayip]"))
        drive.boot(con)
        expect(con, drive.SHELL_PROMPT)
    end)

    it("boots a kernel alone into a panic", function()
        local board <close> = sim.start()
        local con <close> = open(board)
        drive.to_prompt(board, con)
        drive.load(board, con)
        con:send("booti 40400000 - 4a000000\r")
        expect(con, "Kernel panic - not syncing")
    end)

    it("switches itself off and restarts", function()
        local board <close> = sim.start()
        local con <close> = open(board)
        drive.to_shell(board, con)
        con:send("reboot\r")
        expect(con, "U-Boot 2023.01")
        board:switch("off")
        drive.to_shell(board, con)
        con:send("poweroff -f\r")
        expect(con, "reboot: Power down")
        assert.equal("on", board:state())
        assert.equal(1, #board:log("poweroff"))
    end)

    it("has its network once it asked for an address", function()
        local board <close> = sim.start()
        local con <close> = open(board)
        drive.to_shell(board, con)
        local try = "wget -q -O - http://127.0.0.1:1/ 2>&1"
        assert.is_truthy(shell(con, try):find("Network is unreachable", 1, true))
        shell(con, "ip addr add 10.0.2.15/24 dev eth0")
        assert.is_truthy(shell(con, try):find("Connection refused", 1, true))
    end)

    it("has an ash of its own folder, as root, with a terminal", function()
        local board <close> = sim.start()
        local con <close> = open(board)
        drive.to_shell(board, con)
        local cases = {
            { "id -u; pwd", "0\n/root" },
            { "set -o pipefail; false | true; echo $?", "1" },
            { "test -b /dev/vda && echo block; test -b /dev/null || echo other", "block\nother" },
            { "blockdev --getsize64 /dev/vda; cat /sys/class/block/vda/size", "67108864\n131072" },
            { "dmesg -n 1; echo $?", "0" },
            { "date -s @1700000000 >/dev/null; echo $?", "0" },
            { "echo 3 > /proc/sys/vm/drop_caches; echo $?", "0" },
            { "mount -t proc proc /proc; echo $?", "0" },
            { "test -e /proc/$$/fdinfo/1 && echo open", "open" },
            { "readlink -f /dev/vda; readlink /sys/class/block/vda",
                "/dev/vda\n../../devices/platform/a003e00.virtio_mmio/virtio0/block/vda" },
            { "udhcpc -i eth0", "udhcpc: lease of 10.0.2.15 obtained from 10.0.2.2, lease time 86400" },
            { "echo x > /dev/nosuch; test -b /dev/nosuch; echo $?", "1" },
            { "kill -9 1; kill -9 -1; echo still here",
                "sh: can't kill pid -1: Operation not permitted\nstill here" },
        }
        for _, case in ipairs(cases) do
            assert.equal(case[2], shell(con, case[1]), case[1])
        end
        con:send("stty -echo rows 24 cols 4000; stty size\r")
        expect(con, "\n24 4000\n")
        con:send("echo quiet\r")
        assert.equal("", expect(con, "quiet\n").before:gsub("~ # ", ""))
        assert.equal(1700000000, board:log("clock")[1].number)
    end)
end)
