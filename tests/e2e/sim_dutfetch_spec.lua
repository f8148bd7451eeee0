-- SPDX-License-Identifier: Apache-2.0
--
-- --dut-fetch: the board fetches by itself, with the host's curl or busybox's wget,
-- from nginx.
local scratches = require("tests.support.scratch")
local support = require("tests.e2e.support")
local sys = require("jflash.sys")
local web = require("tests.support.web")

local CURL = { programs = { "/usr/bin/curl" } }
local TOKEN = "the-token"
local SIGNATURE = "signed-by-somebody"

describe("--dut-fetch", function()
    local scratch, server, tls

    setup(function()
        scratch = scratches.new()
        server = web.nginx(scratch)
        tls = { scratch = scratches.new() }
        tls.server = web.nginx(tls.scratch, { tls = true })
    end)

    teardown(function()
        for _, one in ipairs({ server, tls.server }) do
            one:close()
        end
        scratch:close()
        tls.scratch:close()
    end)

    -- Puts the bench's image where a server has it, and returns its URL.
    local function publish(bench, from, folder, name)
        local path = bench:image((name:gsub("%?.*", "")))
        from.scratch:sh(("cp '%s' www/%s/ && chmod 644 www/%s/*"):format(path, folder, folder))
        return ("%s/%s/%s"):format(from.url, folder, name)
    end

    local function flash(bench, url, args)
        local all = { url, "--dut-fetch" }
        table.move(args or {}, 1, #(args or {}), #all + 1, all)
        return bench:flash(all)
    end

    -- One run: what is served where, with which arguments.
    local function row(wanted)
        it(wanted.name, function()
            local bench <close> = support.bench(wanted.options or CURL, wanted.config)
            bench.content = wanted.content or bench.content
            local from = wanted.tls and tls.server or server
            local url = publish(bench, from, wanted.folder or "files", wanted.file or "disk.img")
            url = wanted.path and from.url .. wanted.path or url
            local args = { table.unpack(wanted.args or {}) }
            if wanted.trust then
                table.move({ "--cacert", tls.server.cacert }, 1, 2, #args + 1, args)
            end
            local result = flash(bench, url, args)
            bench:assert_result(result, wanted)
            if wanted.also then
                wanted.also(bench, result)
            end
        end)
    end

    -- Nothing of the image came through this host.
    local function assert_direct(bench)
        assert.is_nil(table.concat(bench.board:texts("shell"), "\n"):find("/image", 1, true))
    end

    row({
        name = "writes what curl fetches over TLS, hashed on its way", tls = true, trust = true, file = "disk.img.xz",
        status = 0, storage = "flashed", says = { "flashed and verified", "the board reaches https://" },
        also = assert_direct,
    })
    row({
        name = "writes what busybox's wget fetches", options = {}, file = "disk.img.gz",
        status = 0, storage = "flashed", says = "flashed and verified",
    })
    row({
        name = "goes by content, whatever the URL is called", file = "disk.img.xz?x=1&name=disk.raw",
        status = 0, storage = "flashed",
    })
    row({
        name = "follows a redirect", path = "/moved/", status = 0, storage = "flashed",
    })
    row({
        name = "compares the digest that was delivered", file = "disk.img.xz",
        args = { "--os-image-checksum", ("0"):rep(64) },
        status = 3, step = "write", message = "wanted is sha256:000000", hint = "the storage holds what was fetched",
        never = { "written, not verified" },
    })
    row({
        name = "is found out when a byte flips behind the write",
        options = { programs = CURL.programs, faults = { { kind = "disk", flip_at = 1 << 20 } } },
        status = 5, step = "verify", message = "read-back differs",
    })
    row({
        name = "ends the download when the storage fails", config = { retries = 2 },
        options = { programs = CURL.programs, faults = { { kind = "disk", bad_write_at = 1 << 20 } } },
        status = 5, step = "write", cycles = 1, message = "I/O error",
    })

    describe("before the first write", function()
        local function refused(wanted)
            wanted.step = wanted.step or "preflash"
            wanted.storage, wanted.cycles = "untouched", wanted.cycles or 1
            row(wanted)
        end
        refused({
            name = "finds out that the server is not known to the board", tls = true,
            status = 3, message = "the board cannot fetch https://", hint = "--cacert",
        })
        refused({ name = "finds out that there is nothing", path = "/files/none", status = 3, message = "404" })
        refused({
            name = "finds that out with wget too", path = "/files/none", options = {},
            status = 3, message = { "the board cannot fetch http://", "404" }, hint = "is the URL right?",
        })
        refused({
            name = "finds out that it is not allowed", folder = "bearer", status = 3, message = "401",
            hint = "--bearer",
        })
        refused({
            name = "finds out that nobody answers", path = ":1/x",
            status = 3, message = "the board cannot fetch http://", hint = "a way to 127.",
        })
        refused({ name = "refuses a web page", path = "/page/", status = 6, message = "is a web page" })
        refused({
            name = "refuses what a compressed image holds", file = "disk.img.xz",
            content = "QFI\xfb\0\0\0\3" .. ("\0"):rep(1 << 20),
            status = 6, message = "holds a qcow2 disk", hint = "qemu-img",
        })
        refused({
            name = "refuses what the board cannot decode", file = "disk.img.zst",
            status = 2, message = "no decoder for zstd", hint = "leave out --dut-fetch",
        })
        refused({
            name = "refuses a raw image that does not fit", content = support.bytes(7 << 20),
            status = 6, message = "/dev/vda only",
        })
        refused({
            name = "refuses an empty image", content = "", status = 6, message = "it is empty",
        })
        refused({
            name = "refuses https where there is only wget", tls = true, trust = true, options = {},
            status = 2, message = "its wget knows no https",
        })
        refused({
            name = "refuses to show a token in wget's arguments", options = {}, folder = "bearer",
            args = { "--bearer", TOKEN }, status = 2, message = "process list", never = { TOKEN },
        })
        refused({
            name = "does not carry headers of one's own behind a redirect", path = "/moved/",
            args = { "--header", "X-Key: the-key" }, status = 3, hint = "follow no redirect",
        })
    end)

    -- Every place where a secret could have been left.
    local function assert_nowhere(bench, result, secrets)
        for _, secret in ipairs(secrets) do
            assert.is_nil(result.stderr:find(secret, 1, true), result.stderr)
            assert.is_nil(table.concat(bench.board:texts("shell"), "\n"):find(secret, 1, true))
            local found = support.shell(("grep -rlF -e '%s' '%s/.local' '%s/root/tmp' '%s/root/root' || :"):format(
                secret, bench.dir, bench.board.dir, bench.board.dir))
            assert.equal("", found)
        end
        local left = ("ls '%s/root/tmp/jflash' | grep -E '^(fetch|head)' || :"):format(bench.board.dir)
        assert.equal("", support.shell(left))
    end

    it("sends a token and shows it nowhere", function()
        local bench <close> = support.bench(CURL)
        local url = publish(bench, tls.server, "bearer", "disk.img.xz?sig=" .. SIGNATURE)
        local result = flash(bench, url, { "--cacert", tls.server.cacert, "--bearer", TOKEN })
        bench:assert_result(result, { status = 0, storage = "flashed" })
        assert_nowhere(bench, result, { TOKEN, SIGNATURE })
    end)

    it("takes a URL as it is written", function()
        local bench <close> = support.bench(CURL)
        local url = publish(bench, server, "files", "disk.img") .. "?a=$(touch${IFS}/tmp/run)`touch /tmp/run`&[1-3]"
        url = url:gsub(" ", "%%20")
        bench:assert_result(flash(bench, url), { status = 0, storage = "flashed" })
        assert.is_nil((sys.stat(bench.board.dir .. "/root/tmp/run")))
        local requests = server:requests()
        assert.truthy(requests[#requests].path:find("$(touch${IFS}", 1, true))
        assert.truthy(requests[#requests].path:find("&[1-3]", 1, true))
    end)

    -- The command lines of the curls that run, as any process on the board sees them.
    local function curls()
        return support.shell("for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f 2>/dev/null | grep '^curl ' ; done; :")
    end

    it("has no secret in the process list while it fetches", function()
        local bench <close> = support.bench(CURL)
        bench.content = support.bytes(1200000)
        local url = publish(bench, server, "slow", "disk.img?sig=" .. SIGNATURE)
        local run = bench:start_flash({ url, "--dut-fetch", "--bearer", TOKEN, "--header", "X-Key: the-key-of-it" })
        local seen = ""
        run:wait_until("the board's curl", function()
            seen = curls()
            return seen:find("fetch.conf", 1, true)
        end)
        for _, secret in ipairs({ TOKEN, SIGNATURE, "the-key-of-it", server.host }) do
            assert.is_nil(seen:find(secret, 1, true), seen)
        end
        local result = run:wait()
        bench:assert_result(result, { status = 0, storage = "flashed" })
        assert_nowhere(bench, result, { TOKEN, SIGNATURE, "the-key-of-it" })
    end)

    it("is tried again when the download was cut", function()
        local bench <close> = support.bench(CURL, { retries = 1 })
        local faulty <close> = web.faulty(scratch, bench.content)
        -- The first request is the look at the beginning.
        local result = flash(bench, faulty.url .. "/disk.img?cut=2000000&cuts=2")
        bench:assert_result(result, { status = 0, storage = "flashed", cycles = 1, says = "trying again from write" })
    end)

    it("gives up a download that stands still, and leaves nothing running", function()
        local bench <close> = support.bench(CURL)
        local faulty <close> = web.faulty(scratch, bench.content)
        local result = flash(bench, faulty.url .. "/disk.img?hang=2000000")
        bench:assert_result(result, { status = 5, step = "write", message = "no progress for 4 s" })
    end)

    it("finds out that the server has another image at the second try", function()
        local bench <close> = support.bench(CURL, { retries = 1 })
        bench.board:set_fault({ kind = "disk", flip_at = 1 << 20, times = 1 })
        local faulty <close> = web.faulty(scratch, bench.content)
        local result = flash(bench, faulty.url .. "/disk.img?change=3&quiet=1")
        bench:assert_result(result, { status = 3, step = "write", message = "another content than the first time" })
    end)

    it("finds a damaged image out by itself", function()
        local bench <close> = support.bench(CURL, { retries = 2 })
        local path = bench:image("disk.img.xz")
        local bytes = support.read(path)
        local middle = #bytes // 2
        bytes = bytes:sub(1, middle) .. ("damage"):rep(9) .. bytes:sub(middle + 55)
        support.write(scratch:file("www/files/bad.xz"), bytes)
        bench:assert_result(flash(bench, server.url .. "/files/bad.xz"),
            { status = 6, step = "write", message = "decoding ended with 1", cycles = 1 })
    end)

    it("is for URLs, and not for what this host fetches", function()
        local bench <close> = support.bench(CURL)
        local path = bench:image("disk.img")
        bench:assert_result(flash(bench, path), { status = 2, message = "is no http, https or oci URL", cycles = 0 })
        bench:assert_result(flash(bench, server.url .. "/x", { "--force-exporter-http" }),
            { status = 2, message = "exclude each other", cycles = 0 })
        bench:assert_result(flash(bench, server.url .. "/a b"), { status = 2, message = "no spaces", cycles = 0 })
    end)
end)
