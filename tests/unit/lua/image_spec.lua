-- SPDX-License-Identifier: Apache-2.0
local image = require("jflash.image")
local job = require("jflash.job")
local scratch = require("tests.support.scratch")

describe("jflash.image", function()
    local dir

    before_each(function()
        dir = scratch.new()
    end)

    after_each(function()
        collectgarbage()
        dir:close()
    end)

    -- A whole image, and its digest.
    local function raw_image(name)
        local bytes = ("a block of an image. "):rep(50000)
        return dir:write(name or "disk.img", bytes), bytes
    end

    local function failure(...)
        local value, message, code, hint = ...
        assert.is_nil(value)
        return message, code, hint
    end

    describe("digests", function()
        it("of strings", function()
            assert.equal("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                image.sha256(""))
            assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                image.sha256("abc"))
        end)

        it("of files, whatever they hold", function()
            local path = dir:write("abc.tar", ("\0"):rep(257) .. "ustar")
            local hex, size = image.sha256_file(path)
            assert.equal(image.sha256(("\0"):rep(257) .. "ustar"), hex)
            assert.equal(262, size)
        end)

        it("of no file", function()
            local message, code = failure(image.sha256_file(dir:file("none")))
            assert.equal(dir:file("none") .. ": cannot open the image: No such file or directory",
                message)
            assert.equal("io", code)
        end)
    end)

    describe("open", function()
        it("refuses what is no file", function()
            local cases = {
                { dir.path, ": is a directory, not an image file", "unsupported" },
                { "/dev/zero", ": is a character device, not an image file", "unsupported" },
                { dir:write("empty", ""), ": is empty", "closed" },
                { dir:file("none"), ": cannot open the image: No such file or directory", "io" },
            }
            for _, case in ipairs(cases) do
                local message, code = failure(image.open({ file = case[1] }))
                assert.equal(case[1] .. case[2], message)
                assert.equal(case[3], code)
            end
        end)

        it("raises on misuse", function()
            local path = raw_image()
            local cases = {
                { {}, "'fd'" },
                { { file = path, fromat = "xz" }, "unknown option 'fromat'" },
                { { file = path, format = "tar" }, "unknown format 'tar'" },
                { { file = path, threads = -1 }, "'threads'" },
                { { file = path, delivered_sha256 = "abc" }, "'delivered_sha256'" },
            }
            for _, case in ipairs(cases) do
                local ok, message = pcall(image.open, case[1])
                assert.is_false(ok)
                assert.is_truthy(message:find(case[2], 1, true), message)
            end
        end)

        it("refuses a descriptor that is not open", function()
            local message, code = failure(image.open({ fd = 1000, name = "input" }))
            assert.equal("input: cannot use descriptor 1000: Bad file descriptor", message)
            assert.equal("io", code)
        end)
    end)

    it("proves a raw image", function()
        local path, bytes = raw_image()
        local img <close> = assert(image.open({ file = path }))
        assert.equal(path, img:name())
        assert.equal("raw", img:format())
        assert.equal(#bytes, img:delivered_bytes())
        assert.same({ format = "raw", inner = "raw", decoded_head_bytes = 1024 }, img:probe())

        assert.is_true(img:prove())
        local result = assert(img:wait({ timeout_s = 30 }))
        assert.is_true(result.elapsed_s >= 0)
        result.elapsed_s = nil
        assert.same({
            format = "raw",
            delivered_bytes = #bytes,
            delivered_sha256 = image.sha256(bytes),
            decoded_bytes = #bytes,
            decoded_sha256 = image.sha256(bytes),
        }, result)
        assert.same({
            delivered_bytes = #bytes,
            decoded_bytes = #bytes,
            done = true,
            failed = false,
        }, img:progress())
        assert.is_true(img:unchanged())
    end)

    it("reports another digest than expected", function()
        local path, bytes = raw_image()
        local expected = ("0"):rep(64)
        local img <close> = assert(image.open({ file = path, delivered_sha256 = expected }))
        img:prove()
        local message, code = failure(img:wait({ timeout_s = 30 }))
        assert.equal(("%s: has the SHA-256 %s, expected was %s"):format(path, image.sha256(bytes),
            expected), message)
        assert.equal("checksum", code)
        assert.is_true(img:progress().failed)

        local same <close> = assert(image.open({ file = path,
            delivered_sha256 = image.sha256(bytes) }))
        same:prove()
        assert.is_truthy(same:wait({ timeout_s = 30 }))
    end)

    describe("a file that is not what it was", function()
        local changes = {
            { "changed", "printf more >> disk.img", ": was changed since it was opened" },
            { "rewritten in place", "printf B | dd of=disk.img conv=notrunc",
                ": was changed since it was opened" },
            { "replaced", "cp -p disk.img other && mv other disk.img",
                ": was replaced by another file since it was opened" },
            { "removed", "rm disk.img",
                ": was removed since it was opened: No such file or directory" },
        }
        for _, change in ipairs(changes) do
            it("is refused when " .. change[1], function()
                local path = raw_image()
                local img <close> = assert(image.open({ file = path }))
                assert.is_true(img:unchanged())
                dir:sh(change[2])
                local message, code = failure(img:unchanged())
                assert.equal(path .. change[3], message)
                assert.equal("io", code)
                img:prove()
                assert.equal(path .. change[3], failure(img:wait({ timeout_s = 30 })))
            end)
        end

        it("is refused when it became shorter", function()
            local path = raw_image()
            local img <close> = assert(image.open({ file = path }))
            dir:sh("truncate -s 1000 disk.img")
            img:prove()
            local message, code = failure(img:wait({ timeout_s = 30 }))
            assert.equal(path .. ": became shorter while it was read: 1000 of 1050000 bytes",
                message)
            assert.equal("closed", code)
        end)
    end)

    describe("what cannot be written", function()
        it("is refused by name with the way to convert it", function()
            local path = dir:write("disk.img", "QFI\xfb\0\0\0\3" .. ("\0"):rep(2000))
            local img <close> = assert(image.open({ file = path }))
            assert.equal("qcow2", img:format())
            local function check(...)
                local message, code, hint = failure(...)
                assert.equal(path .. ": is a qcow2 disk of a virtual machine: "
                    .. "it cannot be written as it is", message)
                assert.equal("unsupported", code)
                assert.equal(("qemu-img convert -O raw %s image.raw"):format(path), hint)
            end
            check(img:probe())
            img:prove()
            check(img:wait({ timeout_s = 30 }))
            local stream <close> = assert(img:stream({ decode = false, check = true }))
            check(stream:wait({ timeout_s = 30 }))
        end)

        it("is written all the same when the user calls it raw", function()
            local bytes = "<html>" .. ("x"):rep(100)
            local img <close> = assert(image.open({ file = dir:write("page", bytes),
                format = "raw" }))
            assert.equal("raw", assert(img:probe()).inner)
            img:prove()
            assert.equal(image.sha256(bytes), assert(img:wait({ timeout_s = 30 })).decoded_sha256)
        end)

        it("is not what the user says it is", function()
            local path = raw_image()
            local img <close> = assert(image.open({ file = path, format = "xz" }))
            local message, code = failure(img:probe())
            assert.equal(path .. ": does not begin as xz data does", message)
            assert.equal("protocol", code)
        end)
    end)

    describe("stream", function()
        local function read_all(stream, size)
            local parts = {}
            while true do
                local part, message, code = stream:read(size, { timeout_s = 30 })
                if not part then
                    return table.concat(parts), message, code
                end
                parts[#parts + 1] = part
            end
        end

        it("passes on every byte through a small queue", function()
            local path, bytes = raw_image()
            local img <close> = assert(image.open({ file = path }))
            for _, decode in ipairs({ true, false }) do
                local stream <close> = assert(img:stream({ decode = decode,
                    capacity_bytes = 1000 }))
                assert.equal(#bytes, stream:size_bytes())
                assert.is_true(read_all(stream, 777) == bytes)
                local result = assert(stream:wait({ timeout_s = 30 }))
                assert.equal(image.sha256(bytes), result.delivered_sha256)
                assert.is_true(stream:progress().done)
            end
        end)

        it("ends with an error, not with an end, when the digest is wrong", function()
            local path, bytes = raw_image()
            local img <close> = assert(image.open({ file = path,
                delivered_sha256 = ("1"):rep(64) }))
            local stream <close> = assert(img:stream())
            local got, message, code = read_all(stream, 100000)
            assert.equal(#bytes, #got)
            assert.equal("checksum", code)
            assert.is_truthy(message:find("has the SHA-256", 1, true))
        end)

        it("outlives the image, and stops when closed", function()
            local path, bytes = raw_image()
            local img = assert(image.open({ file = path }))
            local stream = assert(img:stream({ capacity_bytes = 10 }))
            img:close()
            assert.equal(bytes:sub(1, 5), stream:read(5))
            stream:close()
            stream:close()
            assert.has_error(function()
                stream:read(1)
            end, "the stream is closed")
        end)
    end)

    describe("a source that can be read once", function()
        -- Writes what `command` prints into a FIFO, in the background.
        local function fifo(command)
            dir:sh("rm -f pipe && mkfifo pipe")
            os.execute(("cd '%s' && { %s > pipe 2>/dev/null & echo $! > pid; }")
                :format(dir.path, command))
            return dir:file("pipe")
        end

        it("loses nothing to a probe", function()
            local _, bytes = raw_image()
            local img <close> = assert(image.open({ file = fifo("gzip -c disk.img") }))
            assert.is_nil(img:format())
            assert.is_nil(img:delivered_bytes())
            local probe = assert(img:probe({ timeout_s = 30 }))
            assert.same({ format = "gzip", inner = "raw", decoded_head_bytes = #bytes }, probe)
            assert.equal("gzip", img:format())
            assert.same(probe, img:probe({ timeout_s = 30 }))

            local message, code = failure(img:prove())
            assert.is_truthy(message:find("can be read only once", 1, true))
            assert.equal("unsupported", code)

            local stream <close> = assert(img:stream({ decode = false }))
            local parts = {}
            for part in function() return stream:read(5000, { timeout_s = 30 }) end do
                parts[#parts + 1] = part
            end
            local result = assert(stream:wait({ timeout_s = 30 }))
            -- It was decoded on the side: nothing else could tell the image's digest.
            assert.equal(image.sha256(bytes), result.decoded_sha256)
            assert.equal(image.sha256(table.concat(parts)), result.delivered_sha256)
            message, code = failure(img:stream())
            assert.is_truthy(message:find("was read already", 1, true))
            assert.equal("unsupported", code)
        end)

        it("is waited for no longer than asked", function()
            local img <close> = assert(image.open({ file = fifo("sleep 30") }))
            local before = job.now()
            local message, code = failure(img:probe({ timeout_s = 0.05 }))
            assert.is_true(job.now() - before < 15)
            assert.equal(dir:file("pipe") .. ": waiting for byte 0: timeout", message)
            assert.equal("timeout", code)
            local stream <close> = assert(img:stream())
            assert.equal("timeout", select(3, stream:read(1, { timeout_s = 0.05 })))
            assert.equal("timeout", select(3, stream:wait({ timeout_s = 0.05 })))
            dir:sh("kill $(cat pid)")
        end)

        it("comes by a descriptor", function()
            local _, bytes = raw_image()
            local script = dir:write("show.lua", [[
                local image = require("jflash.image")
                local img <close> = assert(image.open({ fd = 0 }))
                local probe = assert(img:probe())
                local stream <close> = assert(img:stream({ decode = true }))
                local count = 0
                for part in function() return stream:read(65536) end do count = count + #part end
                local result = assert(stream:wait())
                print(img:name(), probe.format, count, result.decoded_sha256)
            ]])
            local expected = ("stdin\t%%s\t%d\t%s"):format(#bytes, image.sha256(bytes))
            local run = ("'%s' run '%s'"):format(scratch.jflash(), script)
            local path = dir:file("disk.img")
            assert.equal(expected:format("xz"),
                scratch.capture(("xz -0 -c '%s' | %s"):format(path, run)))
            assert.equal(expected:format("raw"), scratch.capture(("%s < '%s'"):format(run, path)))
        end)
    end)

    describe("ends soon", function()
        local function huge()
            dir:sh("truncate -s 200G disk.img")
            return assert(image.open({ file = dir:file("disk.img") }))
        end

        it("when closed", function()
            local img = huge()
            img:prove()
            assert.equal("timeout", select(3, img:wait({ timeout_s = 0.01 })))
            assert.is_false(img:progress().done)
            local before = job.now()
            img:close()
            assert.is_true(job.now() - before < 10)
            assert.has_error(function()
                img:wait()
            end, "the image is closed")
        end)

        it("when the job is cancelled", function()
            local img <close> = huge()
            img:prove()
            job.cancel(2)
            local message, code = failure(img:wait())
            job.reset()
            assert.equal("cancelled", code)
            assert.is_truthy(message:find("bytes read so far: cancelled by SIGINT", 1, true))
        end)

        it("when nobody reads the stream", function()
            local img <close> = huge()
            local stream <close> = assert(img:stream())
            assert.equal("timeout", select(3, stream:wait({ timeout_s = 0.02 })))
            local before = job.now()
            stream:close()
            assert.is_true(job.now() - before < 10)
        end)
    end)

    it("leaves no thread and no descriptor behind", function()
        local path = raw_image()
        collectgarbage()
        local fds, threads = scratch.usage()
        for _ = 1, 20 do
            local img <close> = assert(image.open({ file = path }))
            img:prove()
            assert(img:stream({ capacity_bytes = 10 })):close()
            local forgotten = assert(image.open({ file = path }))
            forgotten:stream({ capacity_bytes = 10 })
            assert(img:wait({ timeout_s = 30 }))
        end
        collectgarbage()
        local fds_after, threads_after = scratch.usage()
        assert.equal(fds, fds_after)
        assert.equal(threads, threads_after)
    end)
end)
