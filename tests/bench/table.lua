-- SPDX-License-Identifier: Apache-2.0
--
-- Prints a bench's rows (one JSON object a line, in the file named) as a table.
local json = require("jflash.json")

-- A limit that a row does not have may be there as null.
local function number(value)
    return type(value) == "number" and value or nil
end

local function verdict(row)
    local must, aim = number(row.must), number(row.aim)
    if not must then
        return ""
    end
    local higher = row.better == "higher"
    local function reached(limit)
        return limit and (higher and row.ratio >= limit or not higher and row.ratio <= limit)
    end
    return reached(aim) and "aim" or reached(must) and "must" or "MISSED"
end

local function limit(value)
    return number(value) and ("%.3g"):format(value) or "-"
end

local FORMAT = "%-44s %9s %9s %-28s %8s %6s %6s %s"
print(FORMAT:format("what", "ours", "theirs", "peer", "ratio", "must", "aim", ""))
for line in io.lines(arg[1]) do
    local row = json.decode(line)
    if row and row.skipped then
        print(("%-44s skipped: %s"):format(row.what, row.skipped))
    elseif row then
        print(FORMAT:format(("%s (%s)"):format(row.what, row.unit), ("%.4g"):format(row.ours),
            ("%.4g"):format(row.theirs), row.peer, ("%.3f"):format(row.ratio), limit(row.must),
            limit(row.aim), verdict(row)))
    end
end
