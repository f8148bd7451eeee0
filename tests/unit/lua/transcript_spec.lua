-- SPDX-License-Identifier: Apache-2.0
local sys = require("jflash.sys")
local transcripts = require("jflash.transcript")

describe("a transcript that is read while it grows", function()
    local dir, path
    before_each(function()
        dir = assert(sys.temp_dir())
        path = dir .. "/console.log"
    end)
    after_each(function() sys.remove_tree(dir) end)

    local function add(text)
        local file = assert(io.open(path, "ab"))
        file:write(text)
        file:close()
    end

    it("gives what the board said, and no more", function()
        add("# ttyUSB0, 2031-02-28T12:00:00Z\n    0.000000 > reset\\r\n    0.104211 < U-Boot\\r\\n\n")
        add("    0.200000 < a\\\\n\\e[0m\\x07b\\t\\xc\n")
        local transcript = transcripts.open(path)
        assert.equal("U-Boot\r\na\\n\27[0m\7b\t\\xc", transcript:read())
        transcript:close()
    end)

    it("is the same in whatever pieces it comes", function()
        local text = "# sim, 2031\n    0.000001 > x\\n\n    0.100000 < one\\\\\\x07\\r\\n\n"
            .. " 12.000000 < tw\n13.0 < o\\\\x\\\\"
        local transcript
        local said = ""
        for index = 1, #text do
            add(text:sub(index, index))
            transcript = transcript or transcripts.open(path)
            said = said .. transcript:read()
        end
        transcript:close()
        assert.equal("one\\\7\r\ntwo\\x\\", said)
    end)

    it("of a long one only the end is read", function()
        add(("    0.100000 < line\\r\\n\n"):rep(10000) .. "    0.200000 < last")
        local transcript = transcripts.open(path)
        local said = transcript:read()
        transcript:close()
        assert.matches("^line\r\n", said)
        assert.matches("last$", said)
        assert.is_true(#said < 64 << 10)
    end)

    it("must be a regular file", function()
        assert.has_error(function() transcripts.open(dir) end)
    end)
end)
