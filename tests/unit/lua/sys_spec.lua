-- SPDX-License-Identifier: Apache-2.0
local job = require("jflash.job")
local sys = require("jflash.sys")

local function open_descriptors()
    return #assert(sys.list("/proc/self/fd"))
end

-- Waits up to ten seconds for `condition` to hold.
local function eventually(condition)
    local deadline = job.now() + 20
    while job.now() < deadline do
        if condition() then
            return true
        end
        job.sleep(0.01)
    end
    return false
end

describe("jflash.sys", function()
    local dir
    local descriptors

    before_each(function()
        dir = assert(sys.temp_dir("jflash-test-"))
        collectgarbage()
        descriptors = open_descriptors()
    end)

    after_each(function()
        assert(sys.remove_tree(dir))
        collectgarbage()
        assert.equal(descriptors, open_descriptors())
    end)

    describe("run", function()
        it("returns status and both outputs", function()
            local result = assert(sys.run({ "sh", "-c", "echo out; echo err >&2; exit 3" }))
            assert.same({ status = 3, stdout = "out\n", stderr = "err\n", truncated = false }, result)
        end)

        it("returns the signal that ended the program", function()
            local result = assert(sys.run({ "sh", "-c", "kill -9 $$" }))
            assert.is_nil(result.status)
            assert.equal(9, result.signal)
        end)

        it("feeds stdin, also more than a pipe holds", function()
            local text = ("0123456789"):rep(100000)
            local result = assert(sys.run({ "cat" }, { stdin = text }))
            assert.equal(text, result.stdout)
        end)

        it("does not mind a program that reads no input", function()
            local result = assert(sys.run({ "true" }, { stdin = ("x"):rep(1000000) }))
            assert.equal(0, result.status)
        end)

        it("gives an empty stdin by default", function()
            assert.equal("", assert(sys.run({ "cat" })).stdout)
        end)

        it("keeps the first bytes of too long an output", function()
            local result = assert(sys.run({ "sh", "-c", "yes | head -c 300000" }, { output_limit_bytes = 5 }))
            assert.equal("y\ny\ny", result.stdout)
            assert.is_true(result.truncated)
            assert.equal(0, result.status)
        end)

        it("changes environment and directory", function()
            local result = assert(sys.run({ "sh", "-c", 'echo "$A:${HOME-unset}"; pwd' }, {
                env = { A = "b=c", HOME = false },
                cwd = dir,
            }))
            assert.equal("b=c:unset\n" .. dir .. "\n", result.stdout)
        end)

        it("says when there is no such program or directory", function()
            local _, message, code = sys.run({ "jflash-no-such-program" })
            assert.truthy(message:find("^jflash%-no%-such%-program: command not found"))
            assert.equal("io", code)
            _, message = sys.run({ "/no/such/program" })
            assert.equal("/no/such/program: cannot start: No such file or directory", message)
            _, message = sys.run({ "true" }, { cwd = "/no/such" })
            assert.equal("true: working directory /no/such: No such file or directory", message)
        end)

        it("kills the whole group at the deadline and returns what was printed", function()
            local before = job.now()
            local result, message, code, partial =
                sys.run({ "sh", "-c", "echo $$; sleep 100 & trap '' TERM; wait; wait; sleep 100" }, { timeout_s = 1.5 })
            assert.is_nil(result)
            assert.equal("timeout", code)
            assert.truthy(message:match("^sh: did not end within [%d.]+ s and was killed$"))
            assert.is_true(job.now() - before < 15)
            local group = partial.stdout:match("%d+")
            -- Orphans stay zombies until init reaps them.
            assert.is_true(eventually(function()
                return sys.run({ "pgrep", "-g", group }).status == 1
            end))
        end)

        it("ends when the job is cancelled", function()
            job.cancel(2)
            local _, message, code = sys.run({ "sleep", "100" })
            job.reset()
            assert.equal("cancelled", code)
            assert.equal("sleep: cancelled by SIGINT", message)
        end)

        it("does not wait for what the program left in the background", function()
            local result = assert(sys.run({ "sh", "-c", "sleep 100 & echo $!" }, { timeout_s = 20 }))
            assert.equal(0, result.status)
            assert.is_true(sys.kill(tonumber(result.stdout), "KILL"))
        end)

        -- Runs Lua code at a terminal of its own; `typed` is shell that types there.
        local function at_terminal(code, typed)
            assert(sys.write_file(dir .. "/code.lua", 'local sys = require("jflash.sys")\n' .. code))
            local command = ("%s run %s/code.lua"):format(sys.process_exe(sys.pid()), dir)
            return assert(sys.run({ "sh", "-c", ("(%s) | script -qec '%s' /dev/null"):format(typed, command) }, {
                cwd = dir,
            })).stdout
        end

        it("hands the terminal over to an inheriting program, and takes it back", function()
            local shown = at_terminal([[
                local result = sys.run({ "sh", "-c", "read line; echo child $line; exit 4" }, { inherit = true })
                print("status", result.status)
                print("parent", sys.read_line(0, { timeout_s = 10 }))
            ]], "printf 'one\\ntwo\\n'")
            assert.truthy(shown:find("child one\r\n", 1, true))
            assert.truthy(shown:find("status\t4\r\n", 1, true))
            assert.truthy(shown:find("parent\ttwo\r\n", 1, true))
        end)

        it("a Ctrl-C at an inheriting program cancels us as well", function()
            -- Not a shell: it may survive a SIGINT between two of its commands.
            local shown = at_terminal([[
                print(sys.run({ "perl", "-e", "open(F, '>ready'); sleep 100" }, { inherit = true }))
            ]], "while ! test -e ready; do sleep 0.02; done; printf '\\003'")
            assert.truthy(shown:find("nil\tcancelled by SIGINT\tcancelled\t", 1, true))
        end)

        it("starts programs with default signals and no other descriptor", function()
            local lock <close> = assert(sys.lock(dir .. "/lock"))
            assert.is_not_nil(lock)
            local script = "grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd"
            local result = assert(sys.run({ "sh", "-c", script }))
            -- Signals 32 and 33 are the C library's own.
            local ignored = tonumber(result.stdout:match("SigIgn:\t(%x+)"), 16) & ~0x180000000
            assert.equal(0, ignored)
            assert.truthy(result.stdout:find("SigBlk:\t0000000000000000", 1, true))
            assert.truthy(result.stdout:find("\n0\n1\n2\n3\n$")) -- 3 is ls's own
        end)
    end)

    describe("spawn", function()
        it("waits for the program and knows how it ended", function()
            local process <close> = assert(sys.spawn({ "sh", "-c", "exit 7" }))
            assert.same({ status = 7 }, process:wait({ timeout_s = 10 }))
            assert.same({ status = 7 }, process:wait())
            assert.is_false(process:alive())
            local _, _, code = process:kill("TERM")
            assert.equal("closed", code)
        end)

        it("writes the outputs to files", function()
            local out, err = dir .. "/out", dir .. "/err"
            local process <close> = assert(sys.spawn({ "sh", "-c", "echo o; echo e >&2" }, {
                stdout = out,
                stderr = err,
            }))
            assert(process:wait({ timeout_s = 10 }))
            assert.equal("o\n", sys.read_file(out))
            assert.equal("e\n", sys.read_file(err))
        end)

        it("signals the group, and waits have deadlines", function()
            local process <close> = assert(sys.spawn({ "sleep", "100" }))
            assert.is_true(process:alive())
            local _, message, code = process:wait({ timeout_s = 0.02 })
            assert.equal("timeout", code)
            assert.equal(("process %d: timeout"):format(process:pid()), message)
            assert.is_true(process:kill("SIGINT"))
            assert.same({ signal = 2 }, process:wait({ timeout_s = 10 }))
        end)

        it("kills the program when it is closed or collected", function()
            local process = assert(sys.spawn({ "sleep", "100" }))
            local pid = process:pid()
            process:close()
            process:close()
            assert.is_nil(sys.process_start(pid))
            assert.error_matches(function()
                process:alive()
            end, "process is closed")

            pid = assert(sys.spawn({ "sleep", "100" })):pid()
            collectgarbage()
            assert.is_nil(sys.process_start(pid))
        end)

        it("detached: is in its own session, no child of ours, and survives close", function()
            local process = assert(sys.spawn({ "sleep", "100" }, { detach = true }))
            local pid = process:pid()
            local fields = assert(sys.read_file(("/proc/%d/stat"):format(pid)))
            local parent, group, session = fields:match("%) %a (%d+) (%d+) (%d+)")
            assert.not_equal(sys.pid(), tonumber(parent))
            assert.equal(pid, tonumber(group))
            assert.equal(pid, tonumber(session))
            process:close()
            assert.is_not_nil(sys.process_start(pid))
            assert.is_true(sys.kill(pid, "KILL"))
            assert.is_true(sys.wait_exit(pid, { timeout_s = 10 }))
        end)

        it("detached: can be waited for and killed", function()
            local process <close> = assert(sys.spawn({ "sleep", "100" }, { detach = true }))
            assert.is_true(process:alive())
            assert.is_true(process:kill(9))
            assert.same({}, process:wait({ timeout_s = 10 }))
        end)

        it("reports what cannot be started, detached or not", function()
            for _, detach in ipairs({ false, true }) do
                local process, message, code = sys.spawn({ "jflash-no-such-program" }, { detach = detach })
                assert.is_nil(process)
                assert.truthy(message:find("^jflash%-no%-such%-program: command not found"))
                assert.equal("io", code)
                process, message = sys.spawn({ "true" }, { detach = detach, stderr = "/no/such/log" })
                assert.is_nil(process)
                assert.equal("/no/such/log: open: No such file or directory", message)
            end
        end)

        it("refuses misuse", function()
            local cases = {
                { {}, nil, "no program" },
                { { "true", 1 }, nil, "array of strings" },
                { { "tr\0ue" }, nil, "array of strings" },
                { { "true" }, { envv = {} }, "unknown option 'envv'" },
                { { "true" }, { env = { ["A=B"] = "c" } }, "'A=B' is no name" },
                { { "true" }, { env = { A = {} } }, "names with strings" },
                { { "true" }, { detach = 1 }, "boolean expected" },
            }
            for _, case in ipairs(cases) do
                assert.error_matches(function()
                    sys.spawn(case[1], case[2])
                end, case[3])
            end
        end)
    end)

    describe("other processes", function()
        it("tells who they are", function()
            local pid = sys.pid()
            assert.equal("integer", math.type(sys.process_start(pid)))
            assert.truthy(sys.process_exe(pid):find("/jflash$"))
            assert.equal("run", sys.process_cmdline(pid)[2])
        end)

        it("is not confused by a program's name", function()
            local program = dir .. "/a) Z 1 2"
            assert(sys.run({ "cp", "/bin/sleep", program }))
            local process <close> = assert(sys.spawn({ program, "100" }))
            local ours = sys.process_start(sys.pid())
            assert.is_true(sys.process_start(process:pid()) >= ours)
            assert.equal(program, sys.process_exe(process:pid()))
        end)

        it("answers for a number that is free", function()
            local process <close> = assert(sys.spawn({ "true" }))
            local pid = process:pid()
            process:wait({ timeout_s = 10 })
            assert.is_nil(sys.process_start(pid))
            assert.is_nil(sys.process_exe(pid))
            assert.is_nil(sys.process_cmdline(pid))
            assert.is_true(sys.wait_exit(pid))
            local _, _, code = sys.kill(pid, 0)
            assert.equal("closed", code)
        end)

        it("takes a zombie for dead", function()
            local process <close> = assert(sys.spawn({ "true" }))
            assert.is_true(eventually(function()
                return not process:alive()
            end))
            assert.is_nil(sys.process_start(process:pid()))
        end)

        it("waits for an exit with a deadline", function()
            local process <close> = assert(sys.spawn({ "sleep", "100" }))
            local _, message, code = sys.wait_exit(process:pid(), { timeout_s = 0.02 })
            assert.equal("timeout", code)
            assert.equal(("process %d: timeout: still running"):format(process:pid()), message)
        end)

        it("never signals groups or everybody", function()
            for _, pid in ipairs({ 0, -1, -5 }) do
                assert.error_matches(function()
                    sys.kill(pid, 0)
                end, "no process number")
            end
            assert.error_matches(function()
                sys.kill(sys.pid(), "NOPE")
            end, "no such signal")
        end)
    end)

    describe("files", function()
        it("makes directories", function()
            assert.is_true(sys.mkdir(dir .. "/a/b//c/"))
            assert.is_true(sys.mkdir(dir .. "/a/b/c"))
            local info = assert(sys.stat(dir .. "/a/b/c"))
            assert.equal("dir", info.type)
            assert.equal(0x1c0, info.mode)
            local _, message, code, errno = sys.mkdir(dir .. "/a", { parents = false })
            assert.equal(dir .. "/a: make directory: File exists", message)
            assert.equal("io", code)
            assert.equal("EEXIST", errno)
            assert(sys.write_file(dir .. "/file", ""))
            _, _, _, errno = sys.mkdir(dir .. "/file/x")
            assert.is_true(errno == "EEXIST" or errno == "ENOTDIR")
            assert.is_nil(sys.mkdir(""))
        end)

        it("replaces a file in one step", function()
            local path = dir .. "/file"
            assert.is_true(sys.write_file(path, "one"))
            local first = assert(sys.stat(path))
            assert.is_true(sys.write_file(path, "two\0", { mode = 0x1a4 }))
            local second = assert(sys.stat(path))
            assert.equal(0x180, first.mode)
            assert.equal(0x1a4, second.mode)
            assert.not_equal(first.ino, second.ino)
            assert.equal(4, second.size)
            assert.equal("two\0", sys.read_file(path))
            assert.same({ "file" }, sys.list(dir))
        end)

        it("leaves nothing when a file cannot be replaced", function()
            assert(sys.mkdir(dir .. "/target/inside"))
            local _, message = sys.write_file(dir .. "/target", "text")
            assert.equal(dir .. "/target: replace: not a regular file", message)
            assert.same({ "target" }, sys.list(dir))
            assert(sys.run({ "mkfifo", dir .. "/fifo" }))
            assert.is_nil(sys.write_file(dir .. "/fifo", "text"))
            assert.equal("fifo", sys.stat(dir .. "/fifo").type)
            _, message = sys.write_file(dir .. "/no/file", "text")
            assert.equal(dir .. "/no/file: make temporary file: No such file or directory", message)
        end)

        it("reads up to a limit, and from what has no size", function()
            assert(sys.write_file(dir .. "/file", "12345"))
            assert.equal("12345", sys.read_file(dir .. "/file", { limit_bytes = 5 }))
            local _, message, code = sys.read_file(dir .. "/file", { limit_bytes = 4 })
            assert.equal("limit", code)
            assert.equal(dir .. "/file: larger than the limit of 4 bytes", message)
            assert.truthy(sys.read_file("/proc/self/status"):find("Name:"))
            local _, _, _, errno = sys.read_file(dir)
            assert.equal("EISDIR", errno)
            _, _, _, errno = sys.read_file(dir .. "/none")
            assert.equal("ENOENT", errno)
        end)

        it("tells types apart, links too", function()
            assert(sys.run({ "mkfifo", dir .. "/fifo" }))
            assert(sys.run({ "ln", "-s", "fifo", dir .. "/link" }))
            assert.equal("fifo", sys.stat(dir .. "/fifo").type)
            assert.equal("fifo", sys.stat(dir .. "/link").type)
            assert.equal("link", sys.stat(dir .. "/link", { follow = false }).type)
            assert.equal("char", sys.stat("/dev/null").type)
            assert.equal(dir .. "/fifo", sys.realpath(dir .. "/link"))
            assert.same({ "fifo", "link" }, sys.list(dir))
        end)

        it("makes sparse files only where there is none", function()
            local path = dir .. "/disk"
            assert.is_true(sys.make_sparse(path, 1 << 30))
            local info = assert(sys.stat(path))
            assert.equal(1 << 30, info.size)
            assert.equal(0, info.used)
            local _, _, _, errno = sys.make_sparse(path, 5)
            assert.equal("EEXIST", errno)
            assert.equal(1 << 30, sys.stat(path).size)
        end)

        it("removes a tree but not what its links lead to", function()
            assert(sys.mkdir(dir .. "/tree/a/b"))
            assert(sys.mkdir(dir .. "/other"))
            assert(sys.write_file(dir .. "/other/file", "x"))
            assert(sys.run({ "ln", "-s", dir .. "/other", dir .. "/tree/a/link" }))
            assert(sys.write_file(dir .. "/tree/a/b/file", "x"))
            assert.is_true(sys.remove_tree(dir .. "/tree"))
            assert.is_true(sys.remove_tree(dir .. "/tree"))
            assert.same({ "other" }, sys.list(dir))
            assert.same({ "file" }, sys.list(dir .. "/other"))
            local _, _, _, errno = sys.remove(dir .. "/other")
            assert.equal("ENOTEMPTY", errno)
            assert.is_true(sys.rename(dir .. "/other", dir .. "/renamed"))
            assert.is_true(sys.remove(dir .. "/renamed/file"))
            assert.is_true(sys.remove(dir .. "/renamed"))
            assert.same({}, sys.list(dir))
        end)

        it("knows places", function()
            assert.is_true(sys.free_bytes(dir) > 0)
            assert.equal(sys.realpath("."), sys.cwd())
            local place = assert(sys.temp_dir(dir .. "/here-"))
            assert.equal(0x1c0, sys.stat(place).mode)
            assert.is_nil(sys.temp_dir("/no/such/prefix-"))
            assert.error_matches(function()
                sys.stat("a\0b")
            end, "contains a NUL")
        end)
    end)

    describe("lock", function()
        it("names its holder and is free after close", function()
            local path = dir .. "/lock"
            local lock = assert(sys.lock(path))
            assert.equal(0x1b6, sys.stat(path).mode)
            local second, message, code, holder = sys.lock(path)
            assert.is_nil(second)
            assert.equal("timeout", code)
            local pattern = "^pid %d+, user [%w_-]+, since %d+%-%d+%-%d+ %d+:%d+:%d+$"
            assert.truthy(holder:match(pattern))
            assert.equal(sys.pid(), tonumber(holder:match("%d+")))
            assert.equal(("lock %s: held by %s"):format(path, holder), message)
            lock:close()
            lock:close()
            assert.equal(0, sys.stat(path).size)
            lock = assert(sys.lock(path, { owner = "the flash of board a" }))
            assert.equal("the flash of board a", select(4, sys.lock(path)))
            lock:close()
            assert(sys.lock(path)):close()
        end)

        it("shared locks exclude only exclusive ones", function()
            local path = dir .. "/lock"
            local one <close> = assert(sys.lock(path, { exclusive = false }))
            local two <close> = assert(sys.lock(path, { exclusive = false }))
            local _, _, _, holder = sys.lock(path)
            assert.equal("an unknown process", holder)
            assert.is_true(one ~= two)
        end)

        it("is released by kill -9, and a waiter gets it", function()
            local path = dir .. "/lock"
            local script = "echo pid 1 >" .. path .. "; sleep 100"
            local process <close> = assert(sys.spawn({ "flock", path, "sh", "-c", script }))
            assert.is_true(eventually(function()
                local lock <close>, _, _, holder = sys.lock(path)
                return not lock and holder == "pid 1"
            end))
            local before = job.now()
            local _, _, code = sys.lock(path, { wait_s = 0.1 })
            assert.equal("timeout", code)
            assert.is_true(job.now() - before >= 0.1)
            process:kill(9)
            assert(sys.lock(path, { wait_s = 10 })):close()
        end)

        it("stops waiting when the job is cancelled", function()
            local path = dir .. "/lock"
            local lock <close> = assert(sys.lock(path))
            job.cancel(15)
            local _, _, code, holder = sys.lock(path, { wait_s = 100 })
            job.reset()
            assert.equal("cancelled", code)
            assert.is_nil(holder)
            assert.is_not_nil(lock)
        end)

        it("refuses links and what is no plain file", function()
            assert(sys.write_file(dir .. "/victim", "precious"))
            assert(sys.run({ "ln", "-s", "victim", dir .. "/symbolic" }))
            assert(sys.run({ "ln", dir .. "/victim", dir .. "/hard" }))
            assert(sys.run({ "mkfifo", dir .. "/fifo" }))
            for _, name in ipairs({ "symbolic", "hard", "fifo", "." }) do
                local lock, _, code = sys.lock(dir .. "/" .. name)
                assert.is_nil(lock)
                assert.equal("io", code)
            end
            assert.equal("precious", sys.read_file(dir .. "/victim"))
        end)

        it("works across users in a shared directory", function()
            local switch = { "setpriv", "--reuid=65534", "--clear-groups" }
            if sys.run({ switch[1], switch[2], switch[3], "true" }).status ~= 0 then
                pending("not allowed to run a program as another user")
                return
            end
            local shared = dir .. "/shared"
            assert(sys.mkdir(shared))
            assert(sys.run({ "chmod", "711", dir }))
            assert(sys.run({ "chmod", "1777", shared }))
            assert(sys.write_file(dir .. "/child.lua", ([[
                print(select(2, require("jflash.sys").lock(%q)) or "taken")
            ]]):format(shared .. "/lock"), { mode = 0x1a4 }))
            local function other_user()
                local program = sys.process_exe(sys.pid())
                return assert(sys.run({ switch[1], switch[2], switch[3], program, "run", dir .. "/child.lua" })).stdout
            end
            assert.equal("taken\n", other_user()) -- and made the file
            assert.equal(65534, sys.stat(shared .. "/lock").uid)
            local lock <close> = assert(sys.lock(shared .. "/lock", { owner = "root's run" }))
            assert.equal(("lock %s: held by root's run\n"):format(shared .. "/lock"), other_user())
            assert.is_not_nil(lock)
        end)

        it("shows no control characters of a holder", function()
            assert(sys.write_file(dir .. "/lock", "pid 5 \27[2J\7\nsecond line"))
            local process <close> = assert(sys.spawn({ "flock", dir .. "/lock", "sleep", "100" }))
            local holder
            assert.is_true(eventually(function()
                local lock <close>, _, _, found = sys.lock(dir .. "/lock", { exclusive = false })
                holder = found
                return not lock
            end))
            assert.equal("pid 5 ?[2J?", holder)
            assert.is_true(process:alive())
        end)
    end)

    describe("connect_unix", function()
        local function serve(command)
            local path = dir .. "/socket"
            local process = assert(sys.spawn({ "socat", "UNIX-LISTEN:" .. path, command }))
            local socket
            assert.is_true(eventually(function()
                socket = sys.connect_unix(path)
                return socket ~= nil
            end))
            return socket, process
        end

        local function both(socket, process)
            return setmetatable({}, {
                __close = function()
                    socket:close()
                    process:close()
                end,
            })
        end

        it("sends, and reads line by line", function()
            local socket, process = serve("EXEC:cat")
            local _ <close> = both(socket, process)
            assert.is_true(socket:send("one\r\ntwo\n\nlast"))
            assert.equal("one", socket:read_line({ timeout_s = 10 }))
            assert.equal("two", socket:read_line({ timeout_s = 10 }))
            assert.equal("", socket:read_line({ timeout_s = 10 }))
            local line, message, code = socket:read_line({ timeout_s = 0.02 })
            assert.is_nil(line)
            assert.equal("timeout", message)
            assert.equal("timeout", code)
            assert.is_true(socket:send(" line\n"))
            assert.equal("last line", socket:read_line({ timeout_s = 10 }))
            assert.same({ pid = process:pid(), uid = sys.uid() }, socket:peer())
            assert.is_true(process:alive())
        end)

        it("tells when the peer has gone", function()
            local socket, process = serve("SYSTEM:echo bye")
            local _ <close> = both(socket, process)
            assert.equal("bye", socket:read_line({ timeout_s = 10 }))
            local _, _, code = socket:read_line({ timeout_s = 10 })
            assert.equal("closed", code)
            process:wait({ timeout_s = 10 })
            for _ = 1, 2 do
                code = select(3, socket:send("x"))
            end
            assert.equal("closed", code)
            socket:close()
            assert.error_matches(function()
                socket:send("x")
            end, "socket is closed")
        end)

        it("bounds a line", function()
            local socket, process = serve("SYSTEM:cat /dev/zero")
            local _ <close> = both(socket, process)
            local _, _, code = socket:read_line({ timeout_s = 20 })
            assert.equal("limit", code)
            assert.is_true(process:alive())
        end)

        it("says why it cannot connect", function()
            local _, message, code = sys.connect_unix(dir .. "/none")
            assert.equal(dir .. "/none: connect: No such file or directory", message)
            assert.equal("io", code)
            _, _, code = sys.connect_unix("/" .. ("x"):rep(200))
            assert.equal("limit", code)
        end)
    end)

    describe("surroundings", function()
        it("knows who and where we are", function()
            assert.equal(assert(sys.run({ "id", "-u" })).stdout, sys.uid() .. "\n")
            assert.equal(assert(sys.run({ "id", "-un" })).stdout, sys.user() .. "\n")
            assert.equal("root", sys.user(0))
            assert.equal("3999999999", sys.user(3999999999))
            assert.same({ "root", sys.uid() == 0 and "now" or "not" }, { sys.group(0) })
            assert.equal(assert(sys.run({ "id", "-gn" })).stdout, sys.group(tonumber(
                assert(sys.run({ "id", "-g" })).stdout)) .. "\n")
            assert.same({ "3999999999", "not" }, { sys.group(3999999999) })
            assert.equal("root", sys.group("root"))
            assert.is_nil(sys.group("no-such-group"))
            assert.is_true(#sys.hostname() > 0)
            assert.equal(os.getenv("PATH"), sys.getenv("PATH"))
            assert.equal(os.getenv("PATH"), sys.environ().PATH)
            assert.is_nil(sys.getenv("JFLASH_NO_SUCH_VARIABLE"))
            assert.is_true(math.abs(sys.time() - os.time()) < 2)
            assert.truthy(sys.random_hex(8):match("^" .. ("%x"):rep(16) .. "$"))
            assert.not_equal(sys.random_hex(16), sys.random_hex(16))
            assert.is_false(sys.isatty(99))
            assert.equal(0, sys.columns(99))
        end)

        it("reports a descriptor that cannot be written or read", function()
            local _, message, code = sys.write(99, "x")
            assert.equal("io", code)
            assert.equal("descriptor 99: write: Bad file descriptor", message)
            _, message = sys.read_line(99)
            assert.equal("descriptor 99: read: Bad file descriptor", message)
        end)
    end)
end)
