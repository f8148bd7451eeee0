-- SPDX-License-Identifier: Apache-2.0
local paces = require("jflash.pace")

describe("a learned pace", function()
    it("goes on where it stopped, and speeds up only after many whole lines", function()
        local pace = paces.new()
        pace:damaged()
        assert.is_nil((pace:state())) -- nothing has arrived at that pace
        pace:intact()
        local state = pace:state()
        assert.equal(1000, state.cps)
        pace = paces.resume(state)
        for _ = 1, 14 do
            pace:intact()
            assert.equal(1000, pace:cps())
        end
        pace:intact()
        assert.is_nil(pace:cps())
    end)

    it("is tried to be raised again, however often that has failed", function()
        local pace = paces.resume({ cps = 400, whole = 0, trial = 1 << 20 })
        for _ = 1, 255 do
            pace:intact()
        end
        assert.equal(400, pace:cps())
        pace:intact()
        assert.equal(1000, pace:cps())
    end)

    it("is a limit beside console.cps", function()
        assert.equal(100, paces.slower(100, 400))
        assert.equal(100, paces.slower(nil, 100))
        assert.equal(400, paces.slower(400, nil))
        assert.is_nil(paces.slower(nil, nil))
    end)

    it("is nothing to keep at full speed", function()
        local pace = paces.new()
        pace:intact()
        local state, is_proven = pace:state()
        assert.is_nil(state)
        assert.is_true(is_proven)
    end)

    it("is not made of anything else", function()
        for _, state in ipairs({ {}, { cps = 400 }, { cps = 401, whole = 1, trial = 4 },
            { cps = 400, whole = -1, trial = 4 }, { cps = 400, whole = 1, trial = 0.5 } }) do
            assert.is_nil(paces.resume(state))
        end
        assert.is_nil(paces.resume("400"))
    end)
end)
