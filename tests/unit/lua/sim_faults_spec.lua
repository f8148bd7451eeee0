-- SPDX-License-Identifier: Apache-2.0
--
-- The faults of the scripted board: each happens where and as often as asked.
local console = require("jflash.console")
local drive = require("tests.support.simdrive")
local http = require("jflash.http")
local image = require("jflash.image")
local job = require("jflash.job")
local sim = require("tests.sim")

local expect, open, refute = drive.expect, drive.open, drive.refute
local run, shell = drive.run, drive.shell

local MIB = 1 << 20

local function start(faults, more)
    local options = more or {}
    options.faults = faults
    options.autoboot_s = options.autoboot_s or 1
    return sim.start(options)
end

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

local function random_bytes(count)
    local file <close> = assert(io.open("/dev/urandom", "rb"))
    return file:read(count)
end

-- Each board is closed before the next one starts.
local function with_board(faults, more, action)
    local board <close> = start(faults, more)
    local con <close> = open(board)
    action(board, con)
end

-- In the flasher's shell, with `bytes` at a URL.
local function with_shell(faults, more, bytes, action)
    with_board(faults, more, function(board, con)
        drive.to_shell(board, con)
        shell(con, "udhcpc -i eth0")
        local server <close> = assert(http.serve({ host = "127.0.0.1" }))
        local path = assert(server:add("image", { bytes = bytes }))
        action(board, con, ("http://127.0.0.1:%d%s"):format(server:port(), path))
    end)
end

local function contains(output, text)
    if not output:find(text, 1, true) then
        error(("%q is not in:\n%s"):format(text, output), 2)
    end
end

local WRITE = "set -o pipefail; wget -q -O - %s | dd of=/dev/vda bs=65536 iflag=fullblock %s; echo =$?"

describe("the scripted board's faults", function()
    it("silence it at any stage, once or always", function()
        with_board({ { kind = "silence", at = "banner", times = 1 } }, nil, function(board, con)
            board:switch("on")
            refute(con, "U-Boot")
            board:switch("cycle")
            expect(con, "U-Boot")
        end)
        with_board({ { kind = "silence", at = "prompt" } }, nil, function(board, con)
            board:switch("on")
            expect(con, "autoboot")
            con:send(" ")
            refute(con, "=> ")
        end)
        with_board({ { kind = "silence", at = "kernel" } }, nil, function(board, con)
            drive.to_prompt(board, con)
            drive.load(board, con)
            drive.boot(con)
            expect(con, "Starting kernel ...")
            refute(con, "login")
        end)
        with_board({ { kind = "silence", at = "command", match = "^dhcp" } }, nil, function(board, con)
            drive.to_prompt(board, con)
            run(con, "echo dhcp")
            con:send("dhcp\r")
            refute(con, "bound")
        end)
        with_board({ { kind = "silence", at = "login" } }, nil, function(board, con)
            drive.to_prompt(board, con)
            drive.load(board, con)
            drive.boot(con)
            refute(con, "login")
        end)
    end)

    it("lose and double what is typed", function()
        with_board({ { kind = "drop", at = "uboot", every = 7, times = 1 } }, nil, function(board, con)
            drive.to_prompt(board, con)
            assert.equal("bcdefghi", run(con, "echo abcdefghi"))
            assert.equal("abcdefghi", run(con, "echo abcdefghi"))
        end)
        with_shell({}, nil, "", function(board, con)
            board:set_fault({ kind = "double", at = "shell", every = 6 })
            assert.equal("aa", shell(con, "echo a"))
        end)
    end)

    it("lose what is typed too fast", function()
        with_board({ { kind = "overrun", at = "uboot", bytes = 8, bytes_per_s = 50 } }, nil, function(board, con)
            drive.to_prompt(board, con)
            con:send("echo abcdefghi")
            expect(con, "echo a")
            con:send("\3\r", { cps = 4 })
            assert.falsy(con:pending():find("cde", 1, true))
            expect(con, "=> ")
            assert(con:send("echo abcdefghi\r", { cps = 25 }))
            expect(con, "\nabcdefghi\n")
        end)
    end)

    it("put noise into prompts and output", function()
        with_board({ { kind = "noise", at = "prompt", nth = 2, times = 1, after_bytes = 1,
            text = "[ 1.0] link up\n" } }, nil, function(board, con)
            drive.to_prompt(board, con)
            con:send("echo a\r")
            expect(con, "\na\n=[ 1.0] link up\n> ")
            assert.equal("b", run(con, "echo b"))
        end)
        with_shell({ { kind = "noise", at = "line", match = "noisy", after_text = "\nno" } }, nil, "",
            function(_, con)
                con:send("echo noisy\r")
                expect(con, "\nno[   12.345678] sim0: link is up\nisy\n")
            end)
    end)

    it("break the network of U-Boot", function()
        local net = { period_s = 0.002, tries = 2, rounds = 2 }
        with_board({ { kind = "no_network", at = "dhcp", times = 1 } }, { net = net }, function(board, con)
            drive.to_prompt(board, con)
            local output = run(con, "dhcp; echo =$?")
            contains(output, "BOOTP broadcast 17\n\nRetry time exceeded; starting again")
            contains(output, "\n=1")
            contains(run(con, "setenv autoload no; dhcp"), "bound to")
        end)
        with_board({ { kind = "tftp_missing", match = "dtb" } }, nil, function(board, con)
            drive.to_prompt(board, con)
            local output = drive.load(board, con)
            contains(output, "TFTP error: 'file board-a.dtb.missing not found' (1)")
        end)
        with_board({ { kind = "reset", at = "load", nth = 2, times = 1 } }, nil, function(board, con)
            drive.to_prompt(board, con)
            local server <close> = drive.serve_bundle(board, con)
            run(con, "tftpboot 40400000 Image")
            con:send("tftpboot 48000000 Image\r")
            expect(con, "Loading: ")
            expect(con, "U-Boot 2023.01")
            assert.equal(1, server:requests())
        end)
    end)

    it("end the kernel in a panic, hanging or rebooting", function()
        with_board({ { kind = "panic", at = "kernel" } }, nil, function(board, con)
            drive.to_prompt(board, con)
            drive.load(board, con)
            drive.boot(con)
            expect(con, "Kernel panic - not syncing: VFS")
            refute(con, "U-Boot")
        end)
        with_board({ { kind = "panic", at = "line", match = "boom", reboot_after_s = 0.01,
            text = "Kernel panic - not syncing: boom\n" } }, nil, function(board, con)
            drive.to_shell(board, con)
            con:send("echo boom\r")
            expect(con, "not syncing: boom\n")
            expect(con, "U-Boot 2023.01")
        end)
    end)

    it("spoil the login and the shell", function()
        with_board({ { kind = "refuse_password", times = 1 } }, { password = "pw" }, function(board, con)
            drive.to_login(board, con)
            con:send("root\r")
            expect(con, "Password: ")
            con:send("pw\r")
            expect(con, "Login incorrect")
            expect(con, "login: ")
            con:send("root\r")
            expect(con, "Password: ")
            con:send("pw\r")
            expect(con, drive.SHELL_PROMPT)
        end)
        with_shell({ { kind = "die", at = "line", match = "die" } }, nil, "", function(board, con)
            con:send("echo die\r")
            expect(con, "jflash-flasher login: ")
            assert.equal(137, board:log("shell ended")[1].status)
        end)
    end)

    it("hang up the console, for a while or until power-on", function()
        with_board({ { kind = "hang_up", at = "command", match = "^version", times = 1 } }, nil,
            function(board, con)
                drive.to_prompt(board, con)
                con:send("version\r")
                local _, _, code = con:expect("never", { timeout_s = 20 })
                assert.equal("closed", code)
                assert.is_nil(io.open(board.console))
                board:switch("cycle")
                local again <close> = open(board)
                expect(again, "U-Boot 2023.01")
            end)
    end)

    it("give the console back after a moment", function()
        with_board({ { kind = "hang_up", at = "command", times = 1, back_after_s = 0.02 } }, nil,
            function(board, con)
                drive.to_prompt(board, con)
                con:send("version\r")
                con:expect("never", { timeout_s = 20 })
                local again
                for _ = 1, 2000 do
                    again = console.open(board.console)
                    if again or not job.sleep(0.01) then
                        break
                    end
                end
                assert.equal("a", run(assert(again), "echo a"))
                again:close()
            end)
    end)

    it("spoil the power switch", function()
        with_board({ { kind = "power_fails", match = "on", times = 1 } }, nil, function(board)
            assert.has_error(function()
                board:switch("on")
            end)
            board:switch("on")
            assert.equal("on", board:state())
            board:set_fault({ kind = "power_ignored", match = "off" })
            board:switch("off")
            assert.equal("on", board:state())
            board:clear_faults("power_ignored")
            board:switch("off")
            assert.equal("off", board:state())
        end)
    end)

    it("slow its serial line", function()
        with_board({ { kind = "slow", bytes_per_s = 2000 } }, nil, function(board, con)
            board:switch("on")
            expect(con, "U-Boot")
            refute(con, "autoboot", 0.04)
            expect(con, "autoboot")
        end)
    end)

    it("happen at once when asked", function()
        with_board({}, nil, function(board, con)
            drive.to_prompt(board, con)
            board:set_fault({ kind = "reset", at = "now" })
            expect(con, "U-Boot 2023.01")
        end)
    end)
end)

describe("the scripted board's disk", function()
    it("takes an image and has its bytes", function()
        local bytes = random_bytes(MIB // 2)
        with_shell({}, { storage_bytes = MIB }, bytes, function(board, con, url)
            contains(shell(con, WRITE:format(url, "oflag=direct")), "\n=0")
            assert.equal(MIB, #read(board.storage))
            assert.equal(bytes, read(board.storage):sub(1, #bytes))
            local digest = image.sha256(bytes)
            assert.equal(digest .. "  -", shell(con,
                ("dd if=/dev/vda bs=4096 iflag=fullblock,count_bytes count=%d 2>/dev/null | sha256sum")
                :format(#bytes)))
            assert.equal("0", shell(con, "sync; blockdev --flushbufs /dev/vda; echo $?"))
            assert.equal("0", shell(con, "blockdev --rereadpt /dev/vda; echo $?"))
        end)
    end)

    it("keeps the rules of direct writes", function()
        with_shell({}, { storage_bytes = MIB }, ("x"):rep(700), function(_, con, url)
            contains(shell(con, WRITE:format(url, "conv=fsync")), "\n=0")
            -- busybox's dd takes O_DIRECT off after EINVAL, and goes on.
            local output = shell(con, "dd if=/dev/zero of=/dev/vda bs=1000 count=1 oflag=direct")
            contains(output, "1+0 records out")
        end)
    end)

    it("is full at its end", function()
        with_shell({}, { storage_bytes = MIB }, ("x"):rep(MIB + 512), function(board, con, url)
            local output = shell(con, WRITE:format(url, "oflag=direct"))
            contains(output, "dd: error writing '/dev/vda': No space left on device")
            contains(output, "\n=1")
            assert.equal(("x"):rep(MIB), read(board.storage))
        end)
    end)

    it("fails a write at once when direct, at fsync when buffered", function()
        local faults = { { kind = "disk", bad_write_at = 100000 } }
        with_shell(faults, { storage_bytes = MIB }, ("x"):rep(MIB), function(_, con, url)
            local output = shell(con, WRITE:format(url, "oflag=direct"))
            contains(output, "dd: error writing '/dev/vda': Input/output error")
            contains(output, "\n=1")
            contains(shell(con, WRITE:format(url, "")), "\n=0")
            contains(shell(con, WRITE:format(url, "conv=fsync")), "\n=1")
        end)
    end)

    it("changes a byte behind the writer's back, and fails reads", function()
        local bytes = ("x"):rep(MIB)
        with_shell({ { kind = "disk", flip_at = 1000 } }, { storage_bytes = MIB }, bytes,
            function(board, con, url)
                shell(con, WRITE:format(url, "oflag=direct"))
                assert.is_falsy(shell(con, "sha256sum /dev/vda"):find(image.sha256(bytes), 1, true))
                assert.equal("xyx", read(board.storage):sub(1000, 1002))
                assert.equal(1000, board:log("flipped")[1].number)
                -- Not again behind the same write.
                shell(con, "sha256sum /dev/vda")
                assert.equal(1, #board:log("flipped"))
                board:set_fault({ kind = "noise", at = "none" })
                shell(con, WRITE:format(url, "oflag=direct"))
                shell(con, "sha256sum /dev/vda")
                assert.equal(2, #board:log("flipped"))
            end)
        with_shell({ { kind = "disk", flip_at = 1000, times = 1 } }, { storage_bytes = MIB }, bytes,
            function(board, con, url)
                for _ = 1, 2 do
                    shell(con, WRITE:format(url, "oflag=direct"))
                    shell(con, "sha256sum /dev/vda")
                end
                assert.equal(1, #board:log("flipped"))
            end)
        with_shell({ { kind = "disk", bad_read_at = MIB - 1 } }, { storage_bytes = MIB }, bytes,
            function(_, con)
                contains(shell(con, "dd if=/dev/vda of=/dev/null bs=65536; echo =$?"), "Input/output error")
            end)
    end)

    it("may be read-only, mounted, or missing", function()
        local disks = {
            { name = "vda", read_only = true, bytes = MIB },
            { name = "mmcblk0", mounted = "/mnt", bytes = MIB },
            { name = "vdz", missing = true, bytes = MIB },
        }
        with_shell({}, { disks = disks }, "", function(_, con)
            local output = shell(con, "dd if=/dev/zero of=/dev/vda count=1; cat /sys/class/block/vda/ro")
            contains(output, "can't open '/dev/vda': Permission denied\n1")
            assert.equal("/dev/mmcblk0 /mnt ext4 rw,relatime 0 0", shell(con, "grep mmc /proc/mounts"))
            assert.equal("1", shell(con, "test -b /dev/vdz; echo $?"))
        end)
    end)

    it("stops a writer at an offset, for a reset in the middle", function()
        with_shell({ { kind = "reset", at = "write", offset = 500000, times = 1 } }, { storage_bytes = MIB },
            ("x"):rep(MIB), function(board, con, url)
                con:send(WRITE:format(url, "oflag=direct") .. "\r")
                expect(con, "U-Boot 2023.01")
                local content = read(board.storage)
                assert.equal("x", content:sub(400000, 400000))
                assert.equal("\0", content:sub(600000, 600000))
            end)
        with_shell({ { kind = "hang_up", at = "write", offset = 500000 } }, { storage_bytes = MIB },
            ("x"):rep(MIB), function(board, con, url)
                con:send(WRITE:format(url, "oflag=direct") .. "\r")
                local _, _, code = con:expect("never", { timeout_s = 20 })
                assert.equal("closed", code)
                assert.equal("write", board:log("fault")[1].at)
            end)
    end)
end)

describe("the scripted board's connections", function()
    local bytes = ("x"):rep(MIB)
    local function fetch(action, check)
        with_shell({
            { kind = "connection", action = action, after_bytes = 300000, match = "/image ", times = 1 },
        },
            { storage_bytes = MIB }, bytes, check)
    end
    local GET = "wget -q -O - %s | sha256sum; echo =$?"

    it("end in the middle", function()
        fetch("cut", function(_, con, url)
            local output = shell(con, "set -o pipefail; " .. GET:format(url))
            contains(output, "\n=1")
            contains(shell(con, GET:format(url)), image.sha256(bytes))
        end)
    end)

    it("may be set and cleared while the flasher runs", function()
        with_shell({}, { storage_bytes = MIB }, bytes, function(board, con, url)
            board:set_fault({ kind = "connection", after_bytes = 1000 })
            contains(shell(con, "set -o pipefail; " .. GET:format(url)), "=1")
            board:set_fault({ kind = "disk", full_at = 4096 })
            contains(shell(con, GET:format(url)), "=1")
            contains(shell(con, "dd if=/dev/zero of=/dev/vda bs=8192 count=1"), "No space left")
            board:clear_faults()
            contains(shell(con, GET:format(url)), image.sha256(bytes))
            contains(shell(con, "dd if=/dev/zero of=/dev/vda bs=8192 count=1"), "1+0 records out")
        end)
    end)

    it("change a byte", function()
        fetch("corrupt", function(_, con, url)
            local output = shell(con, GET:format(url))
            assert.is_falsy(output:find(image.sha256(bytes), 1, true))
            contains(output, "\n=0")
        end)
    end)

    it("stall", function()
        fetch("stall", function(_, con, url)
            local line = "timeout 0.3 wget -q -O /tmp/got %s; echo =$?; wc -c < /tmp/got"
            local output = shell(con, line:format(url))
            contains(output, "=143")
            assert.is_true(tonumber(output:match("%d+$")) <= 300000)
        end)
    end)

    it("are refused, and there may be no network at all", function()
        fetch("refuse", function(_, con, url)
            contains(shell(con, GET:format(url)), "wget: ")
        end)
        with_shell({ { kind = "no_network", at = "shell" } }, nil, bytes, function(_, con, url)
            contains(shell(con, GET:format(url)), "Network is unreachable")
            contains(shell(con, "udhcpc -i eth0"), "no lease")
        end)
    end)
end)
