-- SPDX-License-Identifier: Apache-2.0
--
-- Bundles from real registries: docker-registry, open, with passwords, with TLS.
local bundles = require("jflash.oci.bundle")
local errors = require("jflash.errors")
local registries = require("tests.support.registry")
local scratches = require("tests.support.scratch")

local FILES = {
    { "manifest.yaml", "kind: FlashBundleManifest\n" },
    { "data/Image", ("kernel"):rep(50000) },
    { "data/dtb/board.dtb", "tree" },
}

local scratch, server

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

local function board()
    return { cache_dir = scratch:file("cache"), cache_limit = 1 << 30 }
end

local function pull(reference, settings)
    return bundles.pull(reference, settings or {}, board())
end

local function failure(reference, settings)
    local ok, reason = xpcall(pull, errors.wrap, reference, settings)
    assert.is_false(ok)
    return reason
end

before_each(function()
    scratch = scratches.new()
end)
after_each(function()
    scratch:close()
end)

describe("an open registry", function()
    local place
    setup(function()
        place = scratches.new()
        server = registries.start(place)
    end)
    teardown(function()
        server:close()
        place:close()
    end)

    it("gives a bundle, by tag and by digest", function()
        local digest = server:put_artifact("org/bundle", "1", FILES)
        for _, reference in ipairs({ "/org/bundle:1", "/org/bundle@" .. digest, "/org/bundle:9@" .. digest }) do
            local pulled <close> = pull("oci://" .. server.host .. reference)
            assert.equal(digest, pulled.digest)
            for _, file in ipairs(FILES) do
                assert.equal(file[2], read(pulled.path .. "/" .. file[1]))
            end
        end
    end)
end)
