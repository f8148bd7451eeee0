-- SPDX-License-Identifier: Apache-2.0
--
-- What each configuration key means, in the words of docs/configuration.md, which is
-- built into the program: its tables are the only place that explains a key.
--
--   print(require("jflash.meanings").of_board("console.baudrate"))

local runtime = require("jflash.runtime")

local M = {}

local tables -- heading -> key -> meaning, once they are read

-- Markdown as plain text.
local function plain(text)
    text = text:gsub("%[([^%]]*)%]%([^)]*%)", "%1"):gsub("`", "")
    return (text:gsub("^%s+", ""):gsub("%s+$", ""))
end

local function last_cell(line)
    return plain(line:match("|([^|]*)|%s*$") or "")
end

-- A line of three or more cells that starts with a key in back-ticks.
local function read_row(line, rows)
    local key = line:match("^| `([^`]+)` |")
    if key then
        rows[key] = last_cell(line)
    end
end

local function read()
    local found, top, rows = {}, "", {}
    for line in (runtime.embedded("docs/configuration.md") or ""):gmatch("[^\n]*") do
        local level, heading = line:match("^(##+) (.*)$")
        if level then
            top = level == "##" and heading or top
            local power = heading:match("^`type: ([%w_-]+)`")
            local name = power and "power " .. power or top
            found[name] = found[name] or {}
            rows = found[name]
        end
        read_row(line, rows)
    end
    return found
end

local function look_up(name, key)
    tables = tables or read()
    local meaning = (tables[name] or {})[key]
    return meaning ~= "" and meaning or nil
end

---What a board's key means; nil when the page does not say. `power_type` tells whose a
---key of `power` is.
---@param key string "console.baudrate", "targets.emmc.path"
---@param power_type string?
---@return string?
function M.of_board(key, power_type)
    local own = key:gsub("%.headers%.[^.]+", ".headers.NAME")
    return power_type and key ~= "power.type" and look_up("power " .. power_type, own)
        or look_up("Keys of a board", (key:gsub("^targets%.[^.]+", "targets.NAME")))
end

---What a manifest's key means.
---@param key string "spec.kernel.file", "spec.dtb.variants.evm.file", "spec.preflash_commands[1]"
---@return string?
function M.of_manifest(key)
    key = key:gsub("^spec%.dtb%.variants%.[^.]+", "spec.dtb.variants.NAME")
        :gsub("^spec%.targets%.[^.]+", "spec.targets.NAME"):gsub("%[%d+%]$", "")
    return look_up("Keys of a manifest", key)
end

return M
