-- SPDX-License-Identifier: Apache-2.0
--
-- `jflash bootloader-shell` and `jflash busybox-shell`, as a script and as a person
-- use them, against the scripted board.
local job = require("jflash.job")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")
local terminals = require("tests.support.terminal")

local CTRL_C, CTRL_D, ESCAPE = "\3", "\4", "\x1d"

local function shell(bench, kind, args, options)
    return bench:jflash({ kind .. "-shell", "--board", "sim", table.unpack(args) }, options)
end

local function input(bench, text)
    local path = bench:path("input")
    support.write(path, text)
    return { stdin = path }
end

-- The command's own status, and nothing said about it.
local function assert_ended(bench, result, status)
    assert.equal(status, result.status, result.stderr)
    assert.falsy(result.stderr:find("jflash: ", 1, true), result.stderr)
    assert.equal("off", bench.board:state())
    bench:assert_nothing_left()
end

-- A live shell at its prompt.
local function live(bench, kind, size)
    bench:write_config()
    local terminal = terminals.start(bench:place(), { kind .. "-shell", "--board", "sim" }, size)
    terminal:see("opens the menu")
    terminal:see(kind == "busybox" and "~ # " or "=> ")
    return terminal
end

local function leave(bench, terminal)
    terminal:type(ESCAPE .. "q")
    terminal:see("left the shell")
    terminal:ends_with(0)
    assert.equal("off", bench.board:state())
    bench:assert_nothing_left()
end

describe("jflash busybox-shell with a command", function()
    it("prints its output and exits with its status", function()
        local bench <close> = support.bench()
        local result = shell(bench, "busybox", { "--", "echo", "'a  b';", "uname", "-s;", "exit", "7" })
        assert.equal("a  b\nLinux\n", result.stdout)
        assert_ended(bench, result, 7)
        assert.equal("untouched", bench:storage_state())
    end)

    it("prints a line when it comes, and a last one without its end", function()
        local bench <close> = support.bench()
        bench:write_config()
        local run = bench:start({ "busybox-shell", "--board", "sim", "--",
            "echo early; cat /tmp/go; printf late" })
        support.shell(("mkfifo '%s/root/tmp/go'"):format(bench.board.dir))
        run:wait_until("the first line", function()
            return support.read(run.base .. ".out") == "early\n"
        end)
        support.shell(("echo go >'%s/root/tmp/go'"):format(bench.board.dir))
        assert.equal("early\ngo\nlate", run:wait().stdout)
    end)

    it("takes the script on standard input, however long it is", function()
        local bench <close> = support.bench()
        local long = ("# %s\n"):format(("x"):rep(2000))
        local result = shell(bench, "busybox", {}, input(bench, long .. [[
            cd /tmp
            for i in 1 2; do
                echo "$i in $PWD"
            done
            exit 3
        ]]))
        assert.equal("1 in /tmp\n2 in /tmp\n", result.stdout)
        assert_ended(bench, result, 3)
        assert.equal("", support.shell(("find '%s/root/tmp' -name 'jflash-*'"):format(bench.board.dir)))
    end)

    it("serves this host's files meanwhile", function()
        local bench <close> = support.bench()
        local result = shell(bench, "busybox", { "--", "case $jflash_url in http://*) echo url;; esac; "
            .. "echo $dhcp_addr" })
        assert.equal("url\n10.0.2.15\n", result.stdout)
        bench:assert_result(result, { status = 0 })
    end)

    it("takes what looks like a failure for what it is: output", function()
        local bench <close> = support.bench()
        local text = "Kernel panic - not syncing: U-Boot 2023.01"
        local result = shell(bench, "busybox", { "--", "echo " .. text })
        assert.equal(text .. "\n", result.stdout)
        bench:assert_result(result, { status = 0 })
    end)

    it("leaves the board on when that was asked for", function()
        local bench <close> = support.bench()
        local result = shell(bench, "busybox", { "--no-power-off", "--", "true" })
        bench:assert_result(result, { status = 0, power = "on" })
        bench.board:switch("off")
    end)

    it("is served by the board's recipe", function()
        local bench <close> = support.bench({ dialect = "keyed" })
        bench.config.uboot.interrupt_key = nil
        support.write(bench:path("recipe.lua"), [[
            local recipe = require("jflash.recipe.flash"):derive()
            function recipe.interrupt(dut)
                dut.console:expect("re:(?i)autoboot")
                dut.console:send("stop")
                dut.uboot:wait_prompt()
                dut.uboot:settle()
            end
            recipe:after("login", function(dut) dut.shell:run("echo hooked >/tmp/hook") end)
            return recipe
        ]])
        bench.config.recipe = bench:path("recipe.lua")
        local result = shell(bench, "busybox", { "--", "cat /tmp/hook" })
        assert.equal("hooked\n", result.stdout, result.stderr)
        result = shell(bench, "bootloader", { "--", "echo", "there" })
        assert.equal("there\n", result.stdout, result.stderr)
        bench:assert_nothing_left()
    end)

    it("runs as a script that derives from its recipe", function()
        local bench <close> = support.bench()
        local result = bench:jflash({ "run", "busybox-shell.lua", "--board", "sim", "--", "echo", "-n", "x" })
        assert.equal("x", result.stdout, result.stderr)
        bench:assert_result(result, { status = 0 })
    end)

    for _, row in ipairs({
        { name = "a silent board", says = "no U-Boot prompt", step = "interrupt",
            faults = { { kind = "silence", at = "banner" } } },
        { name = "a panic on the way", says = "panicked", step = "login",
            faults = { { kind = "panic", at = "kernel" } } },
        { name = "a panic in the command", says = "panicked",
            faults = { { kind = "panic", at = "line", match = "eval .*uname" } } },
        { name = "a hang-up in the command", says = "hung up",
            faults = { { kind = "hang_up", at = "line", match = "eval .*uname" } } },
    }) do
        it("ends with status 5 for " .. row.name, function()
            local bench <close> = support.bench({ faults = row.faults })
            local result = shell(bench, "busybox", { "--timeout", "1", "--", "uname" })
            bench:assert_result(result, { status = 5, says = { row.says }, step = row.step, cycles = 1,
                silent = true })
            assert.equal("", result.stdout)
        end)
    end

    it("unwinds on a signal", function()
        local bench <close> = support.bench()
        local run = bench:start({ "busybox-shell", "--board", "sim", "--", "echo begun; sleep 60" })
        run:wait_until("the command", function() return support.read(run.base .. ".out") == "begun\n" end)
        local sent = job.now()
        run:kill(2)
        bench:assert_result(run:wait(15), { status = 130 })
        assert.is_true(job.now() - sent < 10)
    end)
end)

describe("jflash bootloader-shell with a command", function()
    it("prints its output and exits with its status", function()
        local bench <close> = support.bench()
        local result = shell(bench, "bootloader", { "--", "printenv", "bootcmd" })
        assert.equal("bootcmd=run distro_bootcmd\n", result.stdout)
        bench:assert_result(result, { status = 0, storage = "untouched", cycles = 1 })
        result = shell(bench, "bootloader", { "--", "nonsense" })
        assert.truthy(result.stdout:find("Unknown command", 1, true))
        assert_ended(bench, result, 1)
        result = shell(bench, "bootloader", { "version" })
        assert.truthy(result.stdout:find("^U%-Boot "))
        bench:assert_result(result, { status = 0, cycles = 3 })
    end)

    it("reads the words of a U-Boot that tells no status", function()
        local bench <close> = support.bench({ dialect = "nostatus" })
        assert.equal(0, shell(bench, "bootloader", { "--", "echo", "fine" }).status)
        assert.equal(1, shell(bench, "bootloader", { "--", "nonsense" }).status)
    end)

    it("serves the bundle's files, and says how they are loaded", function()
        local bench <close> = support.bench()
        local result = shell(bench, "bootloader", {}, input(bench, [[
            tftpboot 0x40400000 data/Image
            echo size=$filesize
        ]]))
        assert.truthy(result.stdout:find("Bytes transferred", 1, true), result.stdout)
        assert.truthy(result.stdout:find("size=%x+\n"), result.stdout)
        bench:assert_result(result, { status = 0, says = { "tftpboot 0x40400000 data/Image" } })
    end)

    it("needs no bundle, and no network", function()
        local bench <close> = support.bench({ faults = { { kind = "no_network" } } },
            { bundle = support.NONE, network = { method = "none" } })
        local result = shell(bench, "bootloader", { "--", "echo", "up" })
        assert.equal("up\n", result.stdout)
        bench:assert_result(result, { status = 0, says = { "nothing is served: the board has no bundle" } })
    end)
end)

describe("jflash busybox-shell on a terminal", function()
    it("is a live shell of the terminal's size, which follows the window", function()
        local bench <close> = support.bench()
        local terminal <close> = live(bench, "busybox", { columns = 101, rows = 33 })
        terminal:type("stty size\r")
        terminal:see("33 101")
        terminal:see("~ # ")
        terminal:resize(90, 20)
        terminal:see("stty cols 90 rows 20")
        terminal:see("~ # ")
        terminal:type("stty size\r")
        terminal:see("20 90")
        terminal:see("~ # ")
        -- Not into a program's input: told once it has ended.
        terminal:type("read -p 'wa'it words; echo got: $words\r")
        terminal:see("wait")
        terminal:resize(70, 21)
        terminal:type("to the program\n")
        terminal:see("got: to the program")
        terminal:see("stty cols 70 rows 21")
        terminal:see("~ # ")
        -- What the kernel says behind the prompt does not hide it.
        bench.board:set_fault({ kind = "noise", at = "now", text = "[    2.291222] eth0: link becomes ready\r\n" })
        terminal:see("becomes ready")
        terminal:resize(75, 23)
        terminal:see("stty cols 75 rows 23")
        leave(bench, terminal)
    end)

    it("gives Ctrl-C to the board, and shows a panic as what it is", function()
        local bench <close> = support.bench()
        local terminal <close> = live(bench, "busybox")
        terminal:type("half a line" .. CTRL_C)
        terminal:see("^C")
        terminal:see("~ # ")
        bench.board:set_fault({ kind = "panic", at = "now" })
        terminal:see("Kernel panic - not syncing")
        leave(bench, terminal)
    end)

    it("has a Lua prompt that drives the same shell", function()
        local bench <close> = support.bench()
        local terminal <close> = live(bench, "busybox")
        terminal:type("half a line" .. ESCAPE .. ":")
        terminal:see("Ctrl-D goes back")
        terminal:see("sim> ")
        terminal:type("dut.shell:run('echo $((6 * 7))')\r")
        terminal:see("re:(?m)^42$")
        terminal:see("sim> ")
        terminal:type(CTRL_D)
        -- What the board said meanwhile.
        terminal:see("'echo $((6 * 7))'")
        terminal:see("'echo $((6 * 7))'")
        terminal:type("echo back\r")
        terminal:see("re:(?m)^back$")
        leave(bench, terminal)
    end)

    it("ends with status 5 when the console hangs up", function()
        local bench <close> = support.bench()
        local terminal <close> = live(bench, "busybox")
        bench.board:set_fault({ kind = "hang_up", at = "now" })
        terminal:see("the console hung up")
        terminal:ends_with(5)
        assert.equal("off", bench.board:state())
    end)

    it("switches the power off when its window is closed, or on SIGTERM", function()
        local bench <close> = support.bench()
        local terminal <close> = live(bench, "busybox")
        local pid = terminal:pid()
        terminal:close()
        assert(sys.wait_exit(pid, { timeout_s = 15 }))
        assert.equal("off", bench.board:state())
        local second <close> = live(bench, "busybox")
        assert(sys.kill(second:pid(), "TERM"))
        second:ends_with(143)
        assert.equal("off", bench.board:state())
        bench:assert_nothing_left()
    end)

    it("restores the terminal on a second signal, and says what is left on", function()
        local bench <close> = support.bench()
        local hanging = bench:hang_at_power_off()
        local terminal <close> = live(bench, "busybox")
        local pid = terminal:pid()
        assert(sys.kill(pid, "TERM"))
        terminals.wait_for("the clean-up did not begin", function() return support.runs(hanging) end)
        assert(sys.kill(pid, "TERM"))
        terminal:see("left on: power of board sim")
        terminal:ends_with(143)
    end)
end)

describe("jflash bootloader-shell on a terminal", function()
    it("is a live prompt, with power in its menu", function()
        local bench <close> = support.bench()
        local terminal <close> = live(bench, "bootloader")
        terminal:type("version\r")
        terminal:see("re:(?m)^U-Boot ")
        terminal:see("=> ")
        terminal:type(ESCAPE .. "s")
        terminal:see("no shell to tell")
        terminal:type(ESCAPE .. "c")
        terminal:see("Hit any key")
        terminal:type(" ")
        terminal:see("=> ")
        leave(bench, terminal)
    end)
end)
