-- SPDX-License-Identifier: Apache-2.0
--
-- Images made, and damaged, with the tools that people use.
local image = require("jflash.image")
local scratch = require("tests.support.scratch")

describe("images made by", function()
    local dir, plain, plain_sha256

    setup(function()
        dir = scratch.new()
        -- Text, a program and zeros, so that every kind of block occurs.
        dir:sh("{ seq 1 60000; cat /bin/sh; head -c 700000 /dev/zero; seq 1 9000; } > disk.img")
        plain = dir:file("disk.img")
        plain_sha256 = image.sha256_file(plain)
    end)

    teardown(function()
        dir:close()
    end)

    local function prove(path, options)
        options = options or {}
        options.file = path
        local img <close> = assert(image.open(options))
        assert(img:prove())
        return img:wait({ timeout_s = 60 })
    end

    local function failure(value, message, code, hint)
        assert.is_nil(value)
        return message, code, hint
    end

    local good = {
        { "xz", "xz -T1 -c disk.img" },
        { "xz", "xz -9e -c disk.img" },
        { "xz", "xz --check=none -c disk.img" },
        { "xz", "xz --check=crc32 -c disk.img" },
        { "xz", "xz --check=sha256 -c disk.img" },
        { "xz", "xz -T2 --block-size=100KiB -c disk.img" },
        { "xz", "xz --x86 --lzma2 -c disk.img" },
        { "xz", "pixz -p 2 < disk.img" },
        { "xz", "xz -c disk.img; head -c 8 /dev/zero" },
        { "gzip", "gzip -c disk.img" },
        { "gzip", "gzip -1 -n < disk.img" },
        { "gzip", "pigz -p 2 -c disk.img" },
        { "gzip", "gzip -c disk.img; head -c 512 /dev/zero" },
        { "bzip2", "bzip2 -c disk.img" },
        { "bzip2", "bzip2 -1 -c disk.img" },
        { "zstd", "zstd -q -c disk.img" },
        { "zstd", "zstd -q -19 --long=27 -c disk.img" },
        { "zstd", "zstd -q --no-check < disk.img" },
        { "zstd", "zstd -q -T2 -B100KB --ultra -20 -c disk.img" },
        { "lz4", "lz4 -q -c disk.img" },
        { "lz4", "lz4 -q -9 -B4 -BD -BX --content-size -c disk.img" },
        { "lz4", "lz4 -q --no-frame-crc < disk.img" },
        { "lz4", "lz4 -q -B5 -BD -c disk.img" },
    }
    for _, case in ipairs(good) do
        local format, command = case[1], case[2]
        it(command, function()
            dir:sh(("( %s ) > packed"):format(command))
            for _, threads in ipairs({ 1, 2 }) do
                local result = assert(prove(dir:file("packed"), { threads = threads }))
                assert.equal(format, result.format)
                assert.equal(plain_sha256, result.decoded_sha256)
                assert.equal(image.sha256_file(dir:file("packed")), result.delivered_sha256)
            end
        end)
    end

    local packers = {
        xz = "xz -0 -c",
        ["xz, blocks"] = "xz -0 -T2 --block-size=100KiB -c",
        gzip = "gzip -c",
        bzip2 = "bzip2 -c",
        zstd = "zstd -q -c",
        lz4 = "lz4 -q -c",
    }
    for name, packer in pairs(packers) do
        local format = name:match("^%w+")

        local function pack()
            dir:sh(packer .. " disk.img > packed")
            return dir:file("packed"), #dir:read("packed")
        end

        it(name .. ", concatenated", function()
            dir:sh(("{ %s disk.img; %s disk.img; } > packed"):format(packer, packer))
            dir:sh("cat disk.img disk.img > twice")
            local result = assert(prove(dir:file("packed")))
            assert.equal(image.sha256_file(dir:file("twice")), result.decoded_sha256)
        end)

        it(name .. ", cut", function()
            local path, size = pack()
            for _, keep in ipairs({ size - 1, size - 5, size - size // 3, size // 2, 300, 20 }) do
                dir:sh("head -c " .. keep .. " packed > cut")
                for _, threads in ipairs({ 1, 2 }) do
                    local message, code = failure(prove(dir:file("cut"), { threads = threads }))
                    assert.equal("closed", code, message)
                    assert.is_truthy(message:find(": truncated: the " .. format
                        .. " data ends early, after ", 1, true), message)
                end
            end
            assert.is_truthy(path)
        end)

        it(name .. ", with one byte flipped", function()
            local path, size = pack()
            local bytes = dir:read("packed")
            for _, at in ipairs({ size // 3, size // 2, size - size // 4 }) do
                local flipped = string.char(bytes:byte(at) ~ 0x40)
                dir:write("packed", bytes:sub(1, at - 1) .. flipped .. bytes:sub(at + 1))
                for _, threads in ipairs({ 1, 2 }) do
                    local message, code = failure(prove(path, { threads = threads }))
                    assert.equal("checksum", code, message)
                    assert.is_truthy(message:find(": damaged: the " .. format, 1, true), message)
                end
            end
        end)

        it(name .. ", with junk behind", function()
            local path, size = pack()
            dir:sh("printf 'not part of it' >> packed")
            for _, threads in ipairs({ 1, 2 }) do
                local message, code = failure(prove(path, { threads = threads }))
                assert.equal("protocol", code)
                assert.equal(("%s: trailing junk: something else follows the end of the %s data "
                    .. "at byte %d"):format(path, format, size), message)
            end
        end)

        it(name .. ", of nothing", function()
            dir:sh(packer .. " < /dev/null > packed")
            local img <close> = assert(image.open({ file = dir:file("packed") }))
            local message, code = failure(img:probe())
            assert.equal("closed", code, message)
            assert.equal("closed", select(3, prove(dir:file("packed"))))
        end)

        it(name .. ", damaged early: a probe finds it", function()
            local path = pack()
            dir:sh("printf XXXX | dd of=packed bs=1 seek=2000 conv=notrunc")
            local img <close> = assert(image.open({ file = path }))
            local message, code = failure(img:probe())
            assert.equal("checksum", code, message)
        end)
    end

    it("xz, padded by what is no multiple of four", function()
        dir:sh("{ xz -0 -c disk.img; head -c 6 /dev/zero; } > packed")
        local message, code = failure(prove(dir:file("packed")))
        assert.equal("protocol", code)
        assert.is_truthy(message:find("trailing junk: 6 zero bytes follow the xz data", 1, true))
    end)

    describe("tools that ask for much memory:", function()
        it("xz", function()
            dir:sh("xz --lzma2=dict=64MiB -c disk.img > packed")
            local img <close> = assert(image.open({ file = dir:file("packed"),
                memlimit_bytes = 32 << 20 }))
            local message, code = failure(img:probe())
            assert.equal("limit", code)
            assert.equal(dir:file("packed") .. ": xz: decoding needs 65 MiB of memory, "
                .. "the limit is 32 MiB", message)
            assert.equal("limit", select(3, prove(dir:file("packed"),
                { memlimit_bytes = 32 << 20 })))
            assert.is_truthy(prove(dir:file("packed")))
        end)

        it("zstd", function()
            -- Through a pipe, so that zstd does not know how small the file is.
            dir:sh("cat disk.img | zstd -q --long=27 > packed")
            local message, code = failure(prove(dir:file("packed"), { memlimit_bytes = 64 << 20 }))
            assert.equal("limit", code)
            assert.equal(dir:file("packed") .. ": zstd: decoding needs 128 MiB of memory for its "
                .. "window, the limit is 64 MiB", message)
            assert.is_truthy(prove(dir:file("packed")))
            dir:sh("cat disk.img | zstd -q --ultra --long=31 > packed")
            assert.equal("limit", select(3, prove(dir:file("packed"))))
        end)
    end)

    describe("tools whose output cannot be written:", function()
        local refused = {
            { "android-sparse", "img2simg raw.img packed", "simg2img %s image.raw" },
            { "qcow2", "qemu-img convert -O qcow2 raw.img packed" },
            { "vmdk", "qemu-img convert -O vmdk raw.img packed" },
            { "vhdx", "qemu-img convert -O vhdx raw.img packed" },
            { "vhd", "qemu-img convert -O vpc raw.img packed" },
            { "vdi", "qemu-img convert -O vdi raw.img packed" },
            { "tar", "tar -cf packed raw.img", "tar -xf %s  # then flash the image that was inside" },
            { "tar", "tar --format=v7 -cf - raw.img | tar --format=pax -cf packed raw.img" },
            { "cpio", "echo raw.img | cpio -o -H newc > packed" },
            { "ar", "rm -f packed; ar rc packed raw.img" },
            { "zip", "rm -f packed; zip -q - raw.img > packed" },
            { "7z", "rm -f packed packed.7z; 7z a packed.7z raw.img; mv packed.7z packed" },
            { "lzip", "lzip -c raw.img > packed" },
            { "lzma", "xz --format=lzma -c raw.img > packed" },
            { "lzop", "lzop -c raw.img > packed" },
            { "compress", "compress -c raw.img > packed" },
            { "lz4-legacy", "lz4 -q -l -c raw.img > packed" },
            { "html", "printf '\\n<!DOCTYPE HTML>\\n<title>404</title>' > packed" },
        }
        for _, case in ipairs(refused) do
            it(case[2], function()
                dir:sh("head -c 1048576 disk.img > raw.img")
                dir:sh(case[2])
                local path = dir:file("packed")
                local img <close> = assert(image.open({ file = path }))
                assert.equal(case[1], img:format())
                local message, code, hint = failure(img:probe())
                assert.equal("unsupported", code, message)
                assert.equal(path .. ": is ", message:sub(1, #path + 5))
                assert.is_truthy(hint)
                if case[3] then
                    assert.equal(case[3]:format(path), hint)
                end

                dir:sh("gzip -c packed > packed.gz")
                local inside <close> = assert(image.open({ file = path .. ".gz" }))
                message, code, hint = failure(inside:probe())
                assert.equal("unsupported", code)
                assert.is_truthy(message:find(": the gzip data holds ", 1, true))
                assert.is_truthy(hint)
                assert.equal("unsupported", select(3, prove(path .. ".gz")))
            end)
        end

        it("tar, compressed", function()
            dir:sh("tar -cJf packed disk.img")
            local path = dir:file("packed")
            local message, code, hint = failure(prove(path))
            assert.equal(path .. ": the xz data holds a tar archive: it cannot be written as it is",
                message)
            assert.equal("unsupported", code)
            assert.equal(("xz -dc %s > image.tar && tar -xf image.tar  "
                .. "# then flash the image that was inside"):format(path), hint)
        end)
    end)

    it("tools, with more than 4 GiB inside", function()
        for _, packer in ipairs({ "gzip -c", "zstd -q -c", "lz4 -q -c" }) do
            dir:sh(("head -c 64M /dev/zero | %s > part"):format(packer))
            dir:sh("for i in $(seq 65); do cat part; done > packed")
            local img <close> = assert(image.open({ file = dir:file("packed") }))
            -- Without digests, which would only make it slow.
            img:prove({ digest = false })
            local result = assert(img:wait({ timeout_s = 120 }))
            assert.equal(65 * (64 << 20), result.decoded_bytes)
            assert.is_nil(result.decoded_sha256)
        end
    end)

    describe("the memory that a flash needs stays bounded:", function()
        -- The peak of a process that proves and streams, in MiB.
        local function peak_mib(path, options)
            local script = dir:write("run.lua", ([[
                local image = require("jflash.image")
                local img <close> = assert(image.open({ file = arg[1], %s }))
                assert(img:prove())
                assert(img:wait())
                local stream <close> = assert(img:stream({ decode = true }))
                for part in function() return stream:read(65536) end do assert(#part > 0) end
                assert(stream:wait())
                local status = assert(io.open("/proc/self/status")):read("a")
                print(status:match("VmHWM:%%s+(%%d+)"))
            ]]):format(options))
            local text = scratch.capture(("'%s' run '%s' '%s'"):format(scratch.jflash(), script,
                path))
            return tonumber(text) / 1024
        end

        -- Sanitizers have their own idea of memory.
        local sanitized = scratch.capture("ldd /proc/$PPID/exe"):find("lib[at]san") ~= nil

        it("48 MiB with one thread, whatever the size", function()
            if sanitized then
                return
            end
            dir:sh("for i in $(seq 25); do cat disk.img; done > long.img")
            dir:sh("xz -T2 --block-size=8MiB --lzma2=preset=0,dict=8MiB -c long.img > long.xz")
            local peak = peak_mib(dir:file("long.xz"), "threads = 1")
            assert.is_true(peak < 48, peak .. " MiB")
            peak = peak_mib(dir:file("long.xz"), "threads = 2")
            assert.is_true(peak < 130, peak .. " MiB")
        end)
    end)
end)
