-- SPDX-License-Identifier: Apache-2.0
--
-- Bundles in layers that are tar archives, from a real registry and from layouts, made by
-- tar and copied by skopeo; and archives that try to do harm.
local oci = require("tests.support.oci")
local registries = require("tests.support.registry")
local registry = require("jflash.registry")
local scratches = require("tests.support.scratch")
local sys = require("jflash.sys")

local TAR = "application/vnd.oci.image.layer.v1.tar"
local CONFIG = "application/vnd.oci.image.config.v1+json"

local scratch, puller, server, place

setup(function()
    place = scratches.new()
    server = registries.start(place)
end)
teardown(function()
    server:close()
    place:close()
end)
before_each(function()
    scratch = scratches.new()
    puller = oci.new(scratch:file("cache"))
end)
after_each(function()
    scratch:close()
end)

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

-- What a shell command in an empty folder leaves, as a tar archive's bytes.
local function tar(commands, compress)
    scratch:sh(("rm -rf tree && mkdir tree && cd tree && %s && tar -cf ../layer.tar . && %s <../layer.tar >../layer")
        :format(commands, compress or "cat"))
    return scratch:read("layer")
end

-- An archive of entries as Python's tarfile writes them: what tar itself does not.
local function crafted(code)
    scratch:write("craft.py", ([[
import io, tarfile
tar = tarfile.open("layer", "w")
def add(name, data=b"", type=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = type, link, len(data)
    tar.addfile(info, io.BytesIO(data))
%s
tar.close()
]]):format(code))
    scratch:sh("python3 craft.py")
    return scratch:read("layer")
end

local function put(tag, layers, config)
    local descriptors = {}
    for index, layer in ipairs(layers) do
        descriptors[index] = server:put_blob("org/layers", layer[1], layer[2] or TAR, layer[3])
    end
    server:put_image("org/layers", tag, descriptors, config and { config = config })
    return ("oci://%s/org/layers:%s"):format(server.host, tag)
end

describe("a bundle in archives", function()
    for kind, compress in pairs({ [""] = "cat", ["+gzip"] = "gzip -1", ["+zstd"] = "zstd -q -1" }) do
        it("is unpacked: tar" .. kind, function()
            local reference = put("plain" .. #kind .. kind:sub(2, 2), { { tar("mkdir data && echo m >manifest.yaml "
                .. "&& head -c 300000 /dev/zero >data/Image && ln -s manifest.yaml manifest-b.yaml "
                .. "&& ln data/Image data/same", compress), TAR .. kind } })
            local pulled <close> = puller:pull(reference)
            assert.equal("m\n", read(pulled.path .. "/manifest.yaml"))
            assert.equal("m\n", read(pulled.path .. "/manifest-b.yaml"))
            assert.equal(300000, #read(pulled.path .. "/data/Image"))
            assert.equal(300000, #read(pulled.path .. "/data/same"))
            puller:pull(reference, { offline = true }):close()
        end)
    end

    it("is what all layers make together", function()
        local reference = put("many", {
            { tar("mkdir -p data/old && echo 1 >manifest.yaml && echo 1 >data/gone && echo 1 >data/old/a") },
            { "titled", "application/octet-stream", { [registries.TITLE] = "data/titled" } },
            { tar("mkdir -p data/old && echo 2 >manifest.yaml && touch data/.wh.gone data/old/.wh..wh..opq "
                .. "&& echo 2 >data/titled && echo 2 >data/new") },
        })
        local pulled <close> = puller:pull(reference)
        assert.equal("2\n", read(pulled.path .. "/manifest.yaml"))
        assert.equal("2\n", read(pulled.path .. "/data/titled"))
        assert.equal("2\n", read(pulled.path .. "/data/new"))
        for _, name in ipairs({ "data/gone", "data/old/a", "data/.wh.gone" }) do
            assert.is_nil(sys.stat(pulled.path .. "/" .. name), name)
        end
        -- What was replaced was a link to a blob in the cache, which is as it was.
        assert.equal("titled", read(("%s/blobs/%s"):format(puller.cache, require("jflash.image").sha256("titled"))))
    end)

    it("is refused when it would do harm", function()
        local cases = {
            { 'add("../evil", b"x")', "file's name" },
            { 'add("/etc/evil", b"x")', "is absolute" },
            { 'add("a/../../evil", b"x")', "file's name" },
            { 'add("l", type=tarfile.SYMTYPE, link="/etc")', "may lead out" },
            { 'add("d/l", type=tarfile.SYMTYPE, link="../../etc")', "may lead out" },
            { 'add("d/l", type=tarfile.SYMTYPE, link="x/../../..")', "may lead out" },
            { 'add("d", type=tarfile.SYMTYPE, link="."); add("d/x", b"x")', "cannot make the folder" },
            { 'add("h", type=tarfile.LNKTYPE, link="../../etc/passwd")', "file's name" },
            { 'add("a/b/l", type=tarfile.SYMTYPE, link="../.."); add("h", type=tarfile.LNKTYPE, link="a/b/l")',
                "hard link to no file" },
            { 'add("dev", type=tarfile.CHRTYPE)', "is a device" },
            { 'add("fifo", type=tarfile.FIFOTYPE)', "a FIFO" },
            { 'add("d/x", b"x"); add("d", b"y")', "is a folder, and something else later" },
        }
        for index, case in ipairs(cases) do
            local failure = puller:failure(put("evil" .. index, { { crafted(case[1]) } }))
            assert.truthy(failure.message:find(case[2], 1, true), case[1] .. ": " .. failure.message)
        end
        assert.same({}, puller:names("trees"))
        assert.is_nil(sys.stat(puller.cache .. "/evil"))
    end)

    it("is refused when it is damaged, or unpacks to too much", function()
        local whole = tar("head -c 200000 /dev/urandom >x", "gzip -1")
        local failure = puller:failure(put("cut", { { whole:sub(1, #whole // 2), TAR .. "+gzip" } }))
        assert.equal("source", failure.class)
        assert.matches("is no sound tar archive", failure.message)
        assert.matches("is no sound tar archive", puller:failure(put("text", { { ("text"):rep(1000) } })).message)

        assert(sys.mkdir(scratch:file("out")))
        scratch:write("bomb", tar("head -c 40000000 /dev/zero >x", "gzip -9"))
        local ok, message, code = registry.unpack({ name = "bomb", archive = scratch:file("bomb"),
            dir = scratch:file("out"), limit_bytes = 1000000 })
        assert.is_nil(ok)
        assert.equal("limit", code)
        assert.matches("unpacks to more than the 1000000 bytes", message)
        assert.is_nil(sys.stat(scratch:file("out/x")))
    end)
end)

describe("a layout", function()
    local policy
    before_each(function()
        policy = scratch:write("policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
    end)

    local function skopeo(...)
        local result = assert(sys.run({ "skopeo", "--policy", policy, "copy", "--src-tls-verify=false", ... }))
        assert.equal(0, result.status, result.stderr)
    end

    it("that skopeo made is a bundle, and is compared with its digests", function()
        local config = server:put_blob("org/layers",
            '{"architecture":"arm64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}', CONFIG)
        local reference = put("layout", { { "m", "application/octet-stream", { [registries.TITLE] = "manifest.yaml" } },
            { tar("mkdir data && echo k >data/Image") } }, config)
        skopeo("--preserve-digests", "docker://" .. reference:match("oci://(.*)"),
            "oci:" .. scratch:file("dir") .. ":one")
        local own = "oci-layout:" .. scratch:file("dir")
        for _, text in ipairs({ own, own .. ":one" }) do
            local pulled <close> = puller:pull(text)
            assert.equal("m", read(pulled.path .. "/manifest.yaml"))
            assert.equal("k\n", read(pulled.path .. "/data/Image"))
        end
        assert.matches("nothing in it is meant by this; it has one", puller:failure(own .. ":two").message)
        assert.matches("no file oci%-layout", puller:failure("oci-layout:" .. scratch:file("cache")).message)
        local image = require("jflash.image")
        local blob = scratch:file("dir/blobs/sha256/" .. image.sha256("m"))
        scratch:sh("rm -rf cache; printf X >" .. blob)
        assert.matches("is not what its name says", puller:failure(own).message)
    end)
end)
