-- SPDX-License-Identifier: Apache-2.0
--
-- The server that tests/bench/tftp.lua measures, in a process of its own:
-- HOST PORT FILE. Serves FILE as "data", and ends with its standard input.
local tftp = require("jflash.tftp")

local server <close> = assert(tftp.serve({ host = arg[1], port = tonumber(arg[2]) }))
assert(server:add("data", { file = arg[3] }))
print("ready")
io.flush()
io.read("a")
for _, transfer in ipairs(server:transfers()) do
    if transfer.state ~= "done" then
        io.stderr:write("transfer failed: ", transfer.error or transfer.state, "\n")
    end
end
