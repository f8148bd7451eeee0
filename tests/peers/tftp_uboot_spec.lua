-- SPDX-License-Identifier: Apache-2.0
--
-- The TFTP server against a real U-Boot in QEMU. That U-Boot asks port 69, so each
-- run takes a loopback address of its own.
local support = require("tests.support.tftp")
local tftp = require("jflash.tftp")

local function serve_69()
    for _ = 1, 20 do
        local host = ("127.%d.%d.%d"):format(math.random(1, 254), math.random(1, 254), math.random(1, 254))
        local server, message, _, errno = tftp.serve({ host = host, port = 69 })
        if server or errno ~= "EADDRINUSE" then
            return server, message, errno
        end
    end
end

describe("jflash.tftp with U-Boot", function()
    it("loads 8 MB in lock-step and with windows", function()
        local server <close>, message, errno = serve_69()
        if errno == "EACCES" then
            pending("port 69 is not allowed here: " .. message)
        end
        assert(server, message)
        local dir = support.temp_dir()
        local data = support.random_bytes(8000000)
        support.write(dir .. "/data", data)
        server:add("big/file.bin", { file = dir .. "/data" })
        -- Not 16: this U-Boot's virtio-net never receives again once its 32 buffers
        -- were full, as two windows on a busy host can make them.
        local ok, output = support.run(("/usr/bin/python3 tests/peers/tftp_uboot.py %s %s/data 0 8")
            :format(server:host(), dir))
        support.remove(dir)
        assert.is_true(ok, output)
        local windows = {}
        for _, transfer in ipairs(server:transfers()) do
            assert.equal("done", transfer.state, transfer.error)
            assert.equal(#data, transfer.bytes)
            windows[#windows + 1] = transfer.windowsize
        end
        assert.same({ 1, 8 }, windows)
    end)
end)
