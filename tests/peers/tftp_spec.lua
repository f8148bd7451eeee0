-- SPDX-License-Identifier: Apache-2.0
--
-- The TFTP server against the clients that people have (curl, atftp, tftp-hpa,
-- busybox), through a lossy relay, and against clients that break the rules.
local support = require("tests.support.tftp")
local tftp = require("jflash.tftp")

local dir

local function same(name, data)
    local got = support.read(dir .. "/" .. name)
    return got ~= nil and got == data
end

-- A repeat is due after 4 ms on a fast line, and a busy host may hold a client up for
-- as long; but not each time.
local function without_repeat(transfer, options)
    for _ = 1, 8 do
        local server <close> = assert(tftp.serve({ port = 0, single_port = options and options.single_port }))
        if transfer(server).retransmits == 0 then
            return true
        end
    end
    return false
end

describe("jflash.tftp", function()
    before_each(function()
        dir = support.temp_dir()
    end)

    after_each(function()
        support.remove(dir)
    end)

    local CURL = "curl -sS -m 50 -o DIR/got tftp://HOST:PORT/some/name "
    local ATFTP = "atftp --get -r some/name -l DIR/got HOST PORT "
    local reads = {
        ["curl"] = CURL,
        ["curl, large blocks"] = CURL .. "--tftp-blksize 65464",
        ["curl, no options"] = CURL .. "--tftp-no-options",
        ["atftp"] = ATFTP,
        ["atftp, blksize"] = ATFTP .. '--option "blksize 1468" --option "tsize 0"',
        ["atftp, window 16"] = ATFTP .. '--option "windowsize 16" --option "blksize 1468"',
        ["atftp, window 64, timeout"] = ATFTP .. '--option "windowsize 64" --option "timeout 2"',
        ["tftp-hpa"] = "tftp -m binary HOST PORT -c get some/name DIR/got",
        ["busybox"] = "busybox tftp -g -r some/name -l DIR/got HOST PORT",
        ["busybox, blksize"] = "busybox tftp -g -b 1428 -r /some/name -l DIR/got HOST PORT",
    }

    for title, command in pairs(reads) do
        for _, single_port in ipairs({ false, true }) do
            it("serves " .. title .. (single_port and " from one port" or ""), function()
                local server <close> = assert(tftp.serve({ port = 0, single_port = single_port }))
                for _, size in ipairs({ 0, 1, 512, 1468, 65464, 1000003 }) do
                    local data = support.random_bytes(size)
                    support.write(dir .. "/data", data)
                    assert.is_true(server:add("some/name", { file = dir .. "/data" }))
                    local ok, output = support.client(server, dir, command)
                    assert.is_true(ok, output)
                    assert.is_true(same("got", data), size .. " bytes: " .. output)
                    local transfer = assert(server:wait("some/name", { timeout_s = 10 }))
                    assert.equal("done", transfer.state)
                    assert.equal(size, transfer.bytes)
                    assert.equal(size, transfer.total)
                    assert.equal("read", transfer.direction)
                    assert.is_truthy(transfer.client:match("^127%.0%.0%.1:%d+$"))
                    os.remove(dir .. "/got")
                end
            end)
        end
    end

    it("grants the options that were asked for", function()
        assert.is_true(without_repeat(function(server)
            server:add("some/name", { bytes = support.random_bytes(100000) })
            assert.is_true((support.client(server, dir, reads["atftp, window 16"])))
            local transfer = assert(server:wait("some/name", { timeout_s = 10 }))
            assert.equal(16, transfer.windowsize)
            assert.equal(1468, transfer.blksize)
            return transfer
        end))
    end)

    it("limits block size and window as told", function()
        local server <close> = assert(tftp.serve({ port = 0, max_blksize = 1000, max_windowsize = 4 }))
        server:add("small", { bytes = "x" })
        assert.same({
            "OACK blksize 1000", "OACK blksize 1000 tsize 1", "OACK timeout 3 windowsize 4",
            "DATA 1 1", "ERROR 8 blksize must be at least 8",
            "ERROR 8 windowsize must be at least 1", "DATA 1 1",
        }, support.probe(server, "options"))
    end)

    it("serves netascii to tftp-hpa", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        local text = ("line\nCR \r alone, pair \r\n"):rep(5000) .. "\r"
        server:add("text", { bytes = text })
        local ok, output = support.client(server, dir, "tftp -m ascii HOST PORT -c get text DIR/got")
        assert.is_true(ok, output)
        assert.is_true(same("got", text))
        assert.equal(#text, server:wait("text", { timeout_s = 10 }).bytes)
    end)

    it("rolls the block number over", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        assert(os.execute("head -c 40000000 /dev/urandom > " .. dir .. "/data"))
        server:add("some/name", { file = dir .. "/data" })
        for _, client in ipairs({ "atftp", "atftp, window 64, timeout" }) do
            local ok, output = support.client(server, dir, reads[client])
            assert.is_true(ok, output)
            assert.is_true((support.run(("cmp %s/data %s/got"):format(dir, dir))))
            assert.equal(512, server:wait("some/name", { timeout_s = 10 }).blksize)
        end
    end)

    local WEATHER = {
        { loss = 0.05, doubling = 0, reorder = 0 },
        { loss = 0, doubling = 1, reorder = 0 },
        { loss = 0.02, doubling = 0.1, reorder = 0.1 },
    }
    for i, weather in ipairs(WEATHER) do
        for _, client in ipairs({ "curl", "atftp", "atftp, window 16", "busybox" }) do
            it(("gets through weather %d to %s"):format(i, client), function()
                local server <close> = assert(tftp.serve({ port = 0 }))
                local relay <close> = support.relay(server, weather, i)
                local data = support.random_bytes(150000)
                server:add("some/name", { bytes = data })
                local ok, output = support.client(server, dir, (reads[client]:gsub("PORT", relay.port)))
                assert.is_true(ok, output)
                assert.is_true(same("got", data))
            end)
        end
    end

    it("serves a hundred clients at once", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        local data = support.random_bytes(200000)
        server:add("some/name", { bytes = data })
        support.write(dir .. "/data", data)
        local one = "(" .. CURL:gsub("got", "got$i") .. "--tftp-blksize 1468;"
            .. " cmp DIR/data DIR/got$i || echo bad $i) & "
        local ok, output = support.client(server, dir, "for i in $(seq 100); do " .. one .. "done; wait")
        assert.is_true(ok)
        assert.equal("", output)
        local done = 0
        for _, transfer in ipairs(server:transfers()) do
            done = done + (transfer.state == "done" and 1 or 0)
        end
        assert.equal(100, done)
    end)

    it("knows registered names only", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        server:add("a", { bytes = "x" })
        for _, name in ipairs({ "b", "../a", "a/", "a/../a", "A", "", "%2e%2e/etc/passwd" }) do
            local ok, output = support.client(server, dir,
                "busybox tftp -g -r \"" .. name .. "\" -l DIR/got HOST PORT")
            assert.is_false(ok)
            if name ~= "" then
                local text = "server error: %(1%) file " .. name:gsub("%p", "%%%0") .. " not found"
                assert.is_truthy(output:match(text), output)
            end
        end
        assert.equal(0, #server:transfers())
        assert.is_true(server:requests() >= 6)
        assert.is_true(server:remove("a"))
        assert.is_false(server:remove("a"))
        assert.is_false((support.client(server, dir, "busybox tftp -g -r a -l DIR/got HOST PORT")))
    end)

    it("tells a file that cannot be opened, and one that changed", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        local ok, message, code = server:add("x", { file = dir .. "/none" })
        assert.is_nil(ok)
        assert.equal("io", code)
        assert.equal("open " .. dir .. "/none: No such file or directory", message)
        assert.equal("unsupported", select(3, server:add("x", { file = dir })))
        support.write(dir .. "/data", "before")
        assert.is_true(server:add("some/name", { file = dir .. "/data" }))
        support.write(dir .. "/data", "afterwards")
        local good, output = support.client(server, dir, reads.busybox)
        assert.is_false(good)
        assert.is_truthy(output:match("file some/name changed on the server"))
    end)

    it("says who has the port, or that it may not be had", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        local other, message, code, errno = tftp.serve({ port = server:port() })
        assert.is_nil(other)
        assert.equal("io", code)
        assert.equal("EADDRINUSE", errno)
        assert.equal(("tftp: bind 127.0.0.1:%d: Address already in use"):format(server:port()), message)
        assert.equal("EADDRNOTAVAIL", select(4, tftp.serve({ host = "192.0.2.77", port = 0 })))
        assert.equal("unsupported", select(3, tftp.serve({ host = "localhost", port = 0 })))
    end)

    local WRITES = {
        ["curl"] = "curl -sS -m 50 -T DIR/data tftp://HOST:PORT/up",
        ["atftp"] = "atftp --put -r up -l DIR/data HOST PORT",
        ["atftp, options"] = 'atftp --put --option "blksize 1468" --option "tsize 0"'
            .. " -r up -l DIR/data HOST PORT",
        ["tftp-hpa"] = "tftp -m binary HOST PORT -c put DIR/data up",
        ["busybox"] = "busybox tftp -p -b 1000 -r up -l DIR/data HOST PORT",
    }
    for title, command in pairs(WRITES) do
        it("receives a file from " .. title, function()
            local server <close> = assert(tftp.serve({ port = 0, receive = true }))
            for _, size in ipairs({ 1, 1024, 100000 }) do
                local data = support.random_bytes(size)
                support.write(dir .. "/data", data)
                assert.is_true(server:receive("up", { file = dir .. "/in", limit_bytes = 100000 }))
                local ok, output = support.client(server, dir, command)
                assert.is_true(ok, output)
                local transfer = assert(server:wait("up", { timeout_s = 10 }))
                assert.equal("done", transfer.state, transfer.error)
                assert.equal("write", transfer.direction)
                assert.equal(size, transfer.bytes)
                assert.is_true(same("in", data))
                local _, sum = support.run("sha256sum " .. dir .. "/data")
                assert.equal(sum:match("^%x+"), transfer.sha256)
                -- Once only: the name is used up.
                assert.is_false((support.client(server, dir, WRITES.busybox)))
                os.remove(dir .. "/in")
            end
        end)
    end

    it("receives netascii", function()
        local server <close> = assert(tftp.serve({ port = 0, receive = true }))
        local text = ("line\nCR \r alone, pair \r\n"):rep(500) .. "\r"
        support.write(dir .. "/data", text)
        assert.is_true(server:receive("up", { file = dir .. "/in", limit_bytes = 100000 }))
        assert.is_true((support.client(server, dir, "tftp -m ascii HOST PORT -c put DIR/data up")))
        assert.equal("done", server:wait("up", { timeout_s = 10 }).state)
        assert.is_true(same("in", text))
    end)

    it("receives through bad weather", function()
        local server <close> = assert(tftp.serve({ port = 0, receive = true }))
        local relay <close> = support.relay(server, { loss = 0.02, doubling = 0.2, reorder = 0.1 }, 3)
        local data = support.random_bytes(100000)
        support.write(dir .. "/data", data)
        assert.is_true(server:receive("up", { file = dir .. "/in", limit_bytes = 100000 }))
        local ok, output = support.client(server, dir, (WRITES.curl:gsub("PORT", relay.port)))
        assert.is_true(ok, output)
        assert.equal("done", server:wait("up", { timeout_s = 10 }).state)
        assert.is_true(same("in", data))
    end)

    it("refuses what may not be written, and keeps nothing of what is too large", function()
        local server <close> = assert(tftp.serve({ port = 0, receive = true }))
        local closed <close> = assert(tftp.serve({ port = 0 }))
        assert.equal("unsupported", select(3, closed:receive("up", { file = "x", limit_bytes = 1 })))
        support.write(dir .. "/data", support.random_bytes(5000))
        server:add("readable", { bytes = "x" })
        server:receive("up", { file = dir .. "/in", limit_bytes = 4999 })
        for name, text in pairs({ readable = "(2)", unknown = "(2)", up = "(3)" }) do
            local put = "busybox tftp -p -r " .. name .. " -l DIR/data HOST PORT"
            local ok, output = support.client(server, dir, put)
            assert.is_false(ok)
            assert.is_truthy(output:find(text, 1, true), output)
        end
        local _, listing = support.run("ls " .. dir)
        assert.equal("data\n", listing)
        -- A failed write does not use the name up.
        support.write(dir .. "/data", "short")
        assert.is_true((support.client(server, dir, WRITES.curl)))
        assert.is_true(same("in", "short"))
        -- And a name to receive cannot be read.
        assert.is_false((support.client(server, dir, "busybox tftp -g -r up -l DIR/got HOST PORT")))
    end)

    it("answers from the address that was asked", function()
        for _, single_port in ipairs({ false, true }) do
            local options = { host = "0.0.0.0", port = 0, single_port = single_port }
            local server <close> = assert(tftp.serve(options))
            server:add("small", { bytes = "x" })
            for _, host in ipairs({ "127.0.0.1", "127.7.8.9" }) do
                assert.same({ host }, support.probe(server, "address", host))
            end
        end
    end)

    it("answers only the address it was told", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        server:add("a", { bytes = "x" })
        assert.equal("unsupported", select(3, server:only("board")))
        assert.is_true(server:only("127.9.9.9"))
        assert.is_false((support.client(server, dir, "curl -sS -m 1 -o DIR/got tftp://HOST:PORT/a")))
        assert.equal(0, #server:transfers())
        local stats = server:stats()
        assert.is_true(stats.requests > 0)
        assert.equal(stats.requests, stats.refused)
        assert.is_true(server:only("127.0.0.1"))
        assert.is_true((support.client(server, dir, "curl -sS -m 5 -o DIR/got tftp://HOST:PORT/a")))
        assert.is_true(server:only(nil))
    end)

    it("answers a malformed packet once at most", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        server:add("small", { bytes = "x" })
        assert.same({
            "ERROR 4 request without name or mode", "ERROR 4 request without name or mode",
            "ERROR 4 request without name or mode", "ERROR 4 mode must be octet or netascii",
            "ERROR 4 not a TFTP request", "ERROR 4 not a TFTP request",
            "ERROR 8 option value is not a number",
        }, support.probe(server, "malformed"))
        assert.equal(0, #server:transfers())
        assert.equal(10, server:stats().malformed)
    end)

    it("tells strangers that their transfer is unknown", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        local lines = support.probe(server, "strangers")
        assert.same({ "ERROR 5 no such transfer", "ERROR 5 no such transfer" }, lines)
    end)

    for _, single_port in ipairs({ false, true }) do
        local where = single_port and " from one port" or ""

        it("sends each block once though each ACK comes thrice" .. where, function()
            assert.is_true(without_repeat(function(server)
                server:add("small", { bytes = ("x"):rep(1500) })
                local lines = support.probe(server, "apprentice")
                local transfer = server:wait("small", { timeout_s = 20 })
                if transfer.retransmits == 0 then
                    assert.same({ "DATA 1 512", "DATA 2 512", "DATA 3 476" }, { table.unpack(lines, 1, 3) })
                    assert.equal(single_port and lines[4] or "more 0", lines[4])
                end
                return transfer
            end, { single_port = single_port }))
        end)

        it("takes a doubled request for one transfer" .. where, function()
            local server <close> = assert(tftp.serve({ port = 0, single_port = single_port }))
            server:add("small", { bytes = "hello" })
            assert.same({ "OACK blksize 1024", "DATA 1 5" }, support.probe(server, "repeat"))
            assert.equal(1, #server:transfers())
            assert.equal("done", server:wait("small", { timeout_s = 20 }).state)
        end)

        it("ends a transfer that the client aborts" .. where, function()
            local server <close> = assert(tftp.serve({ port = 0, single_port = single_port }))
            server:add("small", { bytes = ("x"):rep(1500) })
            assert.same({ "DATA 1 512", "more 0" }, support.probe(server, "abort"))
            local transfer = server:wait("small", { timeout_s = 20 })
            assert.equal("failed", transfer.state)
            assert.equal("the client sent error 0: no more room", transfer.error)
        end)
    end

    it("gives up on a client that vanished", function()
        local server <close> = assert(tftp.serve({ port = 0, single_port = true, retry_s = 0.5 }))
        server:add("small", { bytes = ("x"):rep(1500) })
        assert.same({ "DATA 1 512" }, support.probe(server, "vanish"))
        local transfer = server:wait("small", { timeout_s = 10 })
        assert.equal("failed", transfer.state)
        assert.is_truthy(transfer.error:match("^no answer for %d+%.%d s, after 0 of 1500 bytes$"))
    end)

    it("notices at once that a client's port is closed", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        server:add("small", { bytes = ("x"):rep(1500) })
        support.probe(server, "vanish")
        local transfer = server:wait("small", { timeout_s = 20 })
        assert.equal("failed", transfer.state)
        assert.is_truthy(transfer.error:match("closed its port"))
    end)

    it("waits no longer than told", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        local transfer, message, code = server:wait("none", { timeout_s = 0.05 })
        assert.is_nil(transfer)
        assert.equal("timeout", code)
        assert.equal("tftp: wait for none: timeout", message)
    end)

    it("stops in the middle of transfers", function()
        local server = assert(tftp.serve({ port = 0 }))
        server:add("some/name", { bytes = support.random_bytes(30000000) })
        local command = "for i in 1 2 3; do curl -m 30 -o /dev/null tftp://127.0.0.1:%d/some/name & done;"
        local pipe = assert(io.popen("(" .. command:format(server:port()) .. " wait) 2>&1"))
        local moved = 0
        while moved < 3 do
            moved = 0
            for _, transfer in ipairs(server:transfers()) do
                moved = moved + (transfer.bytes > 0 and 1 or 0)
            end
        end
        server:close()
        server:close()
        pipe:read("a") -- the clients end, long before their own time limit
        pipe:close()
        assert.has_error(function() server:port() end, "the TFTP server is closed")
    end)

    it("raises on misuse", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        assert.has_error(function() tftp.serve({ ports = 1 }) end)
        assert.has_error(function() tftp.serve({ port = 65536 }) end)
        assert.has_error(function() tftp.serve({ max_windowsize = 0 }) end)
        assert.has_error(function() tftp.serve({ max_blksize = 7 }) end)
        assert.has_error(function() tftp.serve({ retry_s = 0 }) end)
        assert.has_error(function() server:add("a", {}) end)
        assert.has_error(function() server:add("./", { bytes = "x" }) end)
        assert.has_error(function() server:add("a", { bytes = "x", file = "y" }) end)
        assert.has_error(function() server:receive("a", { file = "x" }) end)
        assert.equal("limit", select(3, server:add(("x"):rep(256), { bytes = "x" })))
    end)
end)
