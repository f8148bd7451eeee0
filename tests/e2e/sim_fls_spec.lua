-- SPDX-License-Identifier: Apache-2.0
--
-- The method `fls` with a stand-in for that program (tests/sim/fls-stand-in.sh), which takes
-- its command line and does the write.
local image = require("jflash.image")
local scratches = require("tests.support.scratch")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")
local web = require("tests.support.web")

local STAND_IN = assert(sys.realpath("tests/sim/fls-stand-in.sh"))
local BLOCK = 4096

local function with_stand_in(row)
    row.args = row.args or {}
    table.move({ "--method", "fls", "--fls-binary-url", STAND_IN }, 1, 4, #row.args + 1, row.args)
    return row
end

-- A copy of the stand-in that fails; returns its path.
local function faulty(bench, fault)
    local path = bench:path("fls-that-fails")
    support.write(path, (support.read(STAND_IN):gsub("\nFAULT=\n", "\nFAULT=" .. fault .. "\n", 1)))
    return path
end

-- What the stand-in was called with on the board.
local function arguments(bench)
    return support.read(bench.board.dir .. "/root/tmp/fls-stand-in.args")
end

describe("--method fls", function()
    support.rows({
        with_stand_in({
            name = "writes an image that fls decodes by itself", image = "disk.img.xz",
            status = 0, storage = "flashed", says = { "flashed and verified", "fls from " .. STAND_IN },
            never = { "this host decodes" },
            also = function(bench)
                local line = arguments(bench)
                assert.truthy(line:find("^from%-url %-i 1.0 %-n http://127.0.0.1:%d+/%S*%.xz /dev/vda\n$"), line)
            end,
        }),
        with_stand_in({
            name = "writes a raw image of whole blocks directly", image = "disk.img",
            content = support.bytes(256 * BLOCK), status = 0, storage = "flashed",
            also = function(bench)
                assert.truthy(arguments(bench):find(" --o-direct http", 1, true))
            end,
        }),
        with_stand_in({
            name = "pads nothing behind an image of odd size", image = "disk.img.gz",
            status = 0, storage = "flashed",
            also = function(bench)
                assert.is_nil(arguments(bench):find("--o-direct", 1, true))
            end,
        }),
        with_stand_in({
            name = "gets what fls cannot decode decoded by this host", image = "disk.img.zst",
            status = 0, storage = "flashed", says = "this host decodes while serving",
            also = function(bench)
                assert.truthy(arguments(bench):find("%.raw "))
            end,
        }),
        with_stand_in({
            name = "goes by content, whatever the image is called",
            prepare = function(bench)
                local path = bench:path("image.raw")
                support.write(path, support.read(bench:image("disk.img.xz")))
                return path
            end,
            status = 0, storage = "flashed",
        }),
        with_stand_in({
            name = "finds out by reading back what fls did not write",
            options = { faults = { { kind = "disk", flip_at = 1 << 20 } } }, status = 5, step = "verify",
            message = "read-back differs",
        }),
        with_stand_in({
            name = "tells an I/O error from others, and does not repeat it", config = { retries = 2 },
            options = { faults = { { kind = "disk", bad_write_at = 2 << 20 } } },
            status = 5, step = "write", cycles = 1, message = { "I/O error", "fls said" },
        }),
    }, it)

    local function fails(fault, wanted)
        return function()
            local bench <close> = support.bench({}, wanted.config)
            local result = bench:flash({ bench:image("disk.img"), "--method", "fls", "--fls-binary-url",
                faulty(bench, fault) })
            bench:assert_result(result, wanted)
        end
    end

    it("takes a panic for a failure, although the status is 0", fails("panic", {
        status = 5, step = "write", message = "panicked at src/fls", storage = "untouched",
    }))

    it("believes the exit status", fails("status", {
        status = 5, step = "write", message = "fls ended with status 1",
    }))

    it("gives up when nothing moves, and leaves nothing running", fails("hang", {
        status = 5, step = "write", message = "no progress for 4 s", storage = "untouched",
    }))
end)

describe("the fls program", function()
    local function refused(name, args, wanted)
        it(name, function()
            local bench <close> = support.bench()
            local all = { bench:image("disk.img"), "--method", "fls" }
            table.move(args, 1, #args, #all + 1, all)
            wanted.storage, wanted.cycles = "untouched", wanted.cycles or 0
            bench:assert_result(bench:flash(all), wanted)
        end)
    end

    refused("from a URL needs a digest", { "--fls-binary-url", "http://127.0.0.1:9/fls" },
        { status = 2, message = "must come with its digest", hint = "--fls-sha256" })
    refused("that is not there is refused before the power is touched", { "--fls-binary-url", "/nonexistent/fls" },
        { status = 2, message = "/nonexistent/fls" })
    refused("is either a version or a URL", { "--fls-version", "0.3.0", "--fls-binary-url", STAND_IN },
        { status = 2, message = "exclude each other" })
    refused("of a version that cannot be one is refused", { "--fls-version", "../../x" },
        { status = 2, message = "is no version" })
    refused("with another digest is not run", { "--fls-binary-url", STAND_IN, "--fls-sha256", ("0"):rep(64) },
        { status = 3, step = "preflash", cycles = 1, message = "--fls-sha256 says" })

    it("for another machine is not run", function()
        local bench <close> = support.bench()
        local path = bench:path("fls")
        -- Of a 64-bit ELF file: e_type 2, e_machine 243.
        support.write(path, "\127ELF\2\1\1" .. ("\0"):rep(9) .. "\2\0\243\0" .. ("\0"):rep(44))
        bench:assert_result(bench:flash({ bench:image("disk.img"), "--method", "fls", "--fls-binary-url", path }),
            { status = 2, step = "preflash", message = "is built for riscv64", storage = "untouched" })
    end)

    it("is the copy that is installed here when the version is empty", function()
        local bench <close> = support.bench()
        local args = { bench:image("disk.img"), "--method", "fls", "--fls-version", "" }
        local path = bench.dir .. ":" .. os.getenv("PATH")
        bench:assert_result(bench:flash(args, { env = { PATH = path } }), {
            status = 2, step = "preflash", message = "is installed on this host", storage = "untouched",
            hint = "/usr/local/lib/jflash/fls-",
        })
        support.write(bench:path("fls"), support.read(STAND_IN))
        bench:assert_result(bench:flash(args, { env = { PATH = path } }), {
            status = 0, storage = "flashed", says = "fls from " .. bench:path("fls"),
        })
    end)

    it("is an option of its method alone", function()
        local bench <close> = support.bench()
        bench:assert_result(bench:flash({ bench:image("disk.img"), "--fls-version", "0.3.0" }),
            { status = 2, message = "are for --method fls" })
    end)
end)

describe("fls and a server", function()
    local scratch, server

    setup(function()
        scratch = scratches.new()
        server = web.nginx(scratch, { tls = true })
    end)

    teardown(function()
        server:close()
        scratch:close()
    end)

    local function publish(path, name)
        scratch:sh(("cp '%s' 'www/files/%s' && chmod 644 www/files/*"):format(path, name))
        return server.url .. "/files/" .. name
    end

    local CURL = { programs = { "/usr/bin/curl" } }

    local function dut_fetch(bench, url, args)
        local all = { url, "--dut-fetch", "--method", "fls", "--fls-binary-url", STAND_IN, "--cacert", server.cacert }
        table.move(args or {}, 1, #(args or {}), #all + 1, all)
        return bench:flash(all)
    end

    it("is fetched by this host, with its digest", function()
        local bench <close> = support.bench()
        local digest = support.sha256(support.read(STAND_IN))
        local args = { bench:image("disk.img"), "--method", "fls", "--fls-binary-url", publish(STAND_IN, "fls"),
            "--fls-sha256", digest }
        bench:assert_result(bench:flash(args), { status = 3, step = "preflash", storage = "untouched",
            message = "certificate" })
        table.move({ "--cacert", server.cacert }, 1, 2, #args + 1, args)
        bench:assert_result(bench:flash(args), { status = 0, storage = "flashed", says = "sha256:" .. digest })
        args[#args - 2] = ("0"):rep(64)
        bench:assert_result(bench:flash(args), { status = 3, step = "preflash", message = "--fls-sha256 says" })
    end)

    it("makes an image that fls fetched by itself written, not verified", function()
        local bench <close> = support.bench(CURL)
        local result = dut_fetch(bench, publish(bench:image("disk.img.xz"), "disk.img.xz"))
        bench:assert_result(result, { status = 0, storage = "flashed", never = { "flashed and verified" },
            says = "written, not verified (nobody has seen what the board fetched)" })
        local line = arguments(bench)
        assert.truthy(line:find("--cacert /tmp/jflash/fetch.ca " .. server.url .. "/files/disk.img.xz ", 1, true), line)
    end)

    it("lets the digest of an image that is not compressed be compared", function()
        local bench <close> = support.bench(CURL)
        local path = bench:image("disk.img")
        local result = dut_fetch(bench, publish(path, "disk.img"), { "--os-image-checksum", (image.sha256_file(path)) })
        bench:assert_result(result, { status = 0, storage = "flashed", says = "flashed and verified" })
        result = dut_fetch(bench, server.url .. "/files/disk.img", { "--os-image-checksum", ("0"):rep(64) })
        bench:assert_result(result, { status = 5, step = "verify", message = "read-back differs" })
    end)

    it("refuses what fls would show, or take for something else", function()
        local bench <close> = support.bench(CURL)
        local url = publish(bench:image("disk.img.xz"), "disk.raw")
        bench:assert_result(dut_fetch(bench, url), { status = 2, step = "preflash", storage = "untouched",
            message = "is xz by its content, and fls goes by a URL's ending" })
        bench:assert_result(dut_fetch(bench, url, { "--bearer", "the-token" }),
            { status = 2, step = "prepare_bundle", message = "process list", never = { "the-token" } })
        bench:assert_result(dut_fetch(bench, url .. "?x=disk.xz"), { status = 2, message = "process list" })
    end)
end)
