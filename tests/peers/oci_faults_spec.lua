-- SPDX-License-Identifier: Apache-2.0
--
-- Registries and token servers that are slow, broken or hostile: a stand-in that does
-- what its rules say.
local image = require("jflash.image")
local job = require("jflash.job")
local net = require("jflash.net")
local oci = require("tests.support.oci")
local registries = require("tests.support.registry")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local FILES = oci.FILES
local BIG = { { "data/big", ("0123456789abcdef"):rep(1 << 16) } } -- 1 MiB

local scratch, puller, server

local function reference(what)
    return ("oci://%s/org/bundle%s"):format(server.host, what or ":1")
end

-- Serves an artifact; `more` goes into the rules.
local function serve(files, changes, more)
    local rules, digest = server:artifact("org/bundle", "1", files, changes)
    local all = { rules = rules }
    for key, value in pairs(more or {}) do
        all[key] = value
    end
    server:rules(all)
    return digest
end

local function pulls(settings)
    local pulled <close> = puller:pull(reference(), settings)
    return pulled.path
end

local function fails(settings, what)
    local failure = puller:failure(reference(what), settings)
    assert.is_nil(failure.message:find("sesame", 1, true))
    return failure
end

-- The requests for a kind of thing.
local function requests(pattern)
    local found = {}
    for _, request in ipairs(server:requests()) do
        if request.path:find(pattern) then
            table.insert(found, request)
        end
    end
    return found
end

setup(function()
    scratch = scratches.new()
    server = registries.stand_in(scratch)
end)
teardown(function()
    server:close()
    scratch:close()
end)
before_each(function()
    puller = oci.new(scratch:file("cache-" .. sys.random_hex(4)))
    server:reset()
end)

describe("tokens", function()
    it("are had without credentials", function()
        serve(FILES, nil, { auth = { scope = "repository:org/bundle:pull" } })
        pulls()
        local asked = requests("^/token")
        assert.equal(1, #asked)
        assert.truthy(asked[1].path:find("service=the%-service&scope=repository%%3Aorg%%2Fbundle%%3Apull&"))
        assert.is_nil(asked[1].headers.Authorization)
    end)

    it("are had with a password, which the registry itself never sees", function()
        serve(FILES, nil, { auth = { user = "ann", password = "open sesame", field = "access_token" } })
        pulls({ login = { user = "ann", password = "open sesame" } })
        for _, request in ipairs(requests("^/v2/")) do
            assert.is_nil((request.headers.Authorization or ""):find("Basic", 1, true))
        end
    end)

    it("are had with an identity token", function()
        serve(FILES, nil, { auth = { user = "nobody", password = "x", refresh = "sesame/+=" } })
        local file = scratch:write("auth.json",
            ('{"auths": {"%s": {"identitytoken": "sesame/+="}}}'):format(server.host))
        local result = assert(sys.run({ sys.process_exe(sys.pid()), "bundle", "pull", reference(), "--cache-dir",
            puller.cache }, { env = { REGISTRY_AUTH_FILE = file } }))
        assert.equal(0, result.status, result.stderr)
        assert.equal("POST", requests("^/token")[1].method)
    end)

    it("are renewed in the middle, and the download goes on where it was", function()
        -- The first one ends with the first piece of the blob.
        serve(BIG, { blob = { { times = 1, cut = 300000 }, {} } }, { auth = { uses = 2 } })
        pulls()
        local blobs = requests("/blobs/")
        assert.equal(2, #requests("^/token"))
        assert.is_nil(blobs[1].headers.Range)
        assert.equal("bytes=300000-", blobs[#blobs].headers.Range)
        assert.equal("Bearer t2", blobs[#blobs].headers.Authorization)
    end)

    it("are renewed before they expire", function()
        serve(FILES, nil, { auth = { expires_in = 0.001 } })
        pulls()
        assert.is_true(#requests("^/token") > 1)
        assert.equal(1, #requests("/manifests/1") - 1) -- one refusal, at the very first
    end)

    it("may be refused", function()
        for status, words in pairs({ [401] = "no credentials for", [403] = "it may need credentials" }) do
            serve(FILES, nil, { auth = { deny = status } })
            local failure = fails()
            assert.equal("source", failure.class)
            assert.matches("its token server: the server answered " .. status, failure.message)
            assert.matches(words, failure.hint)
        end
    end)

    it("that are refused at once do not go round in a circle", function()
        serve(FILES, nil, { auth = { uses = 0 } })
        assert.matches("answered 401", fails().message)
        assert.is_true(#server:requests() < 8)
    end)

    it("are not asked for at odd places", function()
        for realm, words in pairs({ ["ftp://x/"] = "no http or https URL", ["http://a b/"] = "malformed" }) do
            serve(FILES, nil, { auth = { realm = realm } })
            assert.truthy(fails().message:find(words, 1, true))
        end
    end)
end)

describe("a registry that fails in passing", function()
    it("is asked again: 429 after the time that it names, and 503", function()
        local rules = serve(FILES)
        assert(rules)
        local current = server.current
        for index, status in ipairs({ 429, 503 }) do
            table.insert(current.rules, index, { path = "/v2/org/bundle/manifests/1", status = status, times = 1,
                headers = { ["Retry-After"] = "1" } })
        end
        server:rules(current)
        local start = job.now()
        pulls()
        assert.is_true(job.now() - start >= 2)
        assert.equal(3, #requests("/manifests/1"))
    end)

    it("is given up in the end", function()
        server:rules({ rules = { { path = "/v2/org/bundle/manifests/1", status = 429 } } })
        local failure = fails()
        assert.matches("429", failure.message)
        assert.matches("log in", failure.hint)
        assert.equal(3, #requests("/manifests/1"))
    end)

    it("and cuts its blobs: they are gone on with", function()
        serve(BIG, { blob = { { times = 1, cut = 200000 }, { times = 1, cut = 200000, length = "none" }, {} } })
        pulls()
        local blobs = requests("/blobs/")
        assert.equal("bytes=200000-", blobs[2].headers.Range)
        assert.equal("bytes=400000-", blobs[3].headers.Range)
        assert.is_nil(blobs[3].headers["If-Range"])
    end)

    it("and stalls: after the patience it is gone on with", function()
        serve(BIG, { blob = { { times = 1, hang = 200000 }, { ranges = false } } })
        pulls()
        assert.equal(2, #requests("/blobs/"))
    end)

    it("and dies: a later run goes on where this one was", function()
        serve(BIG, { blob = { { cut = 500000 } } })
        assert.equal("source", fails({ retries = 0 }).class)
        server:close()
        local port, address, folder = server.port, server.address, server.folder
        assert.equal("source", fails().class)
        server = registries.stand_in(scratch, { port = port, address = address, folder = folder })
        serve(BIG)
        pulls()
        local blobs = requests("/blobs/")
        assert.equal("bytes=500000-", blobs[#blobs].headers.Range)
    end)
end)

describe("a registry that is wrong", function()
    local function nothing_is_kept()
        assert.same({}, puller:names("partial"))
        assert.same({}, puller:names("trees"))
        assert.is_true(#puller:names("blobs") <= 1) -- the manifest, which was right
    end

    it("sends another blob: nothing of it is kept", function()
        serve(BIG)
        local name = "sha256:" .. image.sha256(BIG[1][2])
        server:write(name, ("x"):rep(#BIG[1][2]))
        local failure = fails()
        assert.equal("source", failure.class)
        assert.equal("checksum", failure.code)
        assert.truthy(failure.message:find("due was " .. name:sub(8), 1, true))
        nothing_is_kept()
    end)

    it("sends a blob of another size than the manifest says", function()
        local bytes = BIG[1][2]
        for _, size in ipairs({ #bytes - 1, #bytes + 1 }) do
            for _, length in ipairs({ #bytes, "none" }) do
                serve({ { "data/big", bytes, size = size } }, { blob = { { length = length } } })
                assert.equal("source", fails({ retries = 0 }).class)
                assert.same({}, puller:names("trees"))
            end
        end
    end)

    it("sends another manifest than was asked for", function()
        local digest = serve(FILES)
        server:write(digest, "{}")
        local failure = fails(nil, "@" .. digest)
        assert.equal("checksum", failure.code)
        nothing_is_kept()
    end)

    it("announces another digest than it sends", function()
        serve(FILES, { manifest = { digest = "sha256:" .. ("1"):rep(64) } })
        assert.equal("checksum", fails().code)
        assert.same({}, puller:names("blobs"))
    end)

    it("sends a manifest without end", function()
        for _, length in ipairs({ 100 << 20, "none" }) do
            server:rules({ rules = { { path = "/v2/org/bundle/manifests/1", zeros = 100 << 20, length = length } } })
            local failure = fails()
            assert.equal("limit", failure.code)
            assert.matches("more than the 4194304 bytes", failure.message)
        end
    end)

    it("sends a web page, or no JSON", function()
        server:write("page", "<!DOCTYPE html><html>log in</html>")
        server:write("junk", '{"schemaVersion": 2,')
        for file, words in pairs({ page = "is a web page", junk = "is no JSON: line 1" }) do
            server:rules({ rules = { { path = "/v2/org/bundle/manifests/1", file = file, type = "text/html" } } })
            assert.matches(words, fails().message)
        end
    end)

    it("redirects in a circle", function()
        server:rules({ rules = { { path = "/v2/org/bundle/manifests/1", status = 307,
            headers = { Location = "/v2/org/bundle/manifests/1" } } } })
        assert.matches("redirected more than 10 times", fails().message)
    end)
end)

it("credentials are not sent on to where a blob is redirected", function()
    local other <close> = registries.stand_in(scratch)
    serve(BIG, nil, { auth = { user = "ann", password = "open sesame" } })
    local name = "sha256:" .. image.sha256(BIG[1][2])
    other:write("big", BIG[1][2])
    other:rules({ rules = { { path = "/cdn/big", file = "big" } } })
    local current = server.current
    table.insert(current.rules, 1, { path = "/v2/org/bundle/blobs/" .. name, status = 307,
        headers = { Location = other.url .. "/cdn/big?signature=1" } })
    server:rules(current)
    pulls({ login = { user = "ann", password = "open sesame" } })
    assert.equal(1, #other:requests())
    assert.is_nil(other:requests()[1].headers.Authorization)
    assert.truthy(requests("/blobs/")[1].headers.Authorization)
end)

it("no registry at all is said to be unreachable", function()
    local address = assert(net.random_loopback())
    local failure = puller:failure("oci://" .. address .. ":1/org/bundle:1")
    assert.equal("source", failure.class)
    assert.matches("refused", failure.message)
end)
