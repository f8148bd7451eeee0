-- SPDX-License-Identifier: Apache-2.0
local errors = require("jflash.errors")
local manifest = require("jflash.manifest")
local sys = require("jflash.sys")

local corpus = arg[0]:match("^(.*)busted%.lua$") .. "fuzz/corpus/manifest/"

local function text_of(name)
    return assert(sys.read_file(corpus .. name))
end

local full = text_of("full.yaml")

-- The message of the config error that a manifest ends in.
local function refused(text, options)
    local ok, err = pcall(manifest.parse, text, "m.yaml", options)
    assert.is_false(ok)
    assert.is_true(errors.is(err), tostring(err))
    assert.equal("config", err.class)
    return err.message, err.hint
end

local function changed(from, to)
    local at, stop = full:find(from, 1, true)
    assert(at, from)
    return full:sub(1, at - 1) .. to .. full:sub(stop + 1)
end

describe("jflash.manifest", function()
    it("reads every key", function()
        local m = manifest.parse(full, "m.yaml", { strict = true })
        assert.equal("bench-board", m.name)
        assert.equal("m.yaml", m.source)
        assert.same({}, m.warnings)
        assert.same({
            manufacturer = "Acme",
            link = "https://example.com/board",
            bootcmd = "booti 0x82000000 - 0x84000000",
            shelltype = "busybox",
            login = { type = "busybox", login_prompt = "login:", username = "root", password = "1234", prompt = "#" },
            default_target = "usd",
            targets = { usd = "/sys/class/block#4fb0000", emmc = "/dev/mmcblk0" },
            kernel = { file = "data/Image", address = "0x82000000" },
            initram = { file = "data/initramfs.gz", address = "0x8a000000" },
            dtb = {
                default = "plain",
                address = "0x84000000",
                variants = {
                    plain = { file = "data/dtbs/board.dtb" },
                    camera = {
                        file = "data/dtbs/board-camera.dtb",
                        bootcmd = "booti 0x82000000 0x8a000000 0x84000000",
                    },
                    none = {},
                    onboard = { bootcmd = "bootefi bootmgr" },
                },
            },
            preflash_commands = { "wipefs -a /dev/mmcblk0", 'echo "done: $?"' },
        }, m.spec)
    end)

    it("fills in what is left out", function()
        local m = manifest.parse(text_of("fit.yaml"), "m.yaml")
        assert.same({ type = "busybox", login_prompt = "login:", username = "root", prompt = "#" }, m.spec.login)
        assert.equal("busybox", m.spec.shelltype)
        assert.same({}, m.spec.preflash_commands)
        assert.is_nil(m.spec.link)
        assert.is_nil(m.spec.dtb)
        assert.equal("busybox", manifest.parse(text_of("chain.yaml"), "m.yaml").spec.login.type)
    end)

    it("chooses the variant", function()
        local m = manifest.parse(full, "m.yaml")
        local cases = {
            { nil, { name = "plain", file = "data/dtbs/board.dtb", bootcmd = m.spec.bootcmd } },
            {
                "camera",
                {
                    name = "camera",
                    file = "data/dtbs/board-camera.dtb",
                    bootcmd = "booti 0x82000000 0x8a000000 0x84000000",
                },
            },
            { "none", { name = "none", bootcmd = m.spec.bootcmd } },
            { "onboard", { name = "onboard", bootcmd = "bootefi bootmgr" } },
        }
        for _, case in ipairs(cases) do
            assert.same(case[2], m:variant(case[1]))
        end
        local ok, err = pcall(m.variant, m, "camra")
        assert.is_false(ok)
        assert.equal("config", err.class)
        assert.equal("m.yaml: no variant 'camra' (did you mean 'camera'?)", err.message)
        assert.equal("variants of this bundle: camera, none, onboard, plain", err.hint)
    end)

    it("takes a variant that is a file's name alone", function()
        local m = manifest.parse(changed("      none:", "      none: data/dtbs/other.dtb"), "m.yaml", { strict = true })
        assert.same({ name = "none", file = "data/dtbs/other.dtb", bootcmd = m.spec.bootcmd }, m:variant("none"))
        local where = m:files("none")[3].where
        assert.truthy(where:find("^m.yaml:%d+:%d+: spec.dtb.variants.none.file$"), where)
        local message = refused(changed("      none:", "      none: [a]"))
        assert.truthy(message:find("spec.dtb.variants.none: expected a map, found a list", 1, true), message)
    end)

    it("knows no variants without a dtb", function()
        local m = manifest.parse(text_of("fit.yaml"), "m.yaml")
        assert.same({ bootcmd = "bootm 0x90000000#conf-board.dtb" }, m:variant())
        local ok, err = pcall(m.variant, m, "a")
        assert.is_false(ok)
        assert.equal("variants of this bundle: none", err.hint)
    end)

    it("chooses the target", function()
        local m = manifest.parse(full, "m.yaml")
        assert.same({ "/sys/class/block#4fb0000", "usd" }, { m:target() })
        assert.same({ "/dev/mmcblk0", "emmc" }, { m:target("emmc") })
        local ok, err = pcall(m.target, m, "emcm")
        assert.is_false(ok)
        assert.equal("config", err.class)
        assert.equal("m.yaml: no target 'emcm' (did you mean 'emmc'?)", err.message)
        assert.equal("targets of this bundle: emmc, usd", err.hint)
        local own = { usd = { path = "/dev/vdb" }, nvme = { path = "/dev/nvme0n1" } }
        assert.same({ "/dev/vdb", "usd" }, { m:target(nil, own) })
        assert.same({ "/dev/nvme0n1", "nvme" }, { m:target("nvme", own) })
        ok, err = pcall(m.target, m, "nvm", own)
        assert.is_false(ok)
        assert.equal("m.yaml: no target 'nvm' (did you mean 'nvme'?)", err.message)
        assert.equal("targets of this bundle and board: emmc, nvme, usd", err.hint)
        m = manifest.parse(text_of("chain.yaml"), "m.yaml")
        ok, err = pcall(m.target, m)
        assert.is_false(ok)
        assert.equal("m.yaml: no target was named, and the bundle has no default_target", err.message)
    end)

    it("lists what is loaded, in order", function()
        local m = manifest.parse(full, "m.yaml")
        local kernel = {
            role = "kernel",
            file = "data/Image",
            address = "0x82000000",
            where = "m.yaml:20:11: spec.kernel.file",
        }
        local initram = {
            role = "initram",
            file = "data/initramfs.gz",
            address = "0x8a000000",
            where = "m.yaml:23:11: spec.initram.file",
        }
        local dtb = {
            role = "dtb",
            file = "data/dtbs/board-camera.dtb",
            address = "0x84000000",
            where = "m.yaml:32:15: spec.dtb.variants.camera.file",
        }
        assert.same({ kernel, initram, dtb }, m:files("camera"))
        assert.same({ kernel, initram }, m:files("none"))
        assert.equal(4, #m:all_files())
        assert.equal(1, #manifest.parse(text_of("fit.yaml"), "m.yaml"):files())
    end)

    it("says what is wrong, and where", function()
        local cases = {
            {
                "kind: FlashBundleManifest",
                "kind: X",
                "m.yaml:2:7: kind: expected one of FlashBundleManifest, found 'X'",
            },
            {
                "jumpstarter.dev/v1alpha1",
                "example.com/v1",
                "m.yaml:1:13: apiVersion: expected jumpstarter.dev/v1alpha1, found 'example.com/v1'",
            },
            { "name: bench-board", "nome: x", "m.yaml:4:3: metadata.name: missing key" },
            { "bootcmd: booti 0x82000000 - 0x84000000", "x: y", "m.yaml:6:3: spec.bootcmd: missing key" },
            {
                "- 0x84000000",
                "- 0x84\n\n    reset",
                "m.yaml:8:12: spec.bootcmd: a command is one line without control characters",
            },
            {
                "shelltype: busybox",
                "shelltype: zsh",
                "m.yaml:9:14: spec.shelltype: expected one of busybox, found 'zsh'",
            },
            { "usd: /sys", "usd: sys", "spec.targets.usd: 'sys/class/block#4fb0000' is neither a device" },
            { "#4fb0000", "#", "spec.targets.usd: '/sys/class/block#' is neither a device" },
            {
                "default_target: usd",
                "default_target: sd",
                "m.yaml:15:19: spec.default_target: 'sd' is none of the targets: emmc, usd",
            },
            { "default: plain", "default: x", "'x' is none of the variants: camera, none, onboard, plain" },
            { "data/Image", "/boot/Image", "spec.kernel.file: '/boot/Image' is absolute" },
            { "data/Image", "data/../../Image", "spec.kernel.file: 'data/../../Image' may leave the bundle" },
            { "data/Image", "data//Image", "spec.kernel.file: 'data//Image' may leave the bundle" },
            { "data/Image", '"a\\nb"', "spec.kernel.file: a file name has no control characters" },
            { "data/Image", "data/my Image", "takes apart: ' '" },
            { "data/Image", "data/$Image", "takes apart: '$'" },
            { "data/dtbs/board.dtb", "host:board.dtb", "takes apart: ':'" },
            { '"0x82000000"', "RAM", "spec.kernel.address: expected an address like 0x40400000, found 'RAM'" },
            { '    address: "0x84000000"\n', "", "spec.dtb: missing key 'address', since variant 'camera' has a file" },
            { "prompt: \"#\"", "prompt: [a]", "spec.login.prompt: expected text that is not empty, found a list" },
            {
                "preflash_commands:\n",
                "preflash_commands: x\n  a:\n",
                "spec.preflash_commands: expected a list, found 'x'",
            },
        }
        for _, case in ipairs(cases) do
            local message = refused(changed(case[1], case[2]))
            assert.truthy(message:find(case[3], 1, true), message)
        end
    end)

    it("takes the shell's type in both places", function()
        local both = changed("shelltype: busybox\n  login:", "shelltype: busybox\n  login:\n    type: busybox")
        assert.equal("busybox", manifest.parse(both, "m.yaml").spec.shelltype)
    end)

    it("warns of unknown keys, and refuses them when strict", function()
        local text = changed("    username: root", "    usrname: root")
        local m = manifest.parse(text, "m.yaml")
        local expected = "m.yaml:12:5: spec.login.usrname: unknown key (did you mean 'username'?)"
        assert.same({ expected }, m.warnings)
        assert.equal(expected, refused(text, { strict = true }))
    end)

    it("reads a newer version as far as it can", function()
        local text = changed("v1alpha1", "v1beta1")
        assert.same({
            "m.yaml:1:13: apiVersion: 'jumpstarter.dev/v1beta1' is newer than jumpstarter.dev/v1alpha1; read as that",
        }, manifest.parse(text, "m.yaml").warnings)
        refused(text, { strict = true })
    end)

    it("loads files", function()
        assert.equal("one-fit", manifest.load(corpus .. "fit.yaml").name)
        local ok, err = pcall(manifest.load, corpus .. "no such file")
        assert.is_false(ok)
        assert.equal("config", err.class)
        assert.truthy(err.message:find("no such file", 1, true))
    end)
end)

-- Every step that a recipe takes on a manifest.
local function use(text)
    local m = manifest.parse(text, "m.yaml")
    m:all_files()
    m:files()
    m:target()
end

-- One random change to a text.
local function mutate(text)
    if text == "" then
        return "\n"
    end
    local at = math.random(#text)
    local choice = math.random(5)
    if choice == 1 then
        return text:sub(1, at)
    elseif choice == 2 then
        return text:sub(1, at - 1) .. string.char(math.random(0, 255)) .. text:sub(at + 1)
    elseif choice == 3 then
        return text:sub(1, at) .. text:sub(math.min(#text, at + math.random(40)))
    elseif choice == 4 then
        local words = { "null", "[]", "{}", "''", "*a", "&a ", "- ", ": ", "\n", "0x", "<<: " }
        return text:sub(1, at) .. words[math.random(#words)] .. text:sub(at + 1)
    end
    local from = math.random(#text)
    return text:sub(1, at) .. text:sub(from, from + math.random(60)) .. text:sub(at + 1)
end

describe("any manifest", function()
    it("ends in a value or an error object", function()
        local names = assert(sys.list(corpus))
        local seed = os.time()
        math.randomseed(seed)
        assert.is_true(#names > 20)
        for _, name in ipairs(names) do
            local text = text_of(name)
            for round = 0, #text > 0 and 100 or 0 do
                local ok, err = pcall(use, text)
                if not ok and not errors.is(err) then
                    error(("seed %d, %s, round %d: %s\n%s"):format(seed, name, round, err, text))
                end
                text = mutate(text_of(name))
                for _ = 1, round % 3 do
                    text = mutate(text)
                end
            end
        end
    end)
end)
