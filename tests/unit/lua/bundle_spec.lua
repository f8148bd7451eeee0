-- SPDX-License-Identifier: Apache-2.0
local bundle = require("jflash.bundle")
local errors = require("jflash.errors")
local sys = require("jflash.sys")

local MANIFEST = [[
apiVersion: jumpstarter.dev/v1alpha1
kind: FlashBundleManifest
metadata: {name: test}
spec:
  bootcmd: booti 0x1 0x2 0x3
  targets: {disk: /dev/vda}
  kernel: {file: data/Image, address: 0x1}
  initram: {file: data/init.gz, address: 0x2}
  dtb:
    default: a
    address: 0x3
    variants: {a: {file: data/a.dtb}, b: {file: data/b.dtb}}
]]

local function refused(f, ...)
    local ok, err = pcall(f, ...)
    assert.is_false(ok)
    assert.is_true(errors.is(err), tostring(err))
    assert.equal("config", err.class)
    return err.message, err.hint
end

describe("jflash.bundle", function()
    local outer, dir

    local function write(name, text)
        assert(sys.write_file(dir .. "/" .. name, text))
    end

    local function link(to, name)
        assert(os.execute(("ln -s '%s' '%s/%s'"):format(to, dir, name)))
    end

    before_each(function()
        outer = assert(sys.temp_dir("jflash-bundle-"))
        dir = outer .. "/bundle"
        assert(sys.mkdir(dir .. "/data"))
        write("manifest.yaml", MANIFEST)
        write("data/Image", "kernel")
        write("data/init.gz", "ini")
        write("data/a.dtb", "")
        assert(sys.write_file(outer .. "/secret", "x"))
    end)

    after_each(function()
        assert(sys.remove_tree(outer))
    end)

    it("opens, and gives the files to load", function()
        local b = bundle.open(dir)
        assert.equal("test", b.manifest.name)
        assert.equal(dir .. "/manifest.yaml", b.manifest.source)
        assert.equal(sys.realpath(dir) .. "/data/Image", b:path("data/Image"))
        local files = b:files()
        assert.equal(3, #files)
        assert.equal(6, files[1].size_bytes)
        assert.equal(b.root .. "/data/a.dtb", files[3].path)
        assert.same({ "data/Image", "data/a.dtb", "data/init.gz", "manifest.yaml" }, b:list())
    end)

    it("names the manifest's line and what is there when a file is missing", function()
        local b = bundle.open(dir)
        local message, hint = refused(b.files, b, "b")
        assert.equal(
            ("%s/manifest.yaml:12:49: spec.dtb.variants.b.file: 'data/b.dtb' is not in the bundle %s%s"):format(
                dir,
                dir,
                " (did you mean 'data/a.dtb'?)"
            ),
            message
        )
        assert.equal("in the bundle: data/Image, data/a.dtb, data/init.gz, manifest.yaml", hint)
        assert.equal(message, (refused(b.path, b, "data/b.dtb")))
        assert.equal(message, (refused(b.check, b)))
        write("data/b.dtb", "")
        b:check()
        message = refused(b.path, b, "data/other")
        assert.equal(("%s: 'data/other' is not in the bundle %s"):format(dir, dir), message)
    end)

    it("follows links inside, and refuses those that lead out", function()
        link("manifest.yaml", "manifest-nxp.yaml")
        link("a.dtb", "data/b.dtb")
        link("../secret", "out")
        link(outer, "data/up")
        link("nowhere", "dangling")
        link("loop", "loop")
        local b = bundle.open(dir, { manifest = "manifest-nxp.yaml" })
        b:check()
        assert.equal(b.root .. "/data/a.dtb", b:path("data/b.dtb"))
        local out = "is a link that leads out of the bundle " .. dir
        assert.truthy(refused(b.path, b, "out"):find(out, 1, true))
        assert.truthy(refused(b.path, b, "data/up/secret"):find(out, 1, true))
        assert.truthy(refused(bundle.open, dir, { manifest = "out" }):find(out, 1, true))
        assert.truthy(refused(b.path, b, "dangling"):find("is not in the bundle", 1, true))
        refused(b.path, b, "loop")
    end)

    it("refuses names that lead out, and what is no file", function()
        local b = bundle.open(dir)
        local cases = {
            { "../secret", "may leave the bundle" },
            { "data/../../secret", "may leave the bundle" },
            { outer .. "/secret", "is absolute" },
            { "", "may leave the bundle" },
            { "data", "is not a file (dir)" },
            { "data/.", "is not a file (dir)" },
            { "data/Image/x", "is not in the bundle" },
            { "a\nb", "control characters" },
        }
        for _, case in ipairs(cases) do
            local message = refused(b.path, b, case[1])
            assert.truthy(message:find(case[2], 1, true), message)
        end
        refused(bundle.open, dir, { manifest = "../secret" })
        refused(bundle.open, dir, { manifest = "nope.yaml" })
        refused(bundle.open, outer .. "/nope")
        assert.truthy(refused(bundle.open, outer .. "/secret"):find("a bundle is a folder", 1, true))
    end)

    it("does not mistake a neighbour with a longer name for itself", function()
        assert(sys.mkdir(outer .. "/bundle-2"))
        assert(sys.write_file(outer .. "/bundle-2/x", "x"))
        link("../bundle-2/x", "x")
        assert.truthy(refused(bundle.open(dir).path, bundle.open(dir), "x"):find("leads out", 1, true))
    end)

    it("reports a broken manifest by its file", function()
        write("manifest.yaml", "kind: [")
        assert.truthy(refused(bundle.open, dir):find(dir .. "/manifest.yaml:", 1, true))
        write("manifest.yaml", MANIFEST .. "more: 1\n")
        assert.equal(1, #bundle.open(dir).manifest.warnings)
        assert.truthy(refused(bundle.open, dir, { strict = true }):find("more: unknown key", 1, true))
    end)
end)
