-- SPDX-License-Identifier: Apache-2.0
--
-- --verify-key. Debian has no cosign: the signatures here are a STAND-IN for its own, made
-- with openssl and stored in a real registry as cosign stores them (its specification
-- "cosign signature storage", and "simple signing" for the payload).
local json = require("jflash.json")
local oci = require("tests.support.oci")
local registries = require("tests.support.registry")
local registry = require("jflash.registry")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
local SIGNATURE = "dev.cosignproject.cosign/signature"

local KINDS = {
    ecdsa = { "ec -pkeyopt ec_paramgen_curve:P-256", "openssl dgst -sha256 -sign %s.key payload" },
    rsa = { "rsa -pkeyopt rsa_keygen_bits:2048", "openssl dgst -sha256 -sign %s.key payload" },
    ed25519 = { "ed25519", "openssl pkeyutl -sign -rawin -inkey %s.key -in payload" },
}

local place, server, count

local function make_key(name, kind)
    place:sh(("openssl genpkey -quiet -algorithm %s -out %s.key && openssl pkey -in %s.key -pubout -out %s.pub")
        :format(KINDS[kind][1], name, name, name))
end

setup(function()
    place = scratches.new()
    server = registries.start(place)
    count = 0
    for kind in pairs(KINDS) do
        make_key(kind, kind)
    end
    make_key("other", "ecdsa")
end)
teardown(function()
    server:close()
    place:close()
end)

local scratch, puller
before_each(function()
    scratch = scratches.new()
    puller = oci.new(scratch:file("cache"))
end)
after_each(function()
    scratch:close()
end)

local function payload_for(digest, type)
    return json.encode({ critical = { identity = { ["docker-reference"] = server.host .. "/org/signed" },
        image = { ["docker-manifest-digest"] = digest }, type = type or "cosign container image signature" },
        optional = json.null })
end

local function sign(payload, name, kind)
    place:write("payload", payload)
    place:sh((KINDS[kind or "ecdsa"][2]:format(name)) .. " >raw && base64 -w0 raw >signature")
    return place:read("signature")
end

-- Stores payloads with signatures as cosign does.
local function store(digest, signatures)
    local layers = {}
    for index, one in ipairs(signatures) do
        layers[index] = server:put_blob("org/signed", one[1], PAYLOAD, { [SIGNATURE] = one[2] })
    end
    server:put_image("org/signed", digest:gsub(":", "-") .. ".sig", layers)
end

local function put()
    count = count + 1
    local digest = server:put_artifact("org/signed", "t" .. count, { { "manifest.yaml", "number " .. count } })
    return ("oci://%s/org/signed:t%d"):format(server.host, count), digest
end

local function pull(reference, key, more)
    local settings = { verify_key = place:file(key .. ".pub") }
    for name, value in pairs(more or {}) do
        settings[name] = value
    end
    return puller:pull(reference, settings)
end

local function failure(reference, key)
    return puller:failure(reference, { verify_key = place:file(key) })
end

describe("a bundle that must be signed", function()
    for kind in pairs(KINDS) do
        it("is, by a key of the kind " .. kind, function()
            local reference, digest = put()
            local payload = payload_for(digest)
            store(digest, { { payload, sign(payload, kind, kind) } })
            pull(reference, kind):close()
            pull(reference, kind, { offline = true }):close()
            local wrong = failure(reference, "other.pub")
            assert.equal("source", wrong.class)
            assert.matches("no signature by .*other.pub: the signature is not by", wrong.message)
        end)
    end

    it("is, by one of several signatures", function()
        local reference, digest = put()
        local payload = payload_for(digest)
        store(digest, { { payload, sign(payload, "other") }, { payload .. "\n", sign(payload .. "\n", "ecdsa") } })
        pull(reference, "ecdsa"):close()
    end)

    it("is not, and nothing of it is used", function()
        local reference, digest = put()
        assert.matches("no signature by .*ecdsa.pub: it is not signed", failure(reference, "ecdsa.pub").message)
        local payload = payload_for(digest)
        local good = sign(payload, "ecdsa")
        local _, elsewhere = put()
        local cases = {
            ["the signature is not by"] = { payload .. " ", good },
            ["not in base64"] = { payload, "!!!" },
            ["is of another digest"] = { payload_for(elsewhere), sign(payload_for(elsewhere), "ecdsa") },
            ["what is signed is no image"] = { payload_for(digest, "a promise"),
                sign(payload_for(digest, "a promise"), "ecdsa") },
        }
        for words, one in pairs(cases) do
            store(digest, { one })
            local wrong = failure(reference, "ecdsa.pub")
            assert.equal("signature", wrong.code)
            assert.truthy(wrong.message:find(words, 1, true), wrong.message)
        end
        server:put_image("org/signed", digest:gsub(":", "-") .. ".sig", { server:put_blob("org/signed", payload) })
        assert.matches("holds none", failure(reference, "ecdsa.pub").message)
        assert.same({}, puller:names("trees"))
    end)

    it("is signed by its index", function()
        local _, digest = put()
        local index = server:put_manifest("org/signed", "index", { schemaVersion = 2, mediaType = registries.INDEX,
            manifests = { { mediaType = registries.MANIFEST, digest = digest, size = 10,
                platform = { os = "linux", architecture = "arm64" } } } }, registries.INDEX)
        local payload = payload_for(index)
        local reference = ("oci://%s/org/signed:index"):format(server.host)
        assert.matches("it is not signed", failure(reference, "ecdsa.pub").message)
        store(index, { { payload, sign(payload, "ecdsa") } })
        pull(reference, "ecdsa", { arch = "arm64" }):close()
    end)

    it("needs a key that is one", function()
        local reference, digest = put()
        local payload = payload_for(digest)
        store(digest, { { payload, sign(payload, "ecdsa") } })
        local wrong = failure(reference, "ecdsa.key")
        assert.equal("config", wrong.class)
        assert.matches("is no public key in PEM", wrong.message)
        assert.equal("config", failure(reference, "nonexistent").class)
        assert.is_nil((registry.verify("", "empty", "x", "eA==")))
    end)

    it("is refused by the program too", function()
        local reference = put()
        local result = assert(sys.run({ sys.process_exe(sys.pid()), "bundle", "inspect", reference, "--verify-key",
            place:file("ecdsa.pub"), "--cache-dir", puller.cache }))
        assert.equal(3, result.status)
        assert.matches("it is not signed", result.stderr)
    end)
end)
