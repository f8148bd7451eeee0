-- SPDX-License-Identifier: Apache-2.0
local words = require("jflash.uboot.words")

-- As U-Boot 2023.01 prints it.
local NO_GATEWAY = [[
Using virtio-net#31 device
TFTP from server 127.152.220.76; our IP address is 10.0.2.77
Loading: * ## Warning: gatewayip needed but not set
## Warning: gatewayip needed but not set

ARP Retry count exceeded; starting again
]]

describe("what U-Boot's commands say", function()
    it("is read for why they failed", function()
        assert.equal("ARP Retry count exceeded; starting again", (words.reason(NO_GATEWAY)))
        assert.equal("no output", (words.reason("\n \n")))
        assert.same({ "ERROR: no", "first" }, { words.reason("first\nERROR: no\nusage follows\n") })
        assert.is_nil(words.complaint("all is well"))
    end)

    it("is read for what to do about it", function()
        assert.matches("network%.gateway", words.advice(NO_GATEWAY))
        assert.is_nil(words.advice("TFTP error: 'file not found' (1)"))
    end)
end)
