-- SPDX-License-Identifier: Apache-2.0
--
-- The TFTP server against the clients that people have: curl, atftp, tftp-hpa,
-- busybox.
local support = require("tests.support.tftp")
local tftp = require("jflash.tftp")

describe("jflash.tftp with curl", function()
    local dir

    before_each(function()
        dir = support.temp_dir()
    end)

    after_each(function()
        support.remove(dir)
    end)

    it("serves bytes and files of every awkward size", function()
        local server <close> = assert(tftp.serve({ port = 0 }))
        for _, size in ipairs({ 0, 1, 511, 512, 513, 1024, 65536, 1000003 }) do
            local data = support.random_bytes(size)
            assert.is_true(server:add("/some/name.bin", { bytes = data }))
            local ok = support.curl(server, "some/name.bin", dir .. "/got", "--tftp-blksize 1468")
            assert.is_true(ok)
            assert.is_true(support.read(dir .. "/got") == data)
            local transfer = assert(server:wait("some/name.bin", { timeout_s = 10 }))
            assert.equal("done", transfer.state)
            assert.equal(size, transfer.bytes)
        end
    end)
end)
