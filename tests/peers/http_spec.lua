-- SPDX-License-Identifier: Apache-2.0
--
-- The HTTP server against curl, wget and busybox wget.
local http = require("jflash.http")
local job = require("jflash.job")

local PATIENCE_S = 30
local MIB = 1024 * 1024

local folder
local server

---Starts a shell command in the test's folder; `%U` stands for the server's address.
---What this program starts inherits its blocked SIGTERM, hence KILL.
---@return file* pipe its standard output and error
local function start(command)
    local address = ("http://%s:%d"):format(server:host(), server:port())
    local line = command:gsub("%%U", address)
    return assert(io.popen(("cd %s && exec timeout -s KILL %d sh -c '%s' 2>&1"):format(folder, PATIENCE_S, line)))
end

---@return integer status, string output
local function finish(pipe)
    local output = pipe:read("a")
    local _, _, status = pipe:close()
    return status, output
end

local function run(command)
    return finish(start(command))
end

local function path(name)
    return folder .. "/" .. name
end

local function write(name, text)
    local file <close> = assert(io.open(path(name), "wb"))
    file:write(text)
    return path(name)
end

local function read(name)
    local file <close> = io.open(path(name), "rb")
    return file and file:read("a")
end

local function exists(name)
    local file <close> = io.open(path(name), "rb")
    return file ~= nil
end

---Waits until `condition` gives something true, and returns that.
local function await(condition)
    local deadline = job.now() + PATIENCE_S
    while true do
        local result = condition()
        if result then
            return result
        end
        assert(job.now() < deadline, "what was awaited did not come")
        assert(job.sleep(0.002))
    end
end

---Waits until `bytes` of `name` have passed in a transfer under way.
local function await_bytes(name, bytes)
    return await(function()
        local transfer = server:progress(name)
        return transfer and transfer.state == "active" and transfer.bytes >= bytes and transfer
    end)
end

local function wait(name)
    return assert(server:wait(name, { timeout_s = PATIENCE_S }))
end

-- Every byte tells its place, roughly.
local function pattern(size_bytes)
    local lines = {}
    for i = 1, size_bytes // 16 + 1 do
        lines[i] = ("%015d\n"):format(i)
    end
    return table.concat(lines):sub(1, size_bytes)
end

local function memory_kib()
    local status <close> = assert(io.open("/proc/self/status"))
    return tonumber(status:read("a"):match("VmRSS:%s+(%d+)"))
end

before_each(function()
    local pipe <close> = assert(io.popen("mktemp -d /tmp/jflash-test-XXXXXX"))
    folder = pipe:read("l")
    server = assert(http.serve())
end)

after_each(function()
    server:close()
    os.execute("rm -rf " .. folder)
end)

describe("a file", function()
    local content = pattern(300000)
    local place

    before_each(function()
        place = "%U" .. server:add("it", { file = write("source", content), type = "text/x-test" })
    end)

    it("reaches each client whole", function()
        for _, client in ipairs({ "curl -sS -o out", "curl -sS -0 -o out", "wget -q -O out",
            "busybox wget -q -O out" }) do
            assert.equal(0, run(client .. " " .. place), client)
            assert.equal(content, read("out"), client)
            local transfer = wait("it")
            assert.equal("done", transfer.state)
            assert.equal(200, transfer.status)
            assert.equal(#content, transfer.bytes)
            assert.equal(#content, transfer.total)
            assert.equal("GET", transfer.method)
            assert.matches("^127%.0%.0%.1:%d+$", transfer.client)
        end
    end)

    it("is described by HEAD", function()
        local status, output = run("curl -sS -I " .. place)
        assert.equal(0, status)
        assert.matches("^HTTP/1.1 200 OK\r\n", output)
        assert.matches("\r\nContent%-Length: 300000\r\n", output)
        assert.matches("\r\nContent%-Type: text/x%-test\r\n", output)
        assert.matches("\r\nAccept%-Ranges: bytes\r\n", output)
        assert.matches('\r\nETag: "[^"]+"\r\n', output)
        -- What counts for progress and wait carried content.
        assert.is_nil(server:progress("it"))
        assert.equal("HEAD", await(function()
            return server:transfers()[1]
        end).method)
    end)

    it("is served in ranges", function()
        local cases = {
            { "0-0", 206, content:sub(1, 1), "bytes 0-0/300000" },
            { "299990-", 206, content:sub(299991), "bytes 299990-299999/300000" },
            { "-10", 206, content:sub(-10), "bytes 299990-299999/300000" },
            { "100000-200000", 206, content:sub(100001, 200001), "bytes 100000-200000/300000" },
            { "299990-400000", 206, content:sub(299991), "bytes 299990-299999/300000" },
            { "300000-", 416, "", "bytes */300000" },
            { "0-1,4-5", 200, content },
            { "5-4", 200, content },
        }
        for _, case in ipairs(cases) do
            local status, headers = run(("curl -sS -D - -o out -H \"Range: bytes=%s\" %s")
                :format(case[1], place))
            assert.equal(0, status)
            assert.equal(case[2], tonumber(headers:match("^HTTP/1.1 (%d+)")), case[1])
            assert.equal(case[4], headers:match("\r\nContent%-Range: ([^\r]*)"), case[1])
            assert.equal(case[3], case[2] == 416 and "" or read("out"), case[1])
        end
        await(function()
            local list = server:transfers()
            return #list == #cases and list[#list].state == "done"
        end)
        local transfers = server:transfers()
        assert.equal(100000, transfers[4].first_byte)
        assert.equal(100001, transfers[4].total)
        assert.equal("failed", transfers[6].state)
    end)

    it("lets clients resume", function()
        for _, client in ipairs({ "curl -sS -C - -o out", "wget -q -c -O out",
            "busybox wget -q -c -O out" }) do
            write("out", content:sub(1, 123457))
            assert.equal(0, run(client .. " " .. place), client)
            assert.equal(content, read("out"), client)
            assert.equal(206, wait("it").status, client)
            assert.equal(123457, wait("it").first_byte, client)
        end
    end)

    it("honours If-Range for its own ETag only", function()
        local _, headers = run("curl -sS -I " .. place)
        local etag = headers:match("\r\nETag: ([^\r]*)")
        local cases = { { etag, 206 }, { '"another"', 200 }, { "W/" .. etag, 200 },
            { "Wed, 21 Oct 2015 07:28:00 GMT", 200 } }
        for _, case in ipairs(cases) do
            write("config", ('header = "If-Range: %s"\n'):format((case[1]:gsub('"', '\\"'))))
            local _, code = run("curl -sS -K config -r 5-9 -o out -w %{http_code} " .. place)
            assert.equal(tostring(case[2]), code, case[1])
        end
    end)

    it("has its digest as ETag when that is given", function()
        local digest = string.rep("0123456789abcdef", 4)
        local other = server:add("other", { file = path("source"), sha256 = digest })
        local _, headers = run("curl -sS -I %U" .. other)
        assert.equal('"' .. digest .. '"', headers:match("\r\nETag: ([^\r]*)"))
    end)

    it("may be empty", function()
        local empty = server:add("empty", { file = write("nothing", "") })
        for _, client in ipairs({ "curl -sS -o out", "wget -q -O out", "busybox wget -q -O out" }) do
            assert.equal(0, run(client .. " %U" .. empty), client)
            assert.equal("", read("out"))
        end
        local _, code = run("curl -sS -r 0- -o out -w %{http_code} %U" .. empty)
        assert.equal("416", code)
    end)

    it("is refused once it has changed", function()
        write("source", content:reverse())
        os.execute("touch -d 2001-01-01 " .. path("source"))
        local _, code = run("curl -sS -o out -w %{http_code} " .. place)
        assert.equal("500", code)
        local transfer = await(function()
            return server:transfers()[1]
        end)
        assert.equal("the file changed since it was registered", transfer.error)
    end)

    it("stays the one that was registered when another takes its name", function()
        write("new", "short")
        os.rename(path("new"), path("source"))
        assert.equal(0, run("curl -sS -o out " .. place))
        assert.equal(content, read("out"))
    end)

    it("may be larger than 4 GiB", function()
        os.execute(("truncate -s 5G %s && printf tail >>%s"):format(path("big"), path("big")))
        local big = server:add("big", { file = path("big") })
        local status, output = run("curl -sS -r -6 %U" .. big .. " | od -An -tx1")
        assert.equal(0, status)
        assert.equal(" 00 00 74 61 69 6c", output:match("[^\n]*"))
        local _, length = run("curl -sS -I %U" .. big .. " | tr -d \"\\r\" | grep -i content-length")
        assert.equal("Content-Length: 5368709124\n", length)
        assert.equal(5368709118, wait("big").first_byte)
    end)

    it("goes to 100 clients at once", function()
        local line = ("curl -sS --no-progress-meter -Z --parallel-max 100 --parallel-immediate "
            .. "-o out#1 \"%s?[1-100]\" && cat out* | cksum"):format(place)
        local status, output = run(line)
        assert.equal(0, status, output)
        local _, expected = run("for i in $(seq 100); do cat source; done | cksum")
        assert.equal(expected, output)
        assert.equal(100, server:requests())
    end)
end)

describe("bytes", function()
    it("are served like a file", function()
        local content = pattern(100000)
        local place = server:add("it", { bytes = content })
        assert.equal(0, run("curl -sS -o out %U" .. place))
        assert.equal(content, read("out"))
        assert.equal(0, run("curl -sS -r 50000-60000 -o out %U" .. place))
        assert.equal(content:sub(50001, 60001), read("out"))
        assert.equal(10001, wait("it").bytes)
        local _, headers = run("curl -sS -I %U" .. place)
        local _, digest = run("curl -sS %U" .. place .. " | sha256sum")
        assert.equal(digest:match("%x+"), headers:match('\r\nETag: "(%x+)"'))
    end)

    it("stay while they are sent, also when their name is removed", function()
        local content = pattern(8 * MIB)
        local place = server:add("it", { bytes = content })
        local client = start("curl -sS --limit-rate 20M -o out %U" .. place)
        await_bytes("it", 1)
        server:remove("it")
        collectgarbage()
        assert.equal(0, (finish(client)))
        assert.equal(content, read("out"))
    end)
end)

describe("a slow client", function()
    it("costs little memory", function()
        os.execute("truncate -s 256M " .. path("big"))
        local place = server:add("big", { file = path("big") })
        local before = memory_kib()
        local client = start("curl -sS --max-time 2 --limit-rate 1M -o out %U" .. place)
        local transfer = await_bytes("big", 1)
        assert.equal(256 * MIB, transfer.total)
        assert.equal(28, (finish(client)))
        assert.is_true(memory_kib() - before < 8 * 1024)
        transfer = wait("big")
        assert.equal("failed", transfer.state)
        assert.equal("the client hung up", transfer.error)
        assert.is_true(transfer.bytes < 256 * MIB)
    end)

    it("that makes no progress is dropped after the idle time", function()
        local hasty <close> = assert(http.serve({ idle_timeout_s = 1 }))
        os.execute("truncate -s 256M " .. path("big"))
        local place = hasty:add("big", { file = path("big") })
        -- It sleeps once the buffers are full.
        local client = start(("curl -sS --max-time 4 --limit-rate 1 -o out http://127.0.0.1:%d%s")
            :format(hasty:port(), place))
        local transfer = assert(hasty:wait("big", { timeout_s = 15 }))
        assert.equal("the client made no progress within the idle timeout", transfer.error)
        assert.not_equal(0, (finish(client)))
    end)
end)

describe("an upload", function()
    local content = pattern(3 * MIB)
    local place

    before_each(function()
        write("source", content)
        place = "%U" .. server:receive("it", { file = path("taken"), limit_bytes = 4 * MIB })
    end)

    local function assert_taken()
        assert.equal(content, read("taken"))
        local received = server:received("it")
        assert.equal(#content, received.bytes)
        local _, digest = run("sha256sum source")
        assert.equal(digest:match("%x+"), received.sha256)
        assert.equal("done", wait("it").state)
        assert.equal(#content, wait("it").bytes)
    end

    local clients = {
        ["curl -T"] = "curl -sSf -T source",
        ["curl -T from a pipe"] = "cat source | curl -sSf -T -",
        ["curl -T, HTTP 1.0"] = "curl -sSf -0 -T source",
        ["curl --data-binary"] = "curl -sSf --data-binary @source",
        ["curl without Expect"] = "curl -sSf -H Expect: -T source",
        ["wget --post-file"] = "wget -q -O - --post-file source",
        ["wget --method PUT"] = "wget -q -O - --method PUT --body-file source",
        ["busybox wget --post-file"] = "busybox wget -q -O - --post-file source",
    }

    for name, client in pairs(clients) do
        it("comes from " .. name, function()
            local status, output = run(client .. " " .. place)
            assert.equal(0, status, output)
            assert_taken()
            local _, mode = run("stat -c %a taken")
            assert.equal("600\n", mode)
            local _, left = run("ls")
            assert.equal("source\ntaken\n", left)
        end)
    end

    it("is taken once", function()
        assert.equal(0, run("curl -sSf -T source " .. place))
        local _, code = run("curl -sS -T source -o out -w %{http_code} " .. place)
        assert.equal("410", code)
        assert_taken()
    end)

    it("is taken from one client at a time", function()
        local slow = start("curl -sSf --limit-rate 3M -T source " .. place)
        await_bytes("it", 1)
        local _, code = run("curl -sS -T source -o out -w %{http_code} " .. place)
        assert.equal("409", code)
        assert.equal(0, (finish(slow)))
        assert_taken()
    end)

    it("that is too large is refused and leaves nothing", function()
        os.execute(("cat %s %s >%s"):format(path("source"), path("source"), path("large")))
        for _, client in ipairs({ "curl -sS -T large", "cat large | curl -sS -T -",
            "curl -sS -H Expect: -T large" }) do
            local _, code = run(client .. " -o out -w %{http_code} " .. place)
            assert.equal("413", code, client)
            local transfer = wait("it")
            assert.equal("failed", transfer.state)
            assert.equal(413, transfer.status)
            assert.equal("the upload is larger than the limit of 4194304 bytes", transfer.error)
        end
        assert.not_equal(0, (run("busybox wget -q -O - --post-file large " .. place)))
        wait("it")
        assert.is_nil(server:received("it"))
        local _, left = run("rm -f out; ls")
        assert.equal("large\nsource\n", left)
    end)

    it("is cut when far too much comes", function()
        local status = run("head -c 200000000 /dev/zero | curl -sS -T - " .. place)
        assert.not_equal(0, status)
        assert.equal("failed", wait("it").state)
        assert.is_false(exists("taken"))
    end)

    it("that is incomplete leaves nothing, and may be tried again", function()
        local status = run("curl -sS --max-time 1 --limit-rate 100k -T source " .. place)
        assert.equal(28, status)
        assert.equal("failed", wait("it").state)
        assert.equal("the client hung up", wait("it").error)
        assert.is_nil(server:received("it"))
        local _, left = run("ls")
        assert.equal("source\n", left)
        assert.equal(0, run("curl -sSf -T source " .. place))
        assert_taken()
    end)

    it("leaves nothing when the server is closed meanwhile", function()
        local client = start("curl -sS --limit-rate 1M -T source " .. place)
        await_bytes("it", 1)
        server:close()
        assert.not_equal(0, (finish(client)))
        local pipe <close> = io.popen("ls " .. folder)
        assert.equal("source\n", pipe:read("a"))
    end)

    it("is cut when its name is removed", function()
        local client = start("curl -sS --limit-rate 1M -T source " .. place)
        await_bytes("it", 1)
        server:remove("it")
        assert.not_equal(0, (finish(client)))
        local _, left = run("ls")
        assert.equal("source\n", left)
    end)

    it("may be empty", function()
        write("nothing", "")
        assert.equal(0, run("curl -sSf -T nothing " .. place))
        assert.equal("", read("taken"))
        assert.equal(0, server:received("it").bytes)
    end)

    it("fails when the file cannot be made", function()
        local lost = "%U" .. server:receive("lost", { file = path("no/such"), limit_bytes = 4 * MIB })
        local _, code = run("curl -sS -T source -o out -w %{http_code} " .. lost)
        assert.equal("500", code)
        assert.matches("no/such.*No such file", wait("lost").error)
    end)
end)

describe("what is not registered", function()
    it("is not found", function()
        local place = server:add("it", { bytes = "secret" })
        local token = place:match("^/(%x+)/")
        local cases = { "/", "", "/it", "/" .. token, "/" .. token .. "/", "/" .. token .. "/other",
            "/" .. token .. "/it/", "//" .. token .. "/it", "/" .. token:reverse() .. "/it",
            "/" .. token:upper():gsub("%d", "A") .. "/it", "/" .. token .. "/../it",
            "/" .. token .. "it", "/" .. token .. "/%2e%2e/etc/passwd", "/" .. token .. "/it%00" }
        for _, case in ipairs(cases) do
            local _, output = run("curl -sS --path-as-is -w %{http_code} \"%U" .. case:gsub("%%", "%%%%") .. "\"")
            assert.equal("404", output, case)
        end
        assert.equal(#cases, server:requests())
        assert.same({}, server:transfers())
    end)

    it("is not taken either", function()
        write("source", "x")
        local _, code = run("curl -sS -T source -o out -w %{http_code} %U/up")
        assert.equal("404", code)
    end)

    it("is not found after it was removed", function()
        local place = server:add("it", { bytes = "x" })
        server:remove("it")
        local _, code = run("curl -sS -o out -w %{http_code} %U" .. place)
        assert.equal("404", code)
    end)
end)

describe("the server", function()
    it("refuses methods that do not fit the name", function()
        local down = server:add("down", { bytes = "x" })
        local up = server:receive("up", { file = path("up"), limit_bytes = 10 })
        local cases = { { "-X DELETE", down, "GET, HEAD" }, { "-d x", down, "GET, HEAD" },
            { "-X OPTIONS", down, "GET, HEAD" }, { "", up, "PUT, POST" }, { "-I", up, "PUT, POST" } }
        for _, case in ipairs(cases) do
            local _, output = run("curl -sS -D - -o out " .. case[1] .. " %U" .. case[2])
            assert.matches("^HTTP/1.1 405 ", output)
            assert.equal(case[3], output:match("\r\nAllow: ([^\r]*)"))
        end
        assert.is_nil(server:progress("down"))
    end)

    it("answers only the client it is told to", function()
        local place = server:add("it", { bytes = "x" })
        local function code()
            local _, text = run("curl -sS -o out -w %{http_code} %U" .. place)
            return text
        end
        server:only("192.0.2.77")
        assert.equal("403", code())
        server:only("127.0.0.1")
        assert.equal("200", code())
        server:only("192.0.2.77")
        server:only(nil)
        assert.equal("200", code())
        assert.equal(3, server:requests())
    end)

    it("keeps connections alive", function()
        local place = server:add("it", { bytes = "x" })
        local status, output = run(("curl -sS -v -o out %%U%s -o out %%U%s"):format(place, place))
        assert.equal(0, status)
        assert.matches("Re%-using existing connection", output)
    end)

    it("remembers the latest 256 transfers", function()
        local place = server:add("it", { bytes = "x" })
        assert.equal(0, run(("curl -sS -o out \"%%U%s?[1-300]\""):format(place)))
        wait("it")
        assert.equal(256, #server:transfers())
        assert.equal(300, server:requests())
    end)

    it("can be closed while clients are served", function()
        os.execute("truncate -s 256M " .. path("big"))
        local place = server:add("big", { file = path("big") })
        local clients = {}
        for i = 1, 5 do
            clients[i] = start("curl -sS --limit-rate 50M -o /dev/null %U" .. place)
        end
        await(function()
            return server:requests() == 5
        end)
        server:close()
        for _, client in ipairs(clients) do
            assert.not_equal(0, (finish(client)))
        end
    end)

    it("survives what is no HTTP", function()
        local place = server:add("it", { bytes = "x" })
        local port = server:port()
        for _, text in ipairs({ "\\r\\n\\r\\n", "nonsense\\r\\n\\r\\n", "GET\\r\\n\\r\\n",
            "GET / HTTP/9.9\\r\\n\\r\\n", "PUT / HTTP/1.1\\r\\nContent-Length: -5\\r\\n\\r\\n",
            "PUT / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n" }) do
            run(("printf \"%s\" | socat -t 1 - TCP:127.0.0.1:%d"):format(text, port))
        end
        run(("head -c 1000000 /dev/zero | socat -t 1 - TCP:127.0.0.1:%d"):format(port))
        assert.equal(0, run("curl -sSf -o out %U" .. place))
    end)
end)
