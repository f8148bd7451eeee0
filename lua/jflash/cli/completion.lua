-- SPDX-License-Identifier: Apache-2.0

local sys = require("jflash.sys")

local M = {}

local EXAMPLES = [[
Examples:
  source <(jflash completion bash)
  jflash completion zsh > ~/.zfunc/_jflash]]

-- The parser's own generators.
local makers = { bash = "get_bash_complete", zsh = "get_zsh_complete", fish = "get_fish_complete" }

function M.define(command)
    command:argument("shell", "bash, zsh or fish"):choices({ "bash", "zsh", "fish" })
    command:epilog(EXAMPLES)
end

function M.run(values)
    local parser = require("jflash.cli").parser()
    sys.write(1, parser[makers[values.shell]](parser))
    return 0
end

return M
