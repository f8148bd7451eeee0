-- SPDX-License-Identifier: Apache-2.0
--
-- Boards differ: three kinds of U-Boot, addresses by DHCP or fixed, with or
-- without a gateway, logins with and without a password.
local support = require("tests.e2e.support")

local NO_GATEWAY = { ipaddr = "10.0.2.15", netmask = "255.255.255.0", serverip = "10.0.2.2" }
local STATIC = { method = "static", ipaddr = "10.0.2.77", netmask = "255.255.255.0" }

local function flashed(row)
    row.status, row.storage, row.cycles = 0, "flashed", 1
    return row
end

describe("a flash of a board whose U-Boot", function()
    for _, dialect in ipairs({ "hush", "simple", "nostatus", "keyed" }) do
        support.rows({ flashed({ name = "speaks " .. dialect, options = { dialect = dialect } }) }, it)
    end
    support.rows({
        flashed({
            name = "wants its key behind a text of its own", options = { dialect = "keyed" },
            config = { uboot = { autoboot_text = "type 'stop' to interrupt" } },
        }),
        flashed({ name = "has another prompt", options = { prompt = "J7-EVM# " } }),
        {
            name = "cannot tell a status still fails when a load fails",
            options = { dialect = "simple", faults = { { kind = "tftp_missing", match = "dtb" } } },
            status = 5, step = "load", storage = "untouched", message = "not found",
        },
    }, it)
end)

describe("a flash of a board with", function()
    support.rows({
        flashed({ name = "DHCP and a gateway", says = "the board has 10.0.2.15, gateway 10.0.2.2" }),
        flashed({
            name = "DHCP and no gateway", options = { net = { lease = NO_GATEWAY } },
            says = "the board has 10.0.2.15, gateway none",
        }),
        flashed({
            name = "a static address and a gateway",
            config = { network = { method = "static", ipaddr = "10.0.2.77", gateway = "10.0.2.1" } },
            says = "the board has 10.0.2.77, gateway 10.0.2.1",
        }),
        flashed({
            name = "a static address and no gateway", config = { network = STATIC },
            says = "the board has 10.0.2.77, gateway none",
            also = function(bench)
                for _, line in ipairs(bench.board:texts("uboot")) do
                    assert.is_nil(line:find("dhcp", 1, true))
                end
            end,
        }),
        flashed({ name = "curl in its flasher", options = { programs = { "/usr/bin/curl" } } }),
        flashed({ name = "the other device tree", args = { "--variant", "board-b" },
            also = function(bench)
                assert.matches("board%-b%.dtb$", bench.board:log("boot")[1].dtb)
            end }),
        flashed({ name = "a target found by its place in the system", args = { "--target", "sysfs" } }),
    }, it)
end)

describe("a flasher's login", function()
    local function login(name, password, config, row)
        row.name, row.options = name, { password = password }
        row.config = { login = config }
        support.rows({ row }, it)
    end
    login("with a password", "geheim", { password = "geheim" }, flashed({ never = { "geheim" } }))
    login("with a wrong password", "geheim", { password = "falsch" }, {
        status = 5, step = "login", cycles = 1, message = "refused", hint = "login.password",
        console = "Login incorrect", never = { "falsch" }, storage = "untouched",
    })
    login("that asks for a password that nobody told", "geheim", { password = support.NONE }, {
        status = 5, step = "login", message = "asks for a password", hint = "login.password",
    })
end)

describe("an image in a format that the board", function()
    for _, suffix in ipairs({ "xz", "gz", "bz2" }) do
        support.rows({
            flashed({ name = "decodes: " .. suffix, image = "disk.img." .. suffix,
                never = { "this host decodes" } }),
        }, it)
    end
    for _, suffix in ipairs({ "zst", "lz4" }) do
        support.rows({
            flashed({ name = "cannot decode, this host does: " .. suffix, image = "disk.img." .. suffix,
                says = "this host decodes while serving" }),
        }, it)
    end
end)
