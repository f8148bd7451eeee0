-- SPDX-License-Identifier: Apache-2.0
--
-- The cache of fetched contents: what it keeps, gives back, throws away.
local caches = require("jflash.cache")
local errors = require("jflash.errors")
local image = require("jflash.image")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local URL = "https://example.org/disk.img?token=swordfish"

local scratch, cache

local function open(limit)
    return caches.open({ cache_dir = scratch:file("cache"), cache_limit = limit or 1 << 30 })
end

before_each(function()
    scratch = scratches.new()
    cache = open()
end)
after_each(function() scratch:close() end)

-- Brings a content into the cache as a fetch does, and lets it go.
local function keep(url, bytes, etag)
    local claim = cache:claim(url, "it", error)
    scratch:write("content", bytes)
    assert(sys.rename(scratch:file("content"), claim.path))
    local digest = image.sha256(bytes)
    local blob = claim:store({ sha256 = digest, bytes = #bytes, etag = etag })
    claim:close()
    blob:close()
    return digest
end

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

local function names(folder)
    return assert(sys.list(cache.path .. "/" .. folder))
end

-- Lets a blob look as if it had been used so many seconds ago.
local function age(digest, seconds)
    scratch:sh(("touch -d '-%d seconds' cache/used/%s"):format(seconds, digest))
end

it("is off with a limit of 0", function()
    assert.is_nil(open(0))
end)

it("gives back a content by its digest and by its URL", function()
    local digest = keep(URL, "content", '"one"')
    local by_digest <close> = assert(cache:find(digest))
    assert.equal("content", read(by_digest.path))
    local blob, state = cache:recall(URL)
    assert.equal(digest, blob.sha256)
    assert.equal('"one"', state.etag)
    blob:close()
    blob = assert(cache:recall(URL .. "#fragment"))
    blob:close()
    assert.is_nil(cache:recall(URL .. "x"))
    assert.is_nil(cache:find(("0"):rep(64)))
end)

it("does not write URLs down", function()
    keep(URL, "content", '"one"')
    scratch:sh("! grep -r -e swordfish -e example cache && ! find cache | grep -e swordfish -e example")
end)

it("can be entered by its owner alone", function()
    assert.equal(448, sys.stat(cache.path).mode) -- 0700
end)

it("keeps one copy of what two URLs give", function()
    local digest = keep(URL, "content")
    assert.equal(digest, keep(URL .. "2", "content"))
    assert.same({ digest }, names("blobs"))
    for _, url in ipairs({ URL, URL .. "2" }) do
        local blob <close> = assert(cache:recall(url))
        assert.equal(digest, blob.sha256)
    end
end)

it("forgets a content of the wrong size", function()
    local digest = keep(URL, "content")
    scratch:write("cache/blobs/" .. digest, "conten")
    assert.is_nil(cache:recall(URL))
    assert.same({}, names("blobs"))
end)

it("forgets an index that is damaged", function()
    keep(URL, "content")
    for _, text in ipairs({ "", "[]", "{", '{"sha256": 5}', '{"sha256": "../../x", "bytes": 7}', "null" }) do
        scratch:write("cache/urls/" .. names("urls")[1], text)
        assert.is_nil(cache:recall(URL))
    end
end)

describe("what has arrived of a URL", function()
    local function arrive(bytes, state)
        local claim <close> = cache:claim(URL, "it", error)
        scratch:write("part", bytes)
        assert(sys.rename(scratch:file("part"), claim.path))
        if state then
            claim:note(state)
        end
    end

    it("is known to the next run, with its state", function()
        arrive("part", { etag = '"one"', total = 100 })
        local claim <close> = cache:claim(URL, "it", error)
        assert.equal(4, claim.offset)
        assert.equal('"one"', claim.state.etag)
    end)

    it("is not used when its state is not known", function()
        arrive("part")
        local claim <close> = cache:claim(URL, "it", error)
        assert.equal(0, claim.offset)
        claim:close()
        arrive("part", { etag = '"one"' })
        local again <close> = cache:claim(URL, "it", error)
        again:unnote()
        again:close()
        local third <close> = cache:claim(URL, "it", error)
        assert.equal(0, third.offset)
    end)

    it("lacks at least a byte, so that there is something to ask for", function()
        arrive("whole", { etag = '"one"', total = 5 })
        local claim <close> = cache:claim(URL, "it", error)
        assert.equal(4, claim.offset)
    end)

    it("can be discarded", function()
        arrive("part", { etag = '"one"' })
        local claim <close> = cache:claim(URL, "it", error)
        claim:discard()
        assert.same({}, names("partial"))
    end)
end)

describe("eviction", function()
    it("takes what was not used for the longest time", function()
        local old, new, newest = keep(URL .. 1, ("a"):rep(1000)), keep(URL .. 2, ("b"):rep(1000)),
            keep(URL .. 3, ("c"):rep(1000))
        age(old, 300)
        age(new, 200)
        age(newest, 100)
        local blob = assert(cache:find(old)) -- is the newest now
        blob:close()
        open(2500):trim()
        assert.is_nil(cache:find(new))
        local sorted = { old, newest }
        table.sort(sorted)
        assert.same(sorted, names("blobs"))
        assert.equal(2, #names("used"))
    end)

    it("makes room for what comes", function()
        keep(URL, ("a"):rep(1000))
        open(1500):trim(400)
        assert.equal(1, #names("blobs"))
        open(1500):trim(600)
        assert.same({}, names("blobs"))
    end)

    it("never takes what is in use", function()
        local digest = keep(URL, ("a"):rep(1000))
        local blob <close> = assert(cache:find(digest))
        local claim <close> = cache:claim(URL .. 2, "it", error)
        scratch:write("cache/partial/" .. claim.path:match("[^/]+$"), ("b"):rep(1000))
        open(1):trim()
        assert.same({ digest }, names("blobs"))
        assert.equal(1, #names("partial"))
        assert.equal(1000, sys.stat(blob.path).size)
        blob:close()
        claim:close()
        open(1):trim()
        assert.same({}, names("blobs"))
        assert.same({}, names("partial"))
        assert.same({}, names("used"))
    end)

    it("comes when something was stored", function()
        local first = keep(URL .. 1, ("a"):rep(1000))
        cache = open(1500)
        local second = keep(URL .. 2, ("b"):rep(1000))
        assert.is_nil(cache:find(first))
        assert(cache:find(second)):close()
    end)
end)

it("that cannot be made is this host's fault", function()
    local ok, failure = pcall(caches.open, { cache_limit = 1, cache_dir = "/dev/null/x" })
    assert.is_false(ok)
    assert.is_true(errors.is(failure))
    assert.equal("host", failure.class)
end)
