-- SPDX-License-Identifier: Apache-2.0
--
-- One's own kernel, initramfs and device tree instead of the bundle's, from the
-- command line and from a recipe; and what of the bundle is loaded for a variant.
local scratches = require("tests.support.scratch")
local support = require("tests.e2e.support")
local web = require("tests.support.web")

local BUNDLED = { kernel = "Image", initram = "initramfs.gz", dtb = "board-a.dtb" }

-- A file under a name that a shell would take apart: the bundle's with eight bytes more.
local function own(bench, role)
    local path = bench:path("my; own '" .. role .. "' $x")
    support.write(path, support.read(bench.board.bundle .. "/data/" .. BUNDLED[role]) .. "and more")
    return path
end

-- What U-Boot loaded: "name@address size".
local function loaded(bench)
    local list = {}
    for _, entry in ipairs(bench.board:log("tftp")) do
        list[#list + 1] = ("%s@%x %d"):format(entry.name, entry.address, entry.size_bytes)
    end
    return list
end

local function size_of(bench, role)
    return #support.read(bench.board.bundle .. "/data/" .. BUNDLED[role])
end

-- What is loaded when all three are one's own.
local function all_own(bench)
    return {
        ("own/kernel@40400000 %d"):format(size_of(bench, "kernel") + 8),
        ("own/initram@48000000 %d"):format(size_of(bench, "initram") + 8),
        ("own/dtb@4a000000 %d"):format(size_of(bench, "dtb") + 8),
    }
end

describe("one's own boot files", function()
    it("are loaded instead of the bundle's, which need not be there", function()
        local bench <close> = support.bench()
        local image, expected = bench:image("disk.img"), all_own(bench)
        local kernel, initram, dtb = own(bench, "kernel"), own(bench, "initram"), own(bench, "dtb")
        for _, name in pairs(BUNDLED) do
            assert(os.remove(bench.board.bundle .. "/data/" .. name))
        end
        local result = bench:flash({ image, "--kernel", kernel, "--initram", initram, "--dtb", dtb })
        bench:assert_result(result, { status = 0, storage = "flashed", says = "kernel from " .. kernel })
        assert.same(expected, loaded(bench))
    end)

    it("are named by a recipe, at any time before they are loaded", function()
        local bench <close> = support.bench()
        local expected = all_own(bench)
        local changes = ([[
            recipe:before("prove_source", function(dut) dut:use_kernel(%q) end)
            recipe:after("prepare_bundle", function(dut) dut:use_initram(%q) end)
            recipe:before("load", function(dut) dut:use_dtb(%q) end)
        ]]):format(own(bench, "kernel"), own(bench, "initram"), own(bench, "dtb"))
        local result = bench:run_recipe(changes, { bench:image("disk.img") })
        bench:assert_result(result, { status = 0, storage = "flashed" })
        assert.same(expected, loaded(bench))
    end)

    local function plain(bench)
        return bench:image("disk.img")
    end

    -- A row for a file that is refused before the board is touched.
    local function refused(name, args, message, prepare)
        return {
            name = name, args = args, prepare = prepare or plain, status = 2, step = "prepare_bundle",
            message = message, cycles = 0, storage = "untouched",
        }
    end

    support.rows({
        refused("that are not there are refused", { "--kernel", "/no such/Image" },
            "kernel: /no such/Image: No such file or directory"),
        refused("that are folders are refused", { "--initram", "/tmp" }, "initram: /tmp is not a file (dir)"),
        refused("that are empty are refused", { "--kernel", "/dev/null" }, "kernel: /dev/null is not a file"),
        -- Its mode closes it even to root.
        refused("that cannot be read are refused", { "--kernel", "/sys/bus/platform/drivers_probe" },
            "Permission denied"),
        refused("that are no device tree are refused", { "--dtb", "/proc/self/exe" }, "is no device tree blob"),
        refused("that the manifest has no address for are refused", { "--initram", "/bin/sh" },
            "there is no spec.initram.address to load your initram to", function(bench)
                local path = bench.board.bundle .. "/manifest.yaml"
                local text = support.read(path):gsub("  initram:\n[^\n]*\n[^\n]*\n", "")
                support.write(path, text)
                return bench:image("disk.img")
            end),
    }, it)

    it("say so when the boot command does not look at them", function()
        local bench <close> = support.bench()
        local result = bench:flash({ bench:image("disk.img"), "--variant", "none", "--dtb", own(bench, "dtb") })
        bench:assert_result(result, {
            status = 0, says = "your dtb goes to 0x4a000000, which this boot command does not name",
        })
        assert.equal(3, #loaded(bench))
    end)
end)

describe("boot files from URLs", function()
    local scratch, server

    setup(function()
        scratch = scratches.new()
        server = web.nginx(scratch)
    end)

    teardown(function()
        server:close()
        scratch:close()
    end)

    -- A URL of a copy of the bundle's kernel, larger by eight bytes.
    local function served(bench, folder)
        local name = ("www/%s/Image-%s"):format(folder, bench.mark)
        scratch:write(name, support.read(bench.board.bundle .. "/data/Image") .. "and more")
        return ("%s/%s/Image-%s"):format(server.url, folder, bench.mark)
    end

    -- What the server noted of the last request.
    local function last_request(path)
        local found
        for _, request in ipairs(server:requests(1)) do
            found = request.path:find(path, 1, true) and request or found
        end
        return found
    end

    it("are fetched before the power is touched, without what is meant for the image's server", function()
        local bench <close> = support.bench()
        local url = served(bench, "files")
        local result = bench:flash({
            bench:image("disk.img"), "--kernel", url, "--header", "X-Key: the-key", "--bearer", "the-token",
        })
        bench:assert_result(result, { status = 0, storage = "flashed", says = "kernel from " .. url })
        assert.equal(("own/kernel@40400000 %d"):format(size_of(bench, "kernel") + 8), loaded(bench)[1])
        local request = last_request(bench.mark)
        assert.same({ "", "" }, { request.key, request.auth })
    end)

    it("get what the image's server gets, when it is theirs", function()
        local bench <close> = support.bench()
        local kernel = served(bench, "keyed")
        scratch:write("www/files/disk-" .. bench.mark, bench.content)
        local result = bench:flash({
            ("%s/files/disk-%s"):format(server.url, bench.mark), "--kernel", kernel, "--header", "X-Key: the-key",
        })
        bench:assert_result(result, { status = 0, storage = "flashed", never = { "the-key" } })
    end)

    it("that are not there end the run before the power is touched", function()
        local bench <close> = support.bench()
        local result = bench:flash({ bench:image("disk.img"), "--dtb", server.url .. "/files/none" })
        bench:assert_result(result, { status = 3, step = "prepare_bundle", cycles = 0, message = "404" })
        result = bench:flash({ bench:image("disk.img"), "--dtb", "ftp://example.com/a.dtb" })
        bench:assert_result(result, { status = 2, step = "prepare_bundle", cycles = 0, message = "not by ftp" })
    end)
end)

describe("a manifest that is a link to another file of its bundle", function()
    it("is used under that name, with the files that they share", function()
        local bench <close> = support.bench(nil, { manifest = "manifest-b.yaml" })
        support.shell(("cd '%s' && sed 's/default: board-a/default: board-b/' manifest.yaml >data/b.yaml && "
            .. "ln -s data/b.yaml manifest-b.yaml"):format(bench.board.bundle))
        bench:assert_result(bench:flash({ bench:image("disk.img") }), { status = 0, storage = "flashed" })
        assert.equal("data/board-b.dtb", bench.board:log("boot")[1].dtb)
    end)
end)

describe("a boot command that U-Boot does not know", function()
    it("is told by its words, whatever comes behind it", function()
        local bench <close> = support.bench()
        local result = bench:run_recipe([[
            recipe:before("boot", function(dut)
                dut.variant.bootcmd = "unlz4 0x40400000 0x58000000 0x4000000; "
                    .. "imxtract 0x40400000 initrd 0x5c000000; booti 0x58000000 0x5c000000:10 0x4a000000"
            end)
        ]], { bench:image("disk.img") })
        bench:assert_result(result, {
            status = 5, step = "login", cycles = 1, storage = "untouched",
            message = { "returned to U-Boot with status 1", "Unknown command 'imxtract'" },
        })
    end)
end)

describe("a variant", function()
    -- A bench that flashed with `args`; its board's log says what was loaded and typed.
    local function flashed(args)
        local bench = support.bench()
        bench:assert_result(bench:flash({ bench:image("disk.img"), table.unpack(args) }), { status = 0 })
        return bench
    end

    local function boot_line(bench)
        for _, text in ipairs(bench.board:texts("uboot")) do
            if text:find("booti", 1, true) then
                return text
            end
        end
    end

    it("that is not named is the manifest's default", function()
        local bench <close> = flashed({})
        assert.equal("data/board-a.dtb", bench.board:log("boot")[1].dtb)
    end)

    it("brings the device tree that is asked for, and no other", function()
        local bench <close> = flashed({ "--variant", "board-b" })
        assert.equal("data/board-b.dtb", bench.board:log("boot")[1].dtb)
        assert.equal(3, #loaded(bench))
        assert.equal(1, select(2, table.concat(loaded(bench), "\n"):gsub("%.dtb", "")))
    end)

    it("without a file loads none, and its boot command beats the bundle's", function()
        local bench <close> = flashed({ "--variant", "none" })
        assert.equal(2, #loaded(bench))
        assert.truthy(boot_line(bench):find("^booti 0x40400000 0x48000000:%S+; echo"), boot_line(bench))
    end)
end)
