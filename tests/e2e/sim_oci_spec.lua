-- SPDX-License-Identifier: Apache-2.0
--
-- Images from registries: whole runs on the scripted board, with a real registry.
local json = require("jflash.json")
local registries = require("tests.support.registry")
local scratches = require("tests.support.scratch")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")

local TAR = "application/vnd.oci.image.layer.v1.tar"
local AUTOMOTIVE = "automotive.sdv.cloud.redhat.com/"

local scratch, server, content, count

setup(function()
    scratch = scratches.new()
    server = registries.start(scratch)
    content = support.bytes(700000 + 77)
    count = 0
end)

teardown(function()
    server:close()
    scratch:close()
end)

local function new_bench(options, config)
    local bench = support.bench(options, config)
    bench.content = content
    return bench
end

-- An image of these layers: {bytes, media type, annotations} each; its reference.
local function put(layers, changes)
    count = count + 1
    local descriptors = {}
    for index, layer in ipairs(layers) do
        descriptors[index] = server:put_blob("org/image", layer[1], layer[2], layer[3])
        descriptors[index].size = layer.size or descriptors[index].size
    end
    local digest = server:put_image("org/image", "t" .. count, descriptors, changes)
    return ("oci://%s/org/image:t%d"):format(server.host, count), digest, descriptors
end

local function titled(name, more)
    local annotations = { [registries.TITLE] = name }
    for key, value in pairs(more or {}) do
        annotations[AUTOMOTIVE .. key] = value
    end
    return annotations
end

-- A tar archive of files {name, bytes}.
local function tar(files, compress)
    scratch:sh("rm -rf tree && mkdir tree")
    for _, file in ipairs(files) do
        scratch:sh(("mkdir -p \"$(dirname 'tree/%s')\""):format(file[1]))
        scratch:write("tree/" .. file[1], file[2])
    end
    scratch:sh(("tar -C tree -cf layer.tar . && %s <layer.tar >layer"):format(compress or "cat"))
    return scratch:read("layer")
end

local function pack(command)
    scratch:write("plain", content)
    scratch:sh(command .. " <plain >packed")
    return scratch:read("packed")
end

describe("an image in a registry", function()
    it("is flashed when it is a layer, from the cache the second time", function()
        local bench <close> = new_bench()
        local reference, digest = put({ { pack("xz -0"), "application/x-xz", titled("disk.img.xz") } })
        bench:assert_result(bench:flash({ "--run-dir", bench:path("run"), reference }), { status = 0,
            storage = "flashed", cycles = 1, says = { "flashed and verified", "(disk.img.xz)" } })
        local piece = json.decode(support.read(bench:path("run") .. "/result.json")).pieces[1]
        assert.same({ reference, digest }, { piece.reference, piece.digest })
        bench:assert_result(bench:flash({ "--offline", reference }), { status = 0, storage = "flashed",
            says = "(disk.img.xz): in the cache" })
    end)

    it("is one layer of several, by --file-pattern", function()
        local bench <close> = new_bench()
        local reference = put({ { "notes\n", nil, titled("README") }, { content, nil, titled("images/disk.img") } })
        bench:assert_result(bench:flash({ reference }), { status = 3, step = "prove_source", storage = "untouched",
            power = false, message = { "several files", "'README', 'images/disk.img'" }, hint = "--file-pattern" })
        bench:assert_result(bench:flash({ "--file-pattern", "*.iso", reference }), { status = 3,
            storage = "untouched", power = false, message = 'no layer fits "*.iso"' })
        bench:assert_result(bench:flash({ "--file-pattern", "*.img", reference }), { status = 0,
            storage = "flashed" })
    end)

    for kind, compress in pairs({ [""] = "cat", ["+gzip"] = "gzip -1", ["+zstd"] = "zstd -q -1" }) do
        it("is a file in an archive: tar" .. kind, function()
            local bench <close> = new_bench()
            local reference = put({ { tar({ { "etc/notes", "x" }, { "boot/disk.img.gz", pack("gzip -1") } }, compress),
                TAR .. kind } })
            bench:assert_result(bench:flash({ "--file-pattern", "*.img.gz", reference }), { status = 0,
                storage = "flashed", cycles = 1, says = "flashed and verified" })
            if kind ~= "" then
                return
            end
            bench:assert_result(bench:flash({ "--file-pattern", "boot/*.gz", reference }), { status = 0,
                storage = "flashed" })
            bench:assert_result(bench:flash({ "--file-pattern", "*.gz", reference }), { status = 0,
                storage = "flashed" })
            bench:assert_result(bench:flash({ reference }), { status = 3, storage = "flashed", power = false,
                message = "has several files: ", hint = "--file-pattern" })
            bench:assert_result(bench:flash({ "--file-pattern", "*.xz", reference }), { status = 3, power = false,
                step = "prove_source", storage = "flashed", message = { 'no file fits "*.xz"; it has ',
                    "etc/notes" }, hint = "--file-pattern" })
        end)
    end

    it("is fetched again when its copy in the cache, or that of its archive, is damaged", function()
        local bench <close> = new_bench({}, { retries = 1 })
        local reference, _, descriptors = put({ { tar({ { "disk.img", content } }), TAR } })
        bench:assert_result(bench:flash({ reference }), { status = 0, storage = "flashed" })
        local blobs = bench:path(".cache/jflash/blobs/")
        local own = support.sha256(content)
        support.write(blobs .. own, ("x"):rep(#content))
        bench:assert_result(bench:flash({ reference }), { status = 0, storage = "flashed",
            says = "copy in the cache is damaged" })
        assert.equal(own, support.sha256(support.read(blobs .. own)))

        support.shell(("rm '%s'"):format(blobs .. own))
        local archive = blobs .. descriptors[1].digest:match(":(.*)")
        local bytes = support.read(archive)
        support.write(archive, bytes:sub(1, -3) .. "xx") -- in the padding behind its end
        bench:assert_result(bench:flash({ reference }), { status = 0, storage = "flashed",
            says = "copy in the cache is damaged" })
        assert.equal(bytes, support.read(archive))
    end)

    it("may lie in any layer of a container's image, the last one first", function()
        local bench <close> = new_bench()
        local reference = put({ { tar({ { "disk.img", "an older one, covered by the next" } }), TAR },
            { tar({ { "disk.img", content } }), TAR }, { tar({ { "etc/os-release", "x" } }), TAR } })
        bench:assert_result(bench:flash({ "--file-pattern", "disk.img", reference }), { status = 0,
            storage = "flashed" })
    end)

    it("is refused before the write when its digest is wrong", function()
        local bench <close> = new_bench()
        local other = "sha256:" .. ("1"):rep(64)
        local stand_in <close> = registries.stand_in(scratch)
        stand_in:write("disk", content)
        local manifest = json.encode({ schemaVersion = 2, mediaType = registries.MANIFEST,
            config = { mediaType = "application/vnd.oci.empty.v1+json", digest = other, size = 2 },
            layers = { { mediaType = "application/x-raw", digest = other, size = #content } } })
        stand_in:write("manifest", manifest)
        stand_in:rules({ rules = {
            { path = "/v2/org/image/manifests/1", file = "manifest", type = registries.MANIFEST },
            { path = "/v2/org/image/blobs/" .. other, file = "disk" },
        } })
        bench:assert_result(bench:flash({ ("oci://%s/org/image:1"):format(stand_in.host) }), { status = 3,
            storage = "untouched", message = { "has the SHA-256", "due was " .. ("1"):rep(64) } })
        assert.equal("", support.shell(("ls -A '%s/.cache/jflash/partial'"):format(bench.dir)))
    end)

    it("is refused when it is not what its layer says", function()
        local bench <close> = new_bench()
        local wrong = put({ { content, nil, titled("disk.img", { ["decompressed-size"] = "12" }) } })
        bench:assert_result(bench:flash({ wrong }), { status = 6, storage = "untouched",
            message = { ("has %d bytes"):format(#content), "decompressed-size says 12" } })
        local vague = put({ { content, nil, titled("disk.img", { ["decompressed-size"] = "much" }) } })
        bench:assert_result(bench:flash({ vague }), { status = 3, power = false, storage = "untouched",
            message = "no number of bytes: 'much'" })
        local short = put({ { content, nil, titled("disk.img"), size = 1000 } })
        bench:assert_result(bench:flash({ short }), { status = 3, storage = "untouched",
            message = ("the registry has %d bytes, the manifest says 1000"):format(#content) })
        local bomb = put({ { tar({ { "disk.img", ("\0"):rep(70 << 20) } }, "gzip -1"), TAR .. "+gzip",
            { [AUTOMOTIVE .. "decompressed-size"] = "1000" } } })
        bench:assert_result(bench:flash({ bomb }), { status = 3, power = false, storage = "untouched",
            message = "unpacks to more than the" })
        bench:assert_result(bench:flash({ (put({ { "no archive at all", TAR } })) }), { status = 3, power = false,
            storage = "untouched", message = "is no sound tar archive" })
    end)

    it("is not there", function()
        local bench <close> = new_bench()
        bench:assert_result(bench:flash({ ("oci://%s/org/image:none"):format(server.host) }), { status = 3,
            power = false, storage = "untouched", step = "prove_source", message = "404", hint = "list-tags" })
        bench:assert_result(bench:flash({ "oci://" }), { status = 2, power = false, storage = "untouched" })
    end)
end)

describe("an image in a layout", function()
    it("is flashed, and must be signed where that is asked for", function()
        local bench <close> = new_bench()
        local reference = put({ { content, nil, titled("disk.img") } })
        local policy = scratch:write("policy.json", '{"default":[{"type":"insecureAcceptAnything"}]}')
        local layout = bench:path("layout")
        scratch:sh(("skopeo --policy %s copy --preserve-digests --src-tls-verify=false %s oci:%s:one"):format(policy,
            reference:gsub("^oci", "docker"), layout))
        bench:assert_result(bench:flash({ "oci-layout:" .. layout .. ":one" }), { status = 0, storage = "flashed" })
        scratch:sh("openssl genpkey -quiet -algorithm ec -pkeyopt ec_paramgen_curve:P-256 -out key && "
            .. "openssl pkey -in key -pubout -out key.pub")
        for _, place in ipairs({ reference, "oci-layout:" .. layout .. ":one" }) do
            bench:assert_result(bench:flash({ place, "--verify-key", scratch:file("key.pub") }), { status = 3,
                power = false, step = "prove_source", message = "key.pub: it is not signed" })
        end
        bench:assert_result(bench:flash({ bench:image("disk.img"), "--verify-key", scratch:file("key.pub") }),
            { status = 2, power = false, message = "comes from a registry" })
    end)
end)

describe("an image of partitions", function()
    local function disks()
        return { { bytes = 4 << 20, partitions = { { label = "boot", bytes = 256 << 10 },
            { label = "root", bytes = 256 << 10 }, { label = "data" } } } }
    end

    local function partition(name, bytes)
        return { bytes, nil, titled(name .. ".img", { partition = name }) }
    end

    local function device(bench, name)
        return support.read(("%s/root/dev/%s"):format(bench.board.dir, name))
    end

    it("is written in one boot, the default ones, or the one that is named", function()
        local bench <close> = new_bench({ disks = disks() })
        local boot, root, data = support.bytes(65536), support.bytes(65000), support.bytes(60000)
        local reference = put({ partition("data", data), partition("boot", boot), partition("root", root) },
            { annotations = { [AUTOMOTIVE .. "default-partitions"] = "root, boot",
                [AUTOMOTIVE .. "multi-layer"] = "true", [AUTOMOTIVE .. "parts"] = "boot.img,root.img,data.img",
                [AUTOMOTIVE .. "target"] = "sim" } })
        local before = device(bench, "vda3")
        bench:assert_result(bench:flash({ reference }), { status = 0, cycles = 1,
            says = { "(root.img) goes to partition \"root\"",
                "(boot.img) goes to partition \"boot\"", "for target sim" } })
        assert.equal(boot, device(bench, "vda1"):sub(1, #boot))
        assert.equal(root, device(bench, "vda2"):sub(1, #root))
        assert.equal(before, device(bench, "vda3"))
        bench:assert_result(bench:flash({ "-t", "data:" .. reference }), { status = 0, cycles = 2 })
        assert.equal(data, device(bench, "vda3"):sub(1, #data))
    end)

    it("is refused when a part is missing, or for another board", function()
        local bench <close> = new_bench({ disks = disks() }, { arch = "arm64" })
        for words, annotations in pairs({
            ["default-partitions has 'usr'"] = { ["default-partitions"] = "boot,usr" },
            ["no layer has this title"] = { ["multi-layer"] = "true", parts = "boot.img,usr.img" },
            ["it is for 'amd64', and the board is arm64"] = { arch = "amd64" },
        }) do
            local all = {}
            for key, value in pairs(annotations) do
                all[AUTOMOTIVE .. key] = value
            end
            local reference = put({ partition("boot", "x") }, { annotations = all })
            bench:assert_result(bench:flash({ reference }), { status = annotations.arch and 2 or 3, power = false,
                storage = "untouched", message = words })
        end
    end)
end)

describe("an image that the board pulls by itself", function()
    local STAND_IN = assert(sys.realpath("tests/sim/fls-stand-in.sh"))
    local place, closed

    setup(function()
        place = scratches.new()
        closed = registries.start(place, { tls = true, user = "ann", password = "open-sesame" })
    end)

    teardown(function()
        closed:close()
        place:close()
    end)

    it("needs credentials, which are neither typed nor shown", function()
        local bench <close> = support.bench({ programs = { "/usr/bin/curl" } })
        local digest = closed:put_image("org/image", "1", { closed:put_blob("org/image", bench.content) })
        local result = bench:flash({ ("oci://%s/org/image:1"):format(closed.host), "--dut-fetch", "--method", "fls",
            "--fls-binary-url", STAND_IN, "--cacert", closed.cacert, "--file-pattern", "*.img", "--run-dir",
            bench:path("run") }, { env = { OCI_USERNAME = "ann", OCI_PASSWORD = "open-sesame" } })
        bench:assert_result(result, { status = 0, storage = "flashed", never = { "flashed and verified", "sesame" },
            says = { digest, "written, not verified (nobody has seen what the board fetched)" } })
        local arguments = support.read(bench.board.dir .. "/root/tmp/fls-stand-in.args")
        local wanted = ("--file-pattern *.img oci://%s/org/image@%s /dev/vda"):format(closed.host, digest)
        assert.truthy(arguments:find(wanted,
            1, true), arguments)
        assert.equal("ann:open-sesame\n", support.read(bench.board.dir .. "/root/tmp/fls-stand-in.login"))
        for _, text in ipairs(bench.board:texts("shell")) do
            assert.is_nil(text:find("sesame", 1, true), text)
        end
        assert.equal("", support.shell(("grep -rl sesame '%s' || :"):format(bench:path("run"))))
        assert.is_nil(sys.stat(bench.board.dir .. "/root/tmp/jflash/registry.login"))
    end)

    it("is refused where nobody could do it", function()
        local bench <close> = support.bench()
        local reference = ("oci://%s/org/image:1"):format(closed.host)
        bench:assert_result(bench:flash({ reference, "--dut-fetch" }), { status = 2, power = false,
            message = "only fls can fetch by itself" })
        bench:assert_result(bench:flash({ reference, "--dut-fetch", "--method", "fls", "--os-image-checksum",
            ("0"):rep(64) }), { status = 2, power = false, message = "nobody hashes" })
        bench:assert_result(bench:flash({ "oci-layout:/nonexistent", "--dut-fetch", "--method", "fls" }),
            { status = 2, power = false, message = "is on this host" })
    end)
end)
