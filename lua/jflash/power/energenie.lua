-- SPDX-License-Identifier: Apache-2.0
--
-- Power by an EnerGenie (Gembird) EG-PMS-LAN or EG-PM2-LAN: a web page for one person
-- at a time, who logs in, switches, and logs out.

local client = require("jflash.http_client")
local errors = require("jflash.errors")
local schema = require("jflash.schema")

local M = {}

M.summary = "a socket of an EnerGenie EG-PMS-LAN or EG-PM2-LAN"

M.schema = schema.record({
    host = schema.string({ required = true, filled = true }),
    slot = schema.integer({ default = 1, min = 1, max = 4 }),
    password = schema.string({ default = "1", secret = true }),
    timeout_s = schema.duration({ default = 10.0, min = 0.05 }),
})

---@class jflash.power.Energenie
local Energenie = {}
Energenie.__index = Energenie

local FORM = "application/x-www-form-urlencoded"

local function escape(text)
    return (text:gsub("[^%w._~-]", function(char)
        return ("%%%02X"):format(char:byte())
    end))
end

local function ask(self, what, path, form)
    local answer, message, code, outcome = client.ask({
        url = self.url .. path, name = self.url .. path, method = form and "POST" or "GET", body = form,
        body_type = form and FORM or nil, timeout_s = self.config.timeout_s,
    })
    if answer then
        return answer.body
    end
    return errors.raise({ class = "host", code = code, retry = not outcome.passing and 0 or nil,
        message = ("power %s: %s"):format(what, message), hint = "open " .. self.url .. " in a browser" })
end

-- Logs in and returns the page, which has the sockets' states in a script: "var
-- sockstates = [1,0,0,1];".
local function log_in(self, what)
    local page = ask(self, what, "/login.html", "pw=" .. escape(self.config.password))
    local states = page:match("sockstates%s*=%s*%[([%d,%s]+)%]")
    if states then
        return states
    end
    local busy = page:lower():find("session", 1, true) or page:lower():find("in use", 1, true)
    return errors.raise({
        class = "host",
        code = "protocol",
        retry = not busy and 0 or nil,
        message = ("power %s: %s: %s"):format(what, self.url, busy and "somebody else is logged in"
            or "the login was refused"),
        hint = busy and "close the web page that shows it" or "look at the key password",
    })
end

local function with_session(self, what, action)
    local states = log_in(self, what)
    local ok, result = xpcall(action, errors.wrap, states)
    -- Without it the device keeps others out for minutes.
    pcall(ask, self, what, "/login.html")
    return ok and result or not ok and error(result, 0) or nil
end

local function switch(self, what)
    with_session(self, what, function()
        ask(self, what, "/", ("cte%d=%d"):format(self.config.slot, what == "on" and 1 or 0))
    end)
end

function Energenie:on()
    switch(self, "on")
end

function Energenie:off()
    switch(self, "off")
end

function Energenie:state()
    return with_session(self, "state", function(states)
        local index = 0
        for state in states:gmatch("%d") do
            index = index + 1
            if index == self.config.slot then
                return state == "1" and "on" or "off"
            end
        end
        return errors.raise({ class = "host", code = "protocol", retry = 0,
            message = ("power state: %s has no socket %d"):format(self.url, self.config.slot) })
    end)
end

---@param config table
---@param context {name: string}
---@return jflash.power.Energenie
function M.new(config, context)
    return setmetatable({
        config = config,
        url = "http://" .. config.host,
        describe = ("EnerGenie %s socket %d of board %s"):format(config.host, config.slot, context.name),
        identity = ("energenie %s %d"):format(config.host, config.slot),
    }, Energenie)
end

return M
