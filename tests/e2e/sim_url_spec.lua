-- SPDX-License-Identifier: Apache-2.0
--
-- Images from URLs, fetched by this host: whole runs on the scripted board.
local image = require("jflash.image")
local scratches = require("tests.support.scratch")
local support = require("tests.e2e.support")
local web = require("tests.support.web")

local scratch, server, content, digest

setup(function()
    scratch = scratches.new()
    content = support.shell("head -c 4894381 /dev/urandom") -- does not compress
    digest = image.sha256(content)
    server = web.faulty(scratch, content)
end)

teardown(function()
    server:close()
    scratch:close()
end)

-- Each test has URLs of its own, and so no cached copy but its own.
local count = 0

local function url(query)
    count = count + 1
    return ("%s/disk-%d.img?%s"):format(server.url, count, query or "")
end

-- Still on its way when the board begins to write.
local SLOW = "pace=0.015"

local function new_bench(options, config)
    local bench = support.bench(options, config)
    bench.content = content
    return bench
end

local function requests_for(place)
    local path = place:match("//[^/]+(.*)$")
    local found = {}
    for _, request in ipairs(server:requests()) do
        if request.path == path then
            table.insert(found, request)
        end
    end
    return found
end

-- Runs jflash with a URL whose bytes behind the first `hold` come when the board is
-- about to be written. `place` is made of the query that this gives.
local function flash_gated(bench, hold, place, args)
    local gate = bench:path("gate")
    return bench:run_recipe(([[
        recipe:after("preflash", function() assert(io.open(%q, "w")):close() end)
    ]]):format(gate), { place(("gate=%s&hold=%d"):format(gate, hold)), table.unpack(args or {}) })
end

local function cached(bench, folder)
    return support.shell(("ls -A '%s/.cache/jflash/%s'"):format(bench.dir, folder))
end

describe("an image from a URL", function()
    it("is flashed while it arrives, and kept", function()
        local bench <close> = new_bench()
        local place = url(SLOW)
        local result = bench:flash({ place })
        bench:assert_result(result, { status = 0, storage = "flashed", cycles = 1,
            says = { "flashed and verified", "still arrives: it is written as it comes",
                "all here, sha256:" .. digest }, never = { "pace" } })
        assert.equal(1, #requests_for(place))
        assert.equal(digest .. "\n", cached(bench, "blobs"))
        assert.equal("", cached(bench, "partial"))
        assert.matches("^jflash/%d", requests_for(place)[1].headers["User-Agent"])

        -- Not changed: not fetched. Its digest given: the server is not even asked.
        bench:assert_result(bench:flash({ place }), { status = 0, storage = "flashed", cycles = 2,
            says = "not changed at the server" })
        assert.equal('"one"', requests_for(place)[2].headers["If-None-Match"])
        bench:assert_result(bench:flash({ "--os-image-checksum", digest, place }), { status = 0,
            storage = "flashed", says = "in the cache by its digest" })
        assert.equal(2, #requests_for(place))
    end)

    for _, suffix in ipairs({ "gz", "zst" }) do
        it("may be compressed, whatever its name says: " .. suffix, function()
            local bench <close> = new_bench()
            local packed <close> = web.faulty(scratch, support.read(bench:image("disk.img." .. suffix)))
            local result = bench:flash({ packed.url .. "/disk.img?x=.bz2&" .. SLOW })
            bench:assert_result(result, { status = 0, storage = "flashed", says = "flashed and verified" })
        end)
    end

    it("that is cut in the middle of the write goes on where it was", function()
        local bench <close> = new_bench({}, { retries = 2 })
        local place = url("cut=2000000&cuts=1&" .. SLOW)
        bench:assert_result(bench:flash({ place }), { status = 0, storage = "flashed", cycles = 1 })
        assert.equal("bytes=2000000-", requests_for(place)[2].headers.Range)
    end)

    it("that changes in the middle of the write is fetched and written anew", function()
        local bench <close> = new_bench({}, { retries = 1 })
        local place = url("cut=3000000&cuts=1&change=2&" .. SLOW)
        bench.content = content:sub(1, 4096):gsub(".", function(char)
            return string.char(char:byte() ~ 0x55)
        end) .. content:sub(4097)
        bench:assert_result(bench:flash({ place }), { status = 0, storage = "flashed", cycles = 1,
            says = "changed at the server" })
        assert.equal(3, #requests_for(place))
    end)

    it("that changes before the write is fetched anew", function()
        local bench <close> = new_bench({}, { retries = 1 })
        bench.content = content:sub(1, 4096):gsub(".", function(char)
            return string.char(char:byte() ~ 0x55)
        end) .. content:sub(4097)
        local result = bench:run_recipe([[
            recipe:before("preflash", function(dut)
                dut.image.fetched.download:wait()
            end)
        ]], { url("cut=3000000&cuts=1&change=2"), "--retries", "1" })
        bench:assert_result(result, { status = 0, storage = "flashed", cycles = 1, says = "changed at the server" })
    end)

    it("that is cut and does not come back fails the write, not the board", function()
        local bench <close> = new_bench()
        local result = flash_gated(bench, 1000000, function(query) return url("cut=2000000&" .. query) end)
        bench:assert_result(result, { status = 3, step = "write", cycles = 1 })
    end)

    it("is written again from what is here when the board's download fails", function()
        local cut = { kind = "connection", action = "cut", after_bytes = 1 << 20, times = 1, match = "/image" }
        local bench <close> = new_bench({ faults = { cut } }, { retries = 1 })
        local place = url(SLOW)
        bench:assert_result(bench:flash({ place }), { status = 0, storage = "flashed", cycles = 1 })
        assert.equal(1, #requests_for(place))
    end)

    it("may be named behind a target", function()
        local bench <close> = new_bench()
        bench:assert_result(bench:flash({ "-t", "disk:" .. url(SLOW) }), { status = 0, storage = "flashed" })
    end)

    it("is fetched anew when the copy in the cache is damaged", function()
        local bench <close> = new_bench()
        local place = url()
        bench:assert_result(bench:flash({ place }), { status = 0, storage = "flashed" })
        support.shell(("printf damaged | dd of='%s/.cache/jflash/blobs/%s' bs=1 seek=4000000 conv=notrunc")
            :format(bench.dir, digest))
        bench:assert_result(bench:flash({ place }), { status = 0, storage = "flashed",
            says = "copy in the cache is damaged" })
    end)

    it("is kept nowhere when the cache is turned off", function()
        local bench <close> = new_bench({}, { cache_limit = 0 })
        bench:assert_result(bench:flash({ url(SLOW) }), { status = 0, storage = "flashed" })
        assert.equal("", support.shell(("find '%s' -name 'fetched-*' -o -name .cache"):format(bench.dir)))
    end)

    it("is resumed by a later run after a run was killed", function()
        local bench <close> = new_bench()
        local place = url("hang=2500000&cuts=1")
        local run = bench:start_flash({ place })
        run:wait_said("write")
        run:wait_until("the bytes", function()
            local command = ("stat -c %%s '%s'/.cache/jflash/partial/*[0-9a-f]"):format(bench.dir)
            return support.shell(command):find("^2500000")
        end)
        run:kill(9)
        run:wait()
        bench:assert_result(bench:flash({ place }), { status = 0, storage = "flashed",
            says = "were here already" })
        assert.equal("bytes=2500000-", requests_for(place)[2].headers.Range)
        assert.equal("", cached(bench, "partial"))
    end)

    it("is fetched once by two runs side by side", function()
        local one <close> = new_bench()
        local two <close> = new_bench()
        two.config.cache_dir = one.dir .. "/.cache/jflash"
        local place = url(SLOW)
        local first = one:start_flash({ place })
        first:wait_said("image http")
        local second = two:start_flash({ place })
        one:assert_result(first:wait(), { status = 0, storage = "flashed" })
        two:assert_result(second:wait(), { status = 0, storage = "flashed", says = "fetched by another run" })
        assert.equal(2, #requests_for(place)) -- the second asks whether it has changed
        assert.equal('"one"', requests_for(place)[2].headers["If-None-Match"])
    end)
end)

describe("a URL that gives no image", function()
    local rows = {
        { "a server that is not there", function() return "http://127.0.0.1:1/x?token" end, status = 3,
            says = "Connection refused", within_s = 8 },
        { "one that is not found", function() return url("status=404") end, status = 3, says = "404" },
        { "one that needs credentials", function() return url("status=401") end, status = 3, says = "--bearer-file" },
        { "one that fails", function() return url("status=500") end, status = 3, says = "500" },
        { "a web page", function()
            return "page"
        end, status = 6, says = "a web page" },
        { "an empty file", function() return url("empty=1") end, status = 6, says = "empty" },
        { "a malformed URL", function() return "http://" end, status = 3, says = "malformed" },
    }
    for _, row in ipairs(rows) do
        it("is an error before the power is touched: " .. row[1], function()
            local bench <close> = new_bench()
            local place, page = row[2](), nil
            if place == "page" then
                page = web.faulty(scratch, "<!DOCTYPE html><html><body>Not here</body></html>")
                place = page.url .. "/disk.img"
            end
            local result = bench:flash({ place })
            bench:assert_result(result, { status = row.status, step = "prove_source", cycles = 0,
                storage = "untouched", says = row.says, never = { "token" } })
            assert.is_true(result.elapsed_s < (row.within_s or 15))
            if page then
                page:close()
            end
        end)
    end

    it("with the digest that it must have is refused before the first write", function()
        local bench <close> = new_bench()
        local wrong = ("0"):rep(64)
        bench:assert_result(bench:flash({ "--os-image-checksum", wrong, url(SLOW) }), { status = 3,
            step = "preflash", cycles = 1, storage = "untouched", says = { digest, wrong } })
        support.write(bench:path("SHA256"), digest:upper() .. "  disk.img\n")
        bench:assert_result(bench:flash({ "--os-image-checksum-file", "SHA256", url(SLOW) }), { status = 0,
            storage = "flashed" })
    end)

    it("with damaged data is the image's fault", function()
        local bench <close> = new_bench()
        local packed = support.read(bench:image("disk.img.gz"))
        local half = #packed * 3 // 4
        packed = packed:sub(1, half) .. string.char(packed:byte(half + 1) ~ 0x55) .. packed:sub(half + 2)
        local damaged <close> = web.faulty(scratch, packed)
        bench:assert_result(bench:flash({ damaged.url .. "/disk.img?" .. SLOW }), { status = 6 })
    end)

    it("larger than the device is refused, or fails the write", function()
        local bench <close> = new_bench({ storage_bytes = 1 << 20 })
        bench:assert_result(bench:flash({ url(SLOW) }), { status = 6, step = "preflash", storage = "untouched" })
        -- Behind its beginning, which is looked at, there is enough that still arrives.
        bench:image("big.img.gz", support.shell("head -c 9000000 /dev/urandom"))
        local packed <close> = web.faulty(scratch, support.read(bench:path("big.img.gz")))
        local result = flash_gated(bench, 5000000, function(query) return packed.url .. "/disk.img?" .. query end)
        bench:assert_result(result, { status = 6, step = "write", message = "does not fit" })
    end)
end)

-- A small file system at `path`, seen by the program alone.
local function small_disk(path)
    local within = ("unshare -Urm sh -c 'mount -t tmpfs -o size=2m none \"%s\" && exec \"$0\" \"$@\"'"):format(path)
    support.shell(("mkdir -p '%s'"):format(path))
    return os.execute(within:gsub("exec.*", "true'") .. " 2>&-") and within
end

describe("a full disk", function()
    it("is told before the power is touched, or fails the run when it comes", function()
        local bench <close> = new_bench()
        bench.config.cache_dir = bench:path("small")
        local within = small_disk(bench.config.cache_dir)
        if not within then
            return pending("no file system of one's own can be mounted here")
        end
        bench:assert_result(bench:flash({ url() }, { within = within }), { status = 4, step = "prove_source",
            cycles = 0, message = { bench.config.cache_dir, "bytes are needed, " }, hint = "cache_dir" })
        bench:assert_result(bench:flash({ url("nolength=1&" .. SLOW) }, { within = within }), { status = 4,
            message = "No space left on device" })
    end)
end)

describe("secrets", function()
    local SECRETS = { "swordfish-1", "swordfish-2", "swordfish-3", "swordfish-4", "swordfish-5" }

    -- No file below a folder may hold one of them, but those that a test wrote itself.
    local function assert_nowhere(folder)
        for _, secret in ipairs(SECRETS) do
            local found = support.shell(("grep -rlaF '%s' '%s' | grep -v given- || :"):format(secret, folder))
            assert.equal("", found, secret)
        end
    end

    it("reach the server and nothing else", function()
        local bench <close> = new_bench()
        local env_file = bench:path("power.env")
        bench.config.power.off = ("env >'%s'; %s"):format(env_file, bench.config.power.off)
        local place = url("etag=x&signature=swordfish-1&" .. SLOW):gsub("//", "//ann:swordfish-2@")
        support.write(bench:path("given-headers"), "X-Other: swordfish-4\n")
        local run = bench:start_flash({ "--header", "X-Key: swordfish-3", "--header", "@given-headers", place },
            { env = { JFLASH_BEARER = "swordfish-5" } })
        run:wait_said("image http")
        local cmdline = support.read(("/proc/%d/cmdline"):format(run:pid()))
        assert.is_nil(cmdline:find("swordfish", 1, true), cmdline)
        bench:assert_result(run:wait(), { status = 0, storage = "flashed", never = { "swordfish" } })
        local headers = requests_for((place:gsub("ann:.*@", "")))[1].headers
        assert.equal("swordfish-3", headers["X-Key"])
        assert.equal("swordfish-4", headers["X-Other"])
        assert.equal("Bearer swordfish-5", headers.Authorization)
        assert.is_nil(support.read(env_file):find("swordfish", 1, true))
        assert_nowhere(bench.dir)
        assert_nowhere(bench.board.dir)
    end)

    it("are checked before anything else happens", function()
        local bench <close> = new_bench()
        for _, args in ipairs({ { "--bearer", "a swordfish-1" }, { "--header", "swordfish-1" },
            { "--header", "A: swordfish-1", "--header", "a: swordfish-2" }, { "--header", "@nosuch" },
            { "--bearer-file", "nosuch" }, { "--cacert", "nosuch" }, { "--os-image-checksum-file", "nosuch" } }) do
            table.insert(args, url())
            bench:assert_result(bench:flash(args), { status = 2, cycles = 0, never = { "swordfish" } })
        end
        assert.equal("", support.shell(("find '%s' -name events.jsonl"):format(bench.dir)))
    end)
end)
