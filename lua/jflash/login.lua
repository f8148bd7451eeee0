-- SPDX-License-Identifier: Apache-2.0
--
-- The login at the flasher's getty. The user's name is compared with its echo before
-- Enter, and typed again, slower, when it was damaged. A password has no echo: when the
-- login is refused, name and password are typed once more, slower.

local job = require("jflash.job")
local log = require("jflash.log")

local M = {}

local NAME_TRIES = 5
-- Seconds until an echo must have come, and until its last character may be doubled.
local ECHO_S, DOUBLED_S = 1, 0.05
-- Tries after which a getty that echoes nothing is taken for one that never does.
local SILENT_TRIES = 2
-- Drops what was typed of a line (VKILL), and seconds until that has been shown.
local CTRL_U, KILL_S = "\21", 0.2

-- Types the name once: "intact", "damaged" or "silent".
local function type_once(console, name, pace)
    console:send(name, { cps = pace:cps() })
    local match = console:try_expect(name, { timeout_s = ECHO_S })
    if not match then
        return console:pending():find("%S") and "damaged" or "silent"
    end
    console:watch(DOUBLED_S)
    local is_whole = not match.before:find("[^%s%c]") and console:pending() == ""
    return is_whole and "intact" or "damaged"
end

-- Types the name, without Enter. Where it never comes back as typed, the getty decides.
local function type_name(console, name, pace)
    local silent = 0
    for attempt = 1, NAME_TRIES do
        local how = type_once(console, name, pace)
        silent = how == "silent" and silent + 1 or 0
        if how == "intact" then
            return pace:intact()
        elseif silent == SILENT_TRIES or attempt == NAME_TRIES then
            return
        elseif how == "damaged" then
            pace:damaged()
            log.warn("the user's name was damaged on the console (try %d), typing it again slower", attempt)
        end
        console:send(CTRL_U)
        console:watch(KILL_S)
        console:discard()
    end
end

local function type_password(console, login, pace)
    if not login.password then
        console:fail({ code = "login", retry = 0,
            message = "the flasher asks for a password and none is configured",
            hint = "set login.password in the manifest or the board's configuration" })
    end
    job.secret(login.password)
    console:send(login.password .. "\n", { cps = pace:cps() })
end

-- Answers a login prompt; whether the shell's prompt came.
local function answer(console, login, pace, timeout_s)
    local name = login.username or ""
    if name ~= "" then
        type_name(console, name, pace)
    end
    console:send("\n")
    local patterns = { login.prompt, "assword:", "incorrect" }
    local match = console:expect(patterns, {
        timeout_s = timeout_s,
        hint = "the login went no further; check login.username and login.prompt",
    })
    if match.index == 2 then
        type_password(console, login, pace)
        match = console:expect(patterns, { timeout_s = timeout_s })
    end
    return match.index == 1
end

--- Logs in at a login prompt that has come.
---@param console jflash.dut.Console
---@param login table  see jflash.shell
---@param pace jflash.Pace
---@param timeout_s number  for each answer
function M.enter(console, login, pace, timeout_s)
    if answer(console, login, pace, timeout_s) then
        return
    end
    if console:try_expect(login.login_prompt, { timeout_s = timeout_s }) then
        log.warn("the login was refused, typing it once more, slower")
        pace:damaged()
        if answer(console, login, pace, timeout_s) then
            return
        end
    end
    console:fail({ code = "login", retry = 0, message = "the flasher refused the login",
        hint = "check login.username and login.password" })
end

return M
