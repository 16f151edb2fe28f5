-- llmsync's own parts of a delivery, for Wireshark and tshark 4.0 and newer: the control messages that
-- receivers send, and the header extensions EXT_POLL (99) and EXT_REJECTION (98) in packets of ALC.
-- Everything else of a delivery is ALC, LCT and FLUTE, which Wireshark knows:
--
--     tshark -X lua_script:llmsync.lua -d udp.port==3400,alc -r capture.pcap
--
-- Control messages are found by their first octets, on any UDP port.  docs/reference/delivery.md has the
-- formats.

if llmsync_is_loaded then
    return -- two protocols of one name cannot be
end
llmsync_is_loaded = true

local TYPES = {[1] = "JOIN", [2] = "HAVE", [3] = "REPORT", [4] = "DONE", [5] = "FAIL"}
local STATES = {[0] = "nothing", [1] = "all", [2] = "part"}

local control = Proto("llmsync", "llmsync control message")
local f = {
    version = ProtoField.uint8("llmsync.version", "Version"),
    type = ProtoField.uint8("llmsync.type", "Type", base.DEC, TYPES),
    tsi = ProtoField.uint32("llmsync.tsi", "TSI"),
    incarnation = ProtoField.uint32("llmsync.incarnation", "Incarnation"),
    name = ProtoField.string("llmsync.name", "Receiver"),
    control_low = ProtoField.uint8("llmsync.join.control_low", "Lowest control version"),
    control_high = ProtoField.uint8("llmsync.join.control_high", "Highest control version"),
    manifest_low = ProtoField.uint8("llmsync.join.manifest_low", "Lowest manifest version"),
    manifest_high = ProtoField.uint8("llmsync.join.manifest_high", "Highest manifest version"),
    manifest = ProtoField.bytes("llmsync.manifest", "Manifest digest (BLAKE3)"),
    objects = ProtoField.uint32("llmsync.have.objects", "Number of objects"),
    first_object = ProtoField.uint32("llmsync.have.first", "First object"),
    state = ProtoField.uint8("llmsync.have.state", "Holds", base.DEC, STATES),
    poll_id = ProtoField.uint32("llmsync.poll_id", "Poll id"),
    toi = ProtoField.uint32("llmsync.toi", "TOI"),
    first = ProtoField.uint32("llmsync.first", "First block"),
    room = ProtoField.uint32("llmsync.room", "Room (KiB)"),
    lacks = ProtoField.uint8("llmsync.lacks", "Lacks"),
    files = ProtoField.uint32("llmsync.done.files", "Files"),
    bytes = ProtoField.uint64("llmsync.done.bytes", "Bytes"),
    repaired = ProtoField.uint32("llmsync.done.repaired", "Parity symbols used"),
    duplicates = ProtoField.uint32("llmsync.done.duplicates", "Duplicates"),
    polluted = ProtoField.uint32("llmsync.done.polluted", "Polluted blocks"),
    reason = ProtoField.string("llmsync.reason", "Reason"),
    rest = ProtoField.bytes("llmsync.rest", "Not known"),
}
control.fields = f
local malformed = ProtoExpert.new(
    "llmsync.malformed", "Shorter than its type needs", expert.group.MALFORMED, expert.severity.ERROR)
control.experts = {malformed}

-- Each body: adds its fields from `at` on, and returns where it ends; nil where it is too short.
local BODIES = {
    [1] = function(tree, tvb, at)
        if tvb:len() == at then
            return at -- version 1 of everything
        end
        if tvb:len() < at + 4 then
            return nil
        end
        for i, field in ipairs({f.control_low, f.control_high, f.manifest_low, f.manifest_high}) do
            tree:add(field, tvb(at + i - 1, 1))
        end
        return at + 4
    end,
    [2] = function(tree, tvb, at)
        if tvb:len() < at + 42 then
            return nil
        end
        tree:add(f.manifest, tvb(at, 32))
        tree:add(f.objects, tvb(at + 32, 4))
        tree:add(f.first_object, tvb(at + 36, 4))
        local count = tvb(at + 40, 2):uint()
        for i = 0, math.min(count, tvb:len() - at - 42) - 1 do
            tree:add(f.state, tvb(at + 42 + i, 1))
        end
        return tvb:len() >= at + 42 + count and at + 42 + count or nil
    end,
    [3] = function(tree, tvb, at)
        if tvb:len() < at + 18 then
            return nil
        end
        for i, field in ipairs({f.poll_id, f.toi, f.first, f.room}) do
            tree:add(field, tvb(at + 4 * i - 4, 4))
        end
        local count = tvb(at + 16, 2):uint()
        for i = 0, math.min(count, tvb:len() - at - 18) - 1 do
            tree:add(f.lacks, tvb(at + 18 + i, 1))
        end
        return tvb:len() >= at + 18 + count and at + 18 + count or nil
    end,
    [4] = function(tree, tvb, at)
        if tvb:len() < at + 80 then
            return nil
        end
        tree:add(f.manifest, tvb(at, 32))
        tree:add(f.files, tvb(at + 32, 4))
        tree:add(f.bytes, tvb(at + 36, 8))
        tree:add(f.repaired, tvb(at + 44, 4))
        tree:add(f.duplicates, tvb(at + 48, 4))
        tree:add(f.polluted, tvb(at + 52, 4))
        return at + 80
    end,
    [5] = function(tree, tvb, at)
        if tvb:len() > at then
            tree:add(f.reason, tvb(at))
        end
        return tvb:len()
    end,
}

function control.dissector(tvb, pinfo, root)
    local tree = root:add(control, tvb())
    pinfo.cols.protocol = "llmsync"
    local kind, length = tvb(3, 1):uint(), tvb(12, 1):uint()
    tree:add(f.version, tvb(2, 1))
    tree:add(f.type, tvb(3, 1))
    tree:add(f.tsi, tvb(4, 4))
    tree:add(f.incarnation, tvb(8, 4))
    local named = math.min(length, tvb:len() - 13)
    local name = named > 0 and tvb(13, named):string() or ""
    if named > 0 then
        tree:add(f.name, tvb(13, named))
    end
    pinfo.cols.info = name .. " " .. (TYPES[kind] or "type " .. kind)
    local at = named == length and BODIES[kind] and BODIES[kind](tree, tvb, 13 + length)
    if at == nil or named < length then
        tree:add_proto_expert_info(malformed)
    elseif not at then
        at = 13 + length
    end
    if at and at < tvb:len() then
        tree:add(f.rest, tvb(at))
    end
    return tvb:len()
end

control:register_heuristic("udp", function(tvb, pinfo, root)
    if tvb:len() < 14 or tvb(0, 2):uint() ~= 0x4C53 or tvb(2, 1):uint() == 0 then
        return false
    end
    control.dissector(tvb, pinfo, root)
    return true
end)

-- The extensions: ALC's own dissector shows them as data, this adds what they say.
local extensions = Proto("llmsync_ext", "llmsync header extension")
local e = {
    version = ProtoField.uint16("llmsync_ext.version", "Control version"),
    poll_id = ProtoField.uint32("llmsync_ext.poll_id", "Poll id"),
    first = ProtoField.uint32("llmsync_ext.first", "First block"),
    count = ProtoField.uint32("llmsync_ext.count", "Number of blocks"),
    kind = ProtoField.string("llmsync_ext.kind", "Asks for"),
    name = ProtoField.string("llmsync_ext.name", "Rejected receiver"),
    reason = ProtoField.string("llmsync_ext.reason", "Reason"),
}
extensions.fields = e
local het = Field.new("rmt-lct.hec.type")
local content = Field.new("rmt-lct.hec.data")

local function poll(tree, tvb)
    if tvb:len() ~= 14 then
        return
    end
    local version, id, count = tvb(0, 2):uint(), tvb(2, 4):uint(), tvb(10, 4):uint()
    tree:add(e.version, tvb(0, 2), version == 0 and 1 or version)
    tree:add(e.poll_id, tvb(2, 4))
    tree:add(e.first, tvb(6, 4))
    tree:add(e.count, tvb(10, 4))
    local kind = count > 0 and "a report" or "an answer at once (mark)"
    if id == 0 then
        kind = count > 0 and "JOIN or HAVE" or "nothing (I am here)"
    end
    tree:add(e.kind, kind)
end

local function rejection(tree, tvb)
    local length = tvb(0, 1):uint()
    if length == 0 or 1 + length > tvb:len() then
        return
    end
    tree:add(e.name, tvb(1, length))
    if tvb:len() > 1 + length then
        tree:add(e.reason, tvb(1 + length), tvb(1 + length):stringz())
    end
end

function extensions.dissector(_, _, root)
    -- EXT_FTI, EXT_FDT and their like have fields of their own: data is of those that are not known.
    local at = 0
    local found = {content()}
    for _, kind in ipairs({het()}) do
        if kind.value == 98 or kind.value == 99 then
            at = at + 1
            if found[at] then
                local tree = root:add(extensions, found[at].range)
                local read = kind.value == 99 and poll or rejection
                read(tree, found[at].range)
            end
        end
    end
end

register_postdissector(extensions)
