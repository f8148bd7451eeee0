-- SPDX-License-Identifier: Apache-2.0
local M = {}
function M.main(argv)
    local chunk = assert(loadfile(argv[2]))
    arg = { [0] = argv[2], table.unpack(argv, 3) }
    chunk(table.unpack(argv, 3))
    return 0
end
return M
