-- SPDX-License-Identifier: Apache-2.0
--
-- An image that this host decodes while it serves it: jflash.image and
-- jflash.http together.
local http = require("jflash.http")
local image = require("jflash.image")
local sys = require("jflash.sys")

describe("an image stream over HTTP", function()
    local dir, server

    before_each(function()
        dir = assert(sys.temp_dir("jflash-serve"))
        server = assert(http.serve({}))
    end)

    after_each(function()
        server:close()
        sys.remove_tree(dir)
    end)

    local function compressed(text)
        local path = dir .. "/image.xz"
        local result = sys.run({ "xz", "-c" }, { stdin = text })
        assert(sys.write_file(path, result.stdout))
        return path, result.stdout
    end

    local function fetch(path)
        local url = ("http://%s:%d%s"):format(server:host(), server:port(), path)
        return sys.run({ "curl", "-fsS", url })
    end

    it("arrives decoded, with its digests known at the end", function()
        local text = ("jflash\n"):rep(50000)
        local img <close> = assert(image.open({ file = compressed(text) }))
        local stream <close> = assert(img:stream({ decode = true }))
        local result = fetch(assert(server:add("image", { stream = stream })))
        assert.equal(0, result.status)
        assert.equal(text, result.stdout)
        assert.equal(image.sha256(text), assert(stream:wait({ timeout_s = 10 })).decoded_sha256)
    end)

    it("is cut where the file is damaged, so that the client fails", function()
        local path, bytes = compressed(("jflash\n"):rep(50000))
        assert(sys.write_file(path, bytes:sub(1, -20)))
        local img <close> = assert(image.open({ file = path }))
        local stream <close> = assert(img:stream({ decode = true }))
        local result = fetch(assert(server:add("image", { stream = stream })))
        assert.not_equal(0, result.status)
    end)

    it("is served once", function()
        local img <close> = assert(image.open({ file = compressed("once") }))
        local stream <close> = assert(img:stream({ decode = true }))
        assert(server:add("image", { stream = stream }))
        assert.has_error(function()
            server:add("again", { stream = stream })
        end, "the stream is served already")
    end)
end)
