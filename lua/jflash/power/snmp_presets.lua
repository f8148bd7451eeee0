-- SPDX-License-Identifier: Apache-2.0
--
-- The objects of PDUs' MIBs that switch an outlet and tell its state. `outlet` is the
-- outlet's number.

local M = {}

-- Raritan PX: PDU2-MIB, switchingOperation, outletSwitchingState and the outlet's sensors.
function M.raritan(outlet)
    local base = "1.3.6.1.4.1.13742.6."
    local sensor = base .. "5.4.3.1.4.1." .. outlet .. "."
    return {
        oid = base .. "4.1.2.1.2.1." .. outlet, on_value = 1, off_value = 0,
        state_oid = base .. "4.1.2.1.3.1." .. outlet, state_on = { "7" }, state_off = { "8" },
        read = {
            amps = { { oid = sensor .. "1", factor = 0.001 } },
            volts = { { oid = sensor .. "4", factor = 1 } },
            watts = { { oid = sensor .. "5", factor = 1 } },
        },
    }
end

-- APC: PowerNet-MIB, rPDUOutletControlOutletCommand.
function M.apc(outlet)
    local oid = "1.3.6.1.4.1.318.1.1.12.3.3.1.1.4." .. outlet
    return { oid = oid, on_value = 1, off_value = 2, state_oid = oid, state_on = { "1" }, state_off = { "2" } }
end

-- Eaton ePDU: EATON-EPDU-MIB, outletControlOnCmd, outletControlOffCmd (seconds to wait)
-- and outletControlStatus.
function M.eaton(outlet)
    local base = "1.3.6.1.4.1.534.6.6.7.6.6.1."
    return {
        oid = base .. "4.0." .. outlet, on_value = 0, off_oid = base .. "3.0." .. outlet, off_value = 0,
        state_oid = base .. "2.0." .. outlet, state_on = { "1" }, state_off = { "0" },
        state_pending = { "2", "3" },
    }
end

-- Server Technology: Sentry3-MIB, outletControlAction and outletStatus of the first
-- tower and infeed; "2.1.5" is outlet 5 of the second tower.
function M.servertech(outlet)
    local base = "1.3.6.1.4.1.1718.3.2.3.1."
    local index = outlet:find(".", 1, true) and outlet or "1.1." .. outlet
    return {
        oid = base .. "11." .. index, on_value = 1, off_value = 2,
        state_oid = base .. "5." .. index, state_on = { "1" }, state_off = { "0" },
        state_pending = { "2", "3" },
    }
end

return M
