-- SPDX-License-Identifier: Apache-2.0
--
-- What a run says to the person (or the machine) that watches it: lines with
-- time and step on stderr, and a progress bar when stderr is a terminal. Secrets
-- are redacted here, at the sink.
--
--     log.info("kernel loaded: %d bytes", size)
--     log.step("load")
--     log.progress("write", done_bytes, total_bytes)

local job = require("jflash.job")
local json = require("jflash.json")
local sys = require("jflash.sys")

local M = {}

-- Off a terminal a progress line comes at most this often.
local PLAIN_PROGRESS_S = 10
local BAR_S = 0.1
local BAR_CELLS = 24

local state = {
    format = "text",
    quiet = false,
    started = job.now(),
    step = nil, ---@type string|nil
    bar_shown = false,
    last_progress = nil, ---@type number|nil
    progress_label = nil, ---@type string|nil
    sinks = {},
}

local function elapsed_s()
    return job.now() - state.started
end

local function write(text)
    sys.write(2, job.redact(text))
end

local function clear_bar()
    if state.bar_shown then
        sys.write(2, "\r\27[K")
        state.bar_shown = false
    end
end

local function text_line(level, message)
    local mark = level == "info" and "" or level .. ": "
    return ("[%7.1f] %-14s %s%s\n"):format(elapsed_s(), state.step or "", mark, message)
end

-- What a board says need not be UTF-8, JSON must be.
local function clean(value)
    if type(value) == "string" and not utf8.len(value) then
        return (value:gsub("[\x80-\xff]", "?"))
    end
    return value
end

local function json_line(level, message, fields)
    local entry = { time = sys.time(), elapsed_s = elapsed_s(), level = level }
    entry.message = clean(message)
    entry.step = state.step
    for key, value in pairs(fields or {}) do
        entry[key] = clean(value)
    end
    return json.encode(entry) .. "\n"
end

-- Gives a line to the sinks and returns it.
local function record(level, message, fields)
    local in_json = json_line(level, message, fields)
    for _, sink in ipairs(state.sinks) do
        sink(job.redact(in_json))
    end
    return in_json
end

local function show(level, message, in_json)
    clear_bar()
    write(state.format == "json" and in_json or text_line(level, message))
end

local function emit(level, message, fields)
    local in_json = record(level, message, fields)
    if not state.quiet or level ~= "info" then
        show(level, message, in_json)
    end
end

local function formatted(message, ...)
    return select("#", ...) > 0 and message:format(...) or message
end

---@param message string  a format when arguments follow
function M.info(message, ...)
    emit("info", formatted(message, ...))
end

---@param message string
function M.warn(message, ...)
    emit("warning", formatted(message, ...))
end

---@param message string
function M.error(message, ...)
    emit("error", formatted(message, ...))
end

--- A line that machines read fields from; people see the message.
---@param message string
---@param fields table<string, any>
---@param level "info"|"warning"|"error"|nil  info when nil
function M.event(message, fields, level)
    emit(level or "info", message, fields)
end

--- What a run came to: for machines, `--quiet` or not, and for the run's log. People see
--- the same in other words.
---@param message string
---@param fields table<string, any>
function M.result(message, fields)
    local in_json = record("info", message, fields)
    if state.format == "json" then
        show("info", message, in_json)
    end
end

--- A line for the run's log alone: people see the same in other words.
---@param message string
---@param fields table<string, any>
---@param level "info"|"warning"|"error"|nil  info when nil
function M.record(message, fields, level)
    record(level or "info", message, fields)
end

--- Sets the step that the following lines belong to.
---@param name string|nil
function M.step(name)
    clear_bar()
    state.step = name
    state.last_progress = nil
end

--- The step that lines belong to now.
---@return string|nil
function M.current_step()
    return state.step
end

--- Amounts as people read them: "1.5 MB", decimal units.
---@param bytes number
---@return string
function M.size(bytes)
    local units = { "B", "kB", "MB", "GB", "TB" }
    local index = 1
    while bytes >= 1000 and index < #units do
        bytes = bytes / 1000
        index = index + 1
    end
    return (index == 1 and "%.0f %s" or "%.1f %s"):format(bytes, units[index])
end

local function due(every_s)
    local now = job.now()
    if state.last_progress and now - state.last_progress < every_s then
        return false
    end
    state.last_progress = now
    return true
end

local function draw_bar(text, fraction)
    local filled = math.floor(BAR_CELLS * math.min(fraction or 0, 1))
    local bar = fraction and "[" .. ("#"):rep(filled) .. ("."):rep(BAR_CELLS - filled) .. "] " or ""
    local line = text_line("info", bar .. text):gsub("\n$", "")
    local columns = sys.columns(2)
    if columns and columns > 1 then
        line = line:sub(1, columns - 1)
    end
    write("\r" .. line .. "\27[K")
    state.bar_shown = true
end

--- Shows how far something is: a bar on a terminal, now and then a line elsewhere.
---@param what string
---@param done_bytes integer
---@param total_bytes integer|nil
---@param bytes_per_s number|nil
function M.progress(what, done_bytes, total_bytes, bytes_per_s)
    if state.progress_label ~= what then
        state.progress_label = what
        state.last_progress = nil
    end
    local on_terminal = state.format == "text" and not state.quiet and sys.isatty(2)
    if not due(on_terminal and BAR_S or PLAIN_PROGRESS_S) then
        return
    end
    local text = what .. " " .. M.size(done_bytes)
    if total_bytes then
        text = text .. " of " .. M.size(total_bytes)
    end
    if bytes_per_s then
        text = text .. (", %s/s"):format(M.size(bytes_per_s))
    end
    local fraction = total_bytes and total_bytes > 0 and done_bytes / total_bytes or nil
    if on_terminal then
        draw_bar(text, fraction)
    elseif done_bytes > 0 then
        emit("info", text, { progress = what, done_bytes = done_bytes, total_bytes = total_bytes })
    end
end

--- Writes text for people behind whatever is on the screen now (summaries).
---@param text string
function M.raw(text)
    clear_bar()
    write(text)
end

--- Removes a bar that stands on the terminal, before somebody else writes there.
function M.clear()
    clear_bar()
end

---@param options {format: "text"|"json"|nil, quiet: boolean|nil}
function M.configure(options)
    state.format = options.format or state.format
    if options.quiet ~= nil then
        state.quiet = options.quiet
    end
end

--- Whether stderr is read by a machine.
---@return boolean
function M.is_json()
    return state.format == "json"
end

--- Adds a function that gets every line as JSON, whatever the format on stderr.
---@param sink fun(line: string)
function M.add_sink(sink)
    table.insert(state.sinks, sink)
end

return M
