-- SPDX-License-Identifier: Apache-2.0
--
-- Why a registry gave nothing, and what to do about it.

local errors = require("jflash.errors")

local M = {}

local LOGIN = "podman login %s (or skopeo login, docker login), or OCI_USERNAME and OCI_PASSWORD"

local function hint_401(repository)
    local host, known = repository.reference.host, repository.credentials
    if known then
        return ("the credentials of %s, from %s, were refused; renew them: " .. LOGIN):format(
            known.user or "an identity token", known.source, host)
    end
    return ("no credentials for %s were found; " .. LOGIN):format(host, host)
end

local function hint_403(repository)
    local known = repository.credentials
    local what = repository.settings.actions and "write to" or "read"
    return known and ("%s (from %s) may not %s %s"):format(known.user or "the identity token", known.source, what,
        repository.reference.name) or ("it may need credentials: " .. LOGIN):format(repository.reference.host)
end

local HINTS = {
    [401] = hint_401,
    [403] = hint_403,
    [404] = function(repository)
        return ("is the reference right? skopeo list-tags docker://%s/%s shows the tags; some registries say so of "
            .. "what needs credentials too"):format(repository.reference.host, repository.reference.name)
    end,
    [407] = function()
        return "credentials for the proxy belong into the variable https_proxy"
    end,
    [429] = function(repository)
        return repository.credentials and "the registry limits its downloads: wait"
            or "the registry limits anonymous downloads: wait, or log in"
    end,
}

local function hint_for(repository, failure)
    if failure.no_tls then
        return "the registry does not seem to speak TLS: --plain-http, if that is meant"
    elseif failure.message:find("ertificate") then
        return "trust its authority with --cacert FILE (or the board's cacert); -k believes anyone"
    end
    local hint = HINTS[failure.status]
    return hint and hint(repository) or nil
end

--- Raises a failure of a registry as class source, or host for this side's.
---@param repository jflash.OciRepository
---@param failure {message: string, code: string, status: integer|nil, no_tls: boolean|nil, errno: string|nil}
function M.raise(repository, failure)
    errors.raise({
        class = failure.errno and "host" or "source",
        code = failure.code,
        errno = failure.errno,
        message = failure.message,
        hint = hint_for(repository, failure),
        status = failure.status,
        retry = 0, -- what could pass was tried again by the client
    })
end

return M
