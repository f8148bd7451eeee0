-- SPDX-License-Identifier: Apache-2.0
--
-- What the text of a scalar means: one function for each type, which takes the
-- text, whether it was unquoted, and the type's options. It returns the value (nil
-- when the text is no such thing) and what is expected, in words.

local M = {}

local UNITS = { K = 10, M = 20, G = 30, T = 40 } -- bits to shift
local SECONDS = { ms = 0.001, s = 1, m = 60, min = 60, h = 3600 }
local BOOLEANS = {
    ["true"] = true,
    yes = true,
    on = true,
    ["false"] = false,
    no = false,
    off = false,
}
local NULLS = { [""] = true, ["~"] = true, null = true, Null = true, NULL = true }

---True when an unquoted `text` stands for "nothing".
function M.is_null(text, plain)
    return plain and NULLS[text] or false
end

-- Digits beyond what an integer holds become a float, and then nil.
local function to_integer(text)
    local sign, digits = text:match("^([-+]?)(.+)$")
    local hex = digits and digits:match("^0[xX](%x+)$")
    if hex then
        hex = hex:gsub("^0+", "")
        if #hex > 15 then
            return nil
        end
    elseif not digits or not (digits == "0" or digits:match("^[1-9]%d*$")) then
        return nil
    end
    local value = math.tointeger(tonumber(digits))
    if value and sign == "-" then
        value = -value
    end
    return value
end

local function range_text(options)
    if options.min and options.max then
        return (" from %s to %s"):format(options.min, options.max)
    elseif options.min then
        return (" of at least %s"):format(options.min)
    elseif options.max then
        return (" of at most %s"):format(options.max)
    end
    return ""
end

local function within(value, options)
    return value
        and (not options.min or value >= options.min)
        and (not options.max or value <= options.max)
end

local function bounded(value, options, what)
    return within(value, options) and value or nil, what .. range_text(options)
end

function M.string(text, _, options)
    text = options.line and text:gsub("\n+$", "") or text
    if text:find("\0", 1, true) then
        return nil, "text without zero bytes"
    elseif options.filled then
        return text ~= "" and text or nil, "text that is not empty"
    end
    return text, "text"
end

function M.integer(text, plain, options)
    return bounded(plain and to_integer(text) or nil, options, "an integer")
end

function M.number(text, plain, options)
    local value = plain and (to_integer(text) or text:match("^[-+]?%d+%.?%d*$") and tonumber(text))
    return bounded(value or nil, options, "a number")
end

function M.boolean(text, plain)
    local value
    if plain then
        value = BOOLEANS[text:lower()]
    end
    return value, "true or false"
end

-- Seconds, as a float.
function M.duration(text, _, options)
    local digits, unit = text:match("^(%d+%.?%d*)%s*(%a*)$")
    local factor = digits and (unit == "" and 1 or SECONDS[unit])
    local value = factor and tonumber(digits) * factor + 0.0
    return bounded(value, options, "a duration like 30, 1.5s or 2min")
end

-- Bytes, as an integer. Refuses 1GB, which means a power of ten to some.
function M.size(text, _, options)
    local digits, unit, suffix = text:match("^(%d+%.?%d*)%s*([KMGT]?)(i?B?)$")
    local bits = UNITS[unit] or 0
    local known = digits and (unit == "" and not suffix:find("i") or unit ~= "" and suffix ~= "B")
    local value = known and math.tointeger((tonumber(digits) + 0.0) * (1 << bits))
    return bounded(value or nil, options, "a size like 300M or 1G (powers of 1024)")
end

-- The text as written: U-Boot gets it as it is.
function M.address(text)
    local known = text:match("^0[xX]%x+$") and #text <= 18 or text:match("^%d+$") and #text <= 20
    return known and text or nil, "an address like 0x40400000"
end

function M.enum(text, _, options)
    local known
    for _, value in ipairs(options.values) do
        known = known or value == text and value or nil
    end
    return known, "one of " .. table.concat(options.values, ", ")
end

---The value of a scalar whose type nobody declared: what YAML's core schema says.
function M.any(text, plain)
    if not plain then
        return text
    elseif text == "true" or text == "false" then
        return text == "true"
    end
    return to_integer(text) or text:match("^[-+]?%d+%.%d+$") and not text:match("^[-+]?0%d") and tonumber(text) or text
end

return M
