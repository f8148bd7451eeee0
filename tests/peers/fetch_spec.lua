-- SPDX-License-Identifier: Apache-2.0
--
-- Fetching by way of the cache: what the server is asked, and what is not asked again.
local errors = require("jflash.errors")
local fetch = require("jflash.fetch")
local files = require("tests.support.files")
local image = require("jflash.image")
local scratches = require("tests.support.scratch")
local web = require("tests.support.web")

local CONTENT = ("a line of the file\n"):rep(60000)
local DIGEST = image.sha256(CONTENT)

local scratch, server
local count = 0

setup(function()
    scratch = scratches.new()
    server = web.faulty(scratch, CONTENT)
end)
teardown(function()
    server:close()
    scratch:close()
end)

-- A URL of its own for each test.
local function url(query)
    count = count + 1
    return ("%s/%d?%s"):format(server.url, count, query or "")
end

local function open(place, options)
    local all = { settings = { headers = {} }, retries = 0, temporary = scratch:file("temporary"),
        board = { cache_dir = scratch:file("cache"), cache_limit = 1 << 30 } }
    for key, value in pairs(options or {}) do
        all[key] = value
    end
    return fetch.open(place, all)
end

local function failed(place, options)
    local ok, failure = pcall(function()
        local fetched <close> = open(place, options)
        fetched:await()
    end)
    assert.is_false(ok)
    assert.is_true(errors.is(failure), failure)
    return failure
end

it("a file is fetched once", function()
    local place = url()
    local before = #server:requests()
    for round = 1, 3 do
        local fetched <close> = open(place)
        assert.is_true(CONTENT == files.read(fetched:await()))
        assert.equal(DIGEST, fetched.sha256)
        assert.equal(round > 1, fetched.from_cache)
    end
    assert.equal(before + 3, #server:requests())
    local known <close> = open(url("status=404"), { sha256 = DIGEST })
    assert.equal(DIGEST, known.sha256)
    assert.equal(before + 3, #server:requests())
end)

it("a file that changed is fetched again", function()
    local place = url("change=2")
    for round = 1, 2 do
        local fetched <close> = open(place)
        fetched:await()
        assert.equal(round == 1, fetched.sha256 == DIGEST)
        assert.is_false(fetched.from_cache)
    end
end)

it("two in one run that want the same share it", function()
    local place = url("pace=0.02")
    local first <close> = open(place)
    assert.is_false(first:is_complete())
    local second <close> = open(place)
    assert.is_true(second.from_cache)
    assert.equal(first:await(), second:await())
end)

it("one that fails does not hold up the next", function()
    local place = url("cut=1000&cuts=1")
    local first <close> = open(place)
    local second <close> = open(place)
    assert.equal(DIGEST, second:await() and second.sha256)
    assert.has_error(function() first:await() end)
end)

it("without a cache nothing stays", function()
    local temporary = scratch:file("temporary")
    do
        local fetched <close> = open(url(), { board = { cache_limit = 0 } })
        assert.equal(temporary, fetched:await())
        assert.is_true(CONTENT == files.read(temporary))
    end
    assert.is_nil(io.open(temporary))
end)

it("a content that its server replaces is not kept in part", function()
    local place = url("cut=500000&cuts=1&change=2")
    local failure = failed(place, { retries = 1 })
    assert.equal("source", failure.class)
    assert.equal("changed", failure.code)
    local before = #server:requests()
    local fetched <close> = open(place)
    fetched:await()
    assert.is_nil(server:requests()[before + 1].headers.Range)
end)

it("failures say who must act", function()
    for _, row in ipairs({
        { "status=401", class = "source", hint = "--bearer-file" },
        { "status=403", class = "source", hint = "--header" },
        { "status=404", class = "source" },
        { "status=500", class = "source" },
        { "cut=0", class = "source" },
    }) do
        local failure = failed(url(row[1]))
        assert.equal(row.class, failure.class)
        assert.matches(row.hint or "", failure.hint or "", 1, true)
        assert.is_nil(failure.message:find("?", 1, true))
    end
end)
