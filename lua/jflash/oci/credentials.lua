-- SPDX-License-Identifier: Apache-2.0
--
-- Which credentials a registry is shown: the first place that has some for the
-- repository decides. No message holds a secret, and each is known to the log.

local environment = require("jflash.environment")
local errors = require("jflash.errors")
local job = require("jflash.job")
local registry = require("jflash.registry")
local sys = require("jflash.sys")

local M = {}

local USER, PASSWORD = "OCI_USERNAME", "OCI_PASSWORD"
local FILE_LIMIT = 1 << 20

---@class jflash.OciCredentials
---@field user string|nil
---@field password string|nil
---@field identity_token string|nil
---@field source string  for people

local function from_environment()
    local user, password = environment.get(USER), environment.get(PASSWORD)
    if (user or "") == "" and (password or "") == "" then
        return nil
    elseif (user or "") == "" or (password or "") == "" then
        local set, unset = USER, PASSWORD
        if (user or "") == "" then
            set, unset = PASSWORD, USER
        end
        errors.raise({ class = "config", code = "usage", message = ("%s is set, but not %s"):format(set, unset),
            hint = "set both, or neither: then the files of podman login and docker login are looked at" })
    end
    return { user = user, password = password, source = USER .. " and " .. PASSWORD }
end

local function below(variable, path)
    local value = sys.getenv(variable)
    return value and value ~= "" and value .. path or nil
end

-- In their order: the variable, and what follows its value.
local PLACES = {
    { "REGISTRY_AUTH_FILE", "" },
    { "XDG_RUNTIME_DIR", "/containers/auth.json" },
    { "HOME", "/.config/containers/auth.json" },
    { "DOCKER_CONFIG", "/config.json" },
    { "HOME", "/.docker/config.json" },
}

--- The credential files, in their order, whether they are there or not.
---@return string[]
function M.files()
    local found = {}
    for _, place in ipairs(PLACES) do
        table.insert(found, below(place[1], place[2]))
    end
    return found
end

local function keep_secret(found)
    for _, secret in ipairs({ found.password or "", found.identity_token or "" }) do
        if secret ~= "" then
            job.secret(secret)
        end
    end
end

local function ask_helper(helper, host, file)
    local found, message, code = registry.ask_helper(helper, host)
    errors.check("host", found, message, code, ("the credential helper is named in %s"):format(file))
    found.source = "docker-credential-" .. helper
    return found
end

-- What a file has for the repository; nil when it has nothing, or is not there.
local function look_up(file, reference)
    local text, message, code, errno = sys.read_file(file, { limit_bytes = FILE_LIMIT })
    if not text then
        -- The one that the user named has to be there.
        if errno == "ENOENT" and file ~= sys.getenv("REGISTRY_AUTH_FILE") or errno == "ENOTDIR" then
            return nil
        end
        errors.check("config", nil, message, code)
    end
    local found = errors.check("config", registry.find_auth(text, file, reference.host, reference.name))
    if found.helper then
        return ask_helper(found.helper, reference.host, file)
    end
    found.source = file
    return found
end

--- The credentials for a repository, or nil for none. Raises class config for a
--- damaged file, class host for a helper that fails.
---@param reference {host: string, name: string}
---@param explicit {user: string, password: string}|nil
---@return jflash.OciCredentials|nil
function M.find(reference, explicit)
    local given = explicit and { user = explicit.user, password = explicit.password, source = "the caller" }
        or from_environment()
    if given then
        keep_secret(given)
        return given
    end
    for _, file in ipairs(M.files()) do
        local found = look_up(file, reference)
        if found and (found.user or found.identity_token) then
            keep_secret(found)
            return found
        end
    end
    return nil
end

return M
