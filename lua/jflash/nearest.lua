-- SPDX-License-Identifier: Apache-2.0
--
-- "Did you mean …?": the known name closest to a mistyped one.

local M = {}

local LONGEST = 64 -- names beyond this are not compared

local function distance(a, b)
    local row = {}
    for j = 0, #b do
        row[j] = j
    end
    for i = 1, #a do
        local diagonal = row[0]
        row[0] = i
        for j = 1, #b do
            local cost = a:byte(i) == b:byte(j) and 0 or 1
            local value = math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
            diagonal = row[j]
            row[j] = value
        end
    end
    return row[#b]
end

---The candidate that differs least from `name`, or nil when none is close: a
---third of the letters may differ.
---@param name string
---@param candidates string[]
---@return string?
function M.find(name, candidates)
    local best, best_distance
    local limit = (#name + 2) // 3
    for _, candidate in ipairs(candidates) do
        if #name <= LONGEST and #candidate <= LONGEST then
            local d = distance(name:lower(), candidate:lower())
            if d <= limit and (not best or d < best_distance) then
                best, best_distance = candidate, d
            end
        end
    end
    return best
end

---" (did you mean 'x'?)", or "" when nothing is close.
function M.hint(name, candidates)
    local found = M.find(name, candidates)
    return found and (" (did you mean '%s'?)"):format(found) or ""
end

return M
