-- SPDX-License-Identifier: Apache-2.0
--
-- Downloads from nginx, and from a server that misbehaves.
local download = require("jflash.download")
local image = require("jflash.image")
local job = require("jflash.job")
local scratches = require("tests.support.scratch")
local web = require("tests.support.web")

local PATIENCE = { timeout_s = 30 }
local MIB = 1024 * 1024

-- Every byte tells its place, roughly.
local function pattern(size_bytes)
    local lines = {}
    for i = 1, size_bytes // 16 + 1 do
        lines[i] = ("%015d\n"):format(i)
    end
    return table.concat(lines):sub(1, size_bytes)
end

local CONTENT = pattern(MIB + 77)
local DIGEST = image.sha256(CONTENT)

local scratch

-- A download with short patience, into "out".
local function start(url, options)
    local all = { url = url, name = "the image", file = scratch:file("out"), backoff_s = 0.01,
        connect_timeout_s = 5, stall_timeout_s = 5 }
    for key, value in pairs(options or {}) do
        all[key] = value
    end
    return assert(download.start(all))
end

-- Its result; what it left in the file must be what it says.
local function fetched(url, options)
    local it <close> = start(url, options)
    local result = assert(it:wait(PATIENCE))
    assert.equal(image.sha256(scratch:read("out")), result.sha256)
    assert.equal(#scratch:read("out"), result.bytes)
    return result, it:progress()
end

local function failed(url, options)
    local it <close> = start(url, options)
    local result, message, code = it:wait(PATIENCE)
    assert.is_nil(result)
    local failure = it:failure()
    assert.equal(message, failure.message)
    assert.equal(code, failure.code)
    assert.is_nil(message:find("?", 1, true), message)
    return failure, it:progress()
end

setup(function() scratch = scratches.new() end)
teardown(function() scratch:close() end)
before_each(function() os.remove(scratch:file("out")) end)

describe("from nginx", function()
    local server, secure
    setup(function()
        secure = web.nginx(scratch, { tls = true })
        os.rename(scratch:file("nginx.conf"), scratch:file("secure.conf"))
        scratch.plain = scratches.new()
        server = web.nginx(scratch.plain, { away = secure.url .. "/files/disk.img" })
        for _, one in ipairs({ scratch, scratch.plain }) do
            for _, folder in ipairs({ "files", "private", "bearer", "keyed", "norange", "slow" }) do
                one:write("www/" .. folder .. "/disk.img", CONTENT)
            end
            one:write("www/files/empty.img", "")
        end
    end)
    teardown(function()
        server:close()
        secure:close()
        scratch.plain:close()
    end)

    it("a file comes whole", function()
        local result, progress = fetched(server.url .. "/files/disk.img", { user_agent = "jflash/test" })
        assert.equal(DIGEST, result.sha256)
        assert.equal(200, result.status)
        assert.matches('^"', result.etag)
        assert.matches("GMT$", result.last_modified)
        assert.same({ bytes = #CONTENT, total = #CONTENT, retries = 0, answered = true, done = true,
            failed = false }, progress)
        assert.equal("jflash/test", server:requests(1)[1].agent)
    end)

    it("an empty file is an empty file", function()
        assert.equal(0, fetched(server.url .. "/files/empty.img").bytes)
    end)

    it("a redirect is followed, with what was given for that server", function()
        local before = #server:requests()
        local result = fetched(server.url .. "/moved/x?secret=1",
            { headers = { "X-Key: the-key" }, bearer = "the-token" })
        assert.equal(DIGEST, result.sha256)
        assert.equal(server.url .. "/files/disk.img", result.redirected_to)
        local last = server:requests(before + 2)[before + 2]
        assert.equal("Bearer the-token", last.auth)
        assert.equal("the-key", last.key)
    end)

    it("credentials and headers do not follow a redirect to another server", function()
        local url = server.url:gsub("//", "//ann:open%%20sesame@")
        local before, secure_before = #server:requests(), #secure:requests()
        local result = fetched(url .. "/away/x", { headers = { "X-Key: the-key" }, cacert = secure.cacert })
        assert.equal(DIGEST, result.sha256)
        local last = secure:requests(secure_before + 1)[secure_before + 1]
        assert.equal("", last.auth)
        assert.equal("", last.key)
        assert.matches("^Basic ", server:requests(before + 1)[before + 1].auth)
    end)

    it("redirects in a circle end", function()
        assert.matches("redirected more than 10 times", failed(server.url .. "/circle/x?secret=1").message)
    end)

    it("a redirect from https to http is refused", function()
        local failure = failed(secure.url .. "/downgrade/", { cacert = secure.cacert })
        assert.matches("from https to http", failure.message)
        assert.is_false(failure.passing)
    end)

    it("TLS is trusted by its authority, or when told to believe anything", function()
        local url = secure.url .. "/files/disk.img"
        local failure, progress = failed(url)
        assert.equal("protocol", failure.code)
        assert.matches("certificate", failure.message)
        assert.equal(0, progress.retries)
        assert.equal(DIGEST, fetched(url, { cacert = secure.cacert }).sha256)
        assert.equal(DIGEST, fetched(url, { insecure = true }).sha256)
    end)

    it("credentials open what is closed", function()
        local with_login = server.url:gsub("//", "//ann:open%%20sesame@")
        for _, row in ipairs({
            { server.url .. "/private/disk.img", 401 },
            { with_login .. "/private/disk.img" },
            { server.url .. "/bearer/disk.img", 401 },
            { server.url .. "/bearer/disk.img", bearer = "the-token" },
            { server.url .. "/bearer/disk.img", headers = { "Authorization: Bearer the-token" } },
            { server.url .. "/keyed/disk.img", 403 },
            { server.url .. "/keyed/disk.img", headers = { "X-Other: x", "X-Key: the-key" } },
        }) do
            local options = { bearer = row.bearer, headers = row.headers }
            if row[2] then
                local failure, progress = failed(row[1], options)
                assert.equal(row[2], failure.status)
                assert.is_false(failure.passing)
                assert.equal(0, progress.retries)
            else
                assert.equal(DIGEST, fetched(row[1], options).sha256)
            end
        end
    end)

    it("what is not there is not asked for again", function()
        local before = #server:requests()
        local failure = failed(server.url .. "/files/none.img?secret=1")
        assert.equal(404, failure.status)
        assert.matches("404", failure.message)
        assert.equal(before + 1, #server:requests(before + 1))
    end)

    it("what has not changed is not sent", function()
        local url = server.url .. "/files/disk.img"
        local first = fetched(url)
        for _, condition in ipairs({ { if_none_match = first.etag }, { if_modified_since = first.last_modified } }) do
            local it <close> = start(url, condition)
            local result = assert(it:wait(PATIENCE))
            assert.equal(304, result.status)
            assert.is_nil(result.sha256)
            assert.equal(0, result.bytes)
        end
        assert.equal(DIGEST, fetched(url, { if_none_match = '"other"' }).sha256)
    end)

    it("a part that is there already is kept, if it is still the same", function()
        local url = server.url .. "/files/disk.img"
        local etag = fetched(url).etag
        local beginning = ("x"):rep(1000)
        for _, row in ipairs({
            { if_range = etag, path = "/files/", bytes = "bytes=1000-", expected = beginning .. CONTENT:sub(1001) },
            { if_range = '"other"', path = "/files/", bytes = "bytes=1000-", expected = CONTENT },
            { if_range = etag, path = "/norange/", bytes = "bytes=1000-", expected = CONTENT },
        }) do
            scratch:write("out", beginning .. "and more")
            local before = #server:requests()
            fetched(server.url .. row.path .. "disk.img", { offset = 1000, if_range = row.if_range })
            assert.is_true(row.expected == scratch:read("out"))
            assert.equal(row.bytes, server:requests(before + 1)[before + 1].range)
        end
    end)

    it("a slow file can be read while it comes", function()
        local it <close> = start(server.url .. "/slow/disk.img")
        local img <close> = assert(image.open({ download = it, name = "slow" }))
        assert.equal("raw", assert(img:probe(PATIENCE)).format)
        assert.is_false(it:progress().done)
        assert.equal(#CONTENT, img:delivered_bytes())
        assert(img:prove())
        local stream <close> = assert(img:stream({ decode = false }))
        assert.equal(#CONTENT, stream:size_bytes())
        local parts = {}
        repeat
            local part = stream:read(100000, PATIENCE)
            table.insert(parts, part)
        until not part
        assert.is_true(CONTENT == table.concat(parts))
        assert.equal(DIGEST, assert(img:wait(PATIENCE)).delivered_sha256)
        assert.equal(DIGEST, assert(it:wait(PATIENCE)).sha256)
    end)

    it("an image outlives the download's own object, and closing ends both at once", function()
        local it = start(server.url .. "/slow/disk.img")
        local img = assert(image.open({ download = it, name = "slow" }))
        it:close()
        assert(img:probe(PATIENCE))
        assert(img:prove())
        local started = job.now()
        img:close()
        assert.is_true(job.now() - started < 2)
        assert.has_error(function() it:wait() end)
    end)

    it("a limit is kept", function()
        assert.equal("limit", failed(server.url .. "/files/disk.img", { limit_bytes = 1000 }).code)
        fetched(server.url .. "/files/disk.img", { limit_bytes = #CONTENT })
    end)
end)

describe("from a server that misbehaves", function()
    local server
    setup(function() server = web.faulty(scratch, CONTENT) end)
    teardown(function() server:close() end)

    local function at(query)
        return ("%s/%s?%s"):format(server.url, scratch.path:match("[^/]+$"), query)
    end

    -- The ranges that were asked for.
    local function ranges(from)
        local found = {}
        for index = from + 1, #server:requests() do
            table.insert(found, server:requests()[index].headers.Range or "all")
        end
        return found
    end

    it("a cut is continued where it was", function()
        local before = #server:requests()
        local result, progress = fetched(at("cut=400000&a"))
        assert.equal(DIGEST, result.sha256)
        assert.same({ "all", "bytes=400000-", "bytes=800000-" }, ranges(before))
        assert.equal('"one"', server:requests()[before + 2].headers["If-Range"])
        assert.equal(2, progress.retries)
    end)

    it("a cut is continued by the date, or else compared from the start", function()
        local before = #server:requests()
        assert.equal(DIGEST, fetched(at("cut=700000&etag=&modified=Mon,+01+Jan+2024+00:00:00+GMT")).sha256)
        assert.equal(DIGEST, fetched(at("cut=700000&cuts=1&weak=1")).sha256)
        assert.equal(DIGEST, fetched(at("cut=700000&cuts=1&etag=")).sha256)
        assert.equal(DIGEST, fetched(at("cut=700000&cuts=1&ranges=no")).sha256)
        assert.same({ "all", "bytes=700000-", "all", "all", "all", "all", "all", "bytes=700000-" }, ranges(before))
    end)

    it("what changed in the middle is never put together", function()
        for _, query in ipairs({ "cut=400000&change=2", "cut=400000&change=2&quiet=1&ranges=no",
            "cut=400000&cuts=1&change=2&etag=&b", "cut=400000&lie=total" }) do
            local failure = failed(at(query))
            assert.matches("changed at the server", failure.message, query)
            assert.is_true(failure.changed)
            assert.is_false(failure.passing)
        end
    end)

    it("a partial answer that contradicts itself is refused", function()
        assert.matches("another part", failed(at("cut=400000&lie=first")).message)
        assert.matches("as the part", failed(at("cut=400000&lie=length")).message)
    end)

    it("one that always ends early is given up", function()
        local failure, progress = failed(at("cut=0"), { retries = 2 })
        assert.equal("closed", failure.code)
        assert.is_true(failure.passing)
        assert.equal(2, progress.retries)
        failure, progress = failed(at("lie=more"), { retries = 1 })
        assert.equal("closed", failure.code)
        assert.equal(#CONTENT, progress.bytes)
    end)

    it("without a length the end of the connection is the end", function()
        local result, progress = fetched(at("nolength=1"))
        assert.equal(DIGEST, result.sha256)
        assert.equal(#CONTENT, progress.total)
    end)

    it("one that is overloaded is asked again, as it says", function()
        local started = job.now()
        assert.equal(DIGEST, fetched(at("status=429&times=1&retry=1")).sha256)
        assert.is_true(job.now() - started >= 1)
        assert.equal(DIGEST, fetched(at("status=500&times=2")).sha256)
        local failure, progress = failed(at("status=503"), { retries = 2 })
        assert.equal(503, failure.status)
        assert.is_true(failure.passing)
        assert.equal(2, progress.retries)
        failure, progress = failed(at("status=429&retry=4000"))
        assert.equal(429, failure.status)
        assert.equal(0, progress.retries)
    end)

    it("one that falls silent is cut, and asked again", function()
        assert.equal(DIGEST, fetched(at("hang=400000&cuts=1"), { stall_timeout_s = 1 }).sha256)
        local failure = failed(at("hang=0"), { stall_timeout_s = 1, retries = 0 })
        assert.equal("timeout", failure.code)
        assert.is_true(failure.passing)
    end)

    it("a failure reaches who reads", function()
        local it <close> = start(at("cut=400000&cuts=9&change=2"))
        local img <close> = assert(image.open({ download = it, name = "changing", format = "raw" }))
        assert(img:prove())
        local result, message = img:wait(PATIENCE)
        assert.is_nil(result)
        assert.matches("changed at the server", message)
    end)

    it("an answer 304 to no such question is refused", function()
        assert.is_nil(failed(at("status=304")).passing or nil)
    end)

    it("other schemes are not followed", function()
        for _, to in ipairs({ "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/" }) do
            local failure = failed(at("to=" .. to))
            assert.matches("only http", failure.message)
        end
    end)

    it("waiting has a deadline, and can be cancelled", function()
        local it <close> = start(at("hang=1000"))
        local img <close> = assert(image.open({ download = it, name = "hanging" }))
        local _, message, code = it:wait({ timeout_s = 0.2 })
        assert.equal("timeout", code)
        assert.matches("bytes so far", message)
        assert.equal("timeout", select(3, img:probe({ timeout_s = 0.2 })))
        job.cancel()
        assert.equal("cancelled", select(3, it:wait(PATIENCE)))
        job.reset()
    end)

    it("nothing is left behind", function()
        local function once()
            local it <close> = start(at("hang=1000"))
            assert(it:answer(PATIENCE))
        end
        once()
        local descriptors, threads = scratches.usage()
        once()
        local descriptors_now, threads_now = scratches.usage()
        assert.equal(descriptors, descriptors_now)
        assert.equal(threads, threads_now)
    end)
end)

describe("a server that is not there", function()
    it("is an error at once", function()
        local started = job.now()
        local failure, progress = failed("http://127.0.0.1:1/x?secret=1")
        assert.equal("io", failure.code)
        assert.equal(0, progress.retries)
        assert.is_true(job.now() - started < 5)
    end)

    it("or a URL that is none", function()
        for _, url in ipairs({ "http://", "ftp://127.0.0.1/x", "nonsense", "http://[::1/x?secret=1" }) do
            assert.is_false(failed(url).passing)
        end
    end)
end)

describe("a file that cannot be written", function()
    it("is told by name", function()
        local result, message, code, errno = download.start({ url = "http://127.0.0.1:1/", name = "x",
            file = "/nonexistent/folder/file" })
        assert.is_nil(result)
        assert.matches("/nonexistent/folder/file", message)
        assert.equal("io", code)
        assert.equal("ENOENT", errno)
    end)
end)

describe("misuse", function()
    it("raises", function()
        local good = { url = "http://127.0.0.1:1/", name = "x", file = "/tmp/x" }
        for key, value in pairs({ url = false, name = false, file = false, offset = 5, headers = { "no colon" },
            retries = -1, stall_timeout_s = 0.1, unknown = 1 }) do
            local options = {}
            for name, default in pairs(good) do
                options[name] = default
            end
            options[key] = value or nil
            assert.has_error(function() download.start(options) end)
        end
        assert.has_error(function()
            download.start(setmetatable({ headers = { "A: b\r\nC: d" } }, { __index = good }))
        end)
        assert.has_error(function() image.open({ download = 5 }) end)
    end)
end)
