-- BIER (RFC 8296) for Wireshark and tshark; written for 4.0 (Lua 5.2), which has no dissector for it.
--
-- Without MPLS it registers on EtherType 0xAB37, also inside GRE.  Under MPLS nothing in a frame says
-- that a label is a BIFT-id: a preference names the labels.  The same syntax tells domain-wide BIFT-ids:
--
--     bier.mpls_labels   1000-1015:256:0, 3000:64, 5000       RANGE[:BSL[:SI]], ...
--     bier.bift_ids      5:256:0, 6:256:1
--
-- BSL in bits.  SI is that of the first number of the range, and one more for each that follows: labels
-- of a sub-domain are advertised so (RFC 8401 section 6.2, RFC 8444 section 2.2).  Where no BSL is given
-- the header's field is believed: a forwarder must not, an analyser may (RFC 8296 section 2.1.2).
--
-- Copy this file into the folder "Personal Lua Plugins" of Help > About Wireshark > Folders, or use
-- tshark -X lua_script:bier.lua

local asked, present = pcall(Dissector.get, "bier") -- nil in 4.0, an error in later ones
if asked and present then
    return -- this Wireshark has one of its own, or the script is loaded twice: two of one name cannot be
end

local FIXED = 12
local BSL_BITS = {64, 128, 256, 512, 1024, 2048, 4096}
local BSL_NAMES = {}
for code, bits in ipairs(BSL_BITS) do
    BSL_NAMES[code] = bits .. " bits"
end

-- IANA "BIER Next Protocol Identifiers"
local PROTO_NAMES = {
    [0] = "Reserved",
    [1] = "MPLS packet, downstream-assigned label at the top",
    [2] = "MPLS packet, upstream-assigned label at the top",
    [3] = "Ethernet frame",
    [4] = "IPv4 packet",
    [5] = "OAM packet",
    [6] = "IPv6 packet",
    [7] = "VXLAN without IP and UDP",
    [8] = "NVGRE without IP",
    [9] = "GENEVE without IP and UDP",
    [63] = "Reserved",
}
local PAYLOADS = {[1] = "mpls", [2] = "mpls", [3] = "eth_withoutfcs", [4] = "ip", [6] = "ipv6"}
-- Dissectors that 4.0 gives no name, by where they are registered.
local REGISTERED = {[7] = {"udp.port", 4789}, [8] = {"ip.proto", 47}, [9] = {"udp.port", 6081}}

local bier = Proto("bier", "Bit Index Explicit Replication")
local in_mpls = Proto("bier_mpls", "BIER under an MPLS label")
local oam = Proto("bier_oam", "BIER OAM")
local leftover = Proto("bier_stack", "BIER labels that are not the last one")

local F = {
    bift_id = ProtoField.uint32("bier.bift_id", "BIFT-id", base.DEC, nil, 0xFFFFF000),
    tc = ProtoField.uint32("bier.tc", "TC", base.DEC, nil, 0x00000E00),
    s = ProtoField.uint32("bier.s", "S", base.DEC, nil, 0x00000100),
    ttl = ProtoField.uint32("bier.ttl", "TTL", base.DEC, nil, 0x000000FF),
    nibble = ProtoField.uint32("bier.nibble", "Nibble", base.DEC, nil, 0xF0000000),
    version = ProtoField.uint32("bier.version", "Ver", base.DEC, nil, 0x0F000000),
    bsl = ProtoField.uint32("bier.bsl", "BSL", base.DEC, BSL_NAMES, 0x00F00000),
    entropy = ProtoField.uint32("bier.entropy", "Entropy", base.DEC, nil, 0x000FFFFF),
    oam = ProtoField.uint32("bier.oam", "OAM", base.DEC, nil, 0xC0000000),
    rsv = ProtoField.uint32("bier.rsv", "Rsv", base.DEC, nil, 0x30000000),
    dscp = ProtoField.uint32("bier.dscp", "DSCP", base.DEC, nil, 0x0FC00000),
    proto = ProtoField.uint32("bier.proto", "Proto", base.DEC, PROTO_NAMES, 0x003F0000),
    bfir_id = ProtoField.uint32("bier.bfir_id", "BFIR-id", base.DEC, nil, 0x0000FFFF),
    bitstring = ProtoField.bytes("bier.bitstring", "BitString"),
    bsl_bits = ProtoField.uint16("bier.bsl_bits", "BitString length in bits", base.DEC),
    bits = ProtoField.uint16("bier.bits", "Number of bits set", base.DEC),
    bit = ProtoField.uint16("bier.bit", "Bit position", base.DEC),
    si = ProtoField.uint16("bier.si", "SI", base.DEC),
    bfer_id = ProtoField.uint32("bier.bfer_id", "BFR-id of a BFER", base.DEC),
}
bier.fields = F

-- Named as the drop counters of llmsync-bier are, with "_" for "-", where a receiver drops.
local X = {
    truncated = ProtoExpert.new("bier.truncated", "Ends inside the BIER header: discard (RFC 8296 section 2)",
        expert.group.MALFORMED, expert.severity.ERROR),
    not_bottom_of_stack = ProtoExpert.new("bier.not_bottom_of_stack",
        "S is 0: the BIER-MPLS label must be the last one (RFC 8296 section 2.1.1)",
        expert.group.PROTOCOL, expert.severity.ERROR),
    wrong_nibble = ProtoExpert.new("bier.wrong_nibble",
        "Nibble is not 0101 under MPLS: discard (RFC 8296 section 2.1.2)",
        expert.group.PROTOCOL, expert.severity.ERROR),
    unknown_version = ProtoExpert.new("bier.unknown_version", "Ver is not 0: discard (RFC 8296 section 2.1.2)",
        expert.group.PROTOCOL, expert.severity.ERROR),
    bsl_unassigned = ProtoExpert.new("bier.bsl_unassigned",
        "No length has this BSL code: discard (RFC 8296 section 2.1.2)",
        expert.group.PROTOCOL, expert.severity.ERROR),
    bsl_mismatch = ProtoExpert.new("bier.bsl_mismatch",
        "BSL disagrees with what the BIFT-id stands for: discard (RFC 8296 section 2.1.2)",
        expert.group.PROTOCOL, expert.severity.ERROR),
    ttl_expired = ProtoExpert.new("bier.ttl_expired", "TTL 0 has expired: discard (RFC 8296 section 2.1.1)",
        expert.group.PROTOCOL, expert.severity.WARN),
    empty_bit_string = ProtoExpert.new("bier.empty_bit_string",
        "No bit is set: addressed to nobody (RFC 8279 section 6.5)",
        expert.group.PROTOCOL, expert.severity.WARN),
    unknown_proto = ProtoExpert.new("bier.unknown_proto",
        "Proto is not assigned: a BFER discards (RFC 8296 section 2.1.2)",
        expert.group.UNDECODED, expert.severity.WARN),
    rsv_not_zero = ProtoExpert.new("bier.rsv_not_zero", "Rsv is not 0: ignored (RFC 8296 section 2.1.2)",
        expert.group.PROTOCOL, expert.severity.NOTE),
    nibble_ignored = ProtoExpert.new("bier.nibble_ignored",
        "Nibble should be 0000 without MPLS: ignored (RFC 8296 section 2.2.2)",
        expert.group.PROTOCOL, expert.severity.NOTE),
    s_ignored = ProtoExpert.new("bier.s_ignored",
        "S should be 1 without MPLS: ignored (RFC 8296 section 2.2.1)",
        expert.group.PROTOCOL, expert.severity.NOTE),
    capture_cut = ProtoExpert.new("bier.capture_cut", "The capture holds less of the header than was sent",
        expert.group.UNDECODED, expert.severity.NOTE),
}
bier.experts = X

-- draft-ietf-bier-ping, figures 1 and 2
local OAM_TYPES = {[1] = "Echo Request", [2] = "Echo Reply"}
local REPLY_MODES = {
    [1] = "Do not reply", [2] = "Reply by an IPv4 or IPv6 UDP packet", [3] = "Reply by a BIER packet",
}
local RETURN_CODES = {
    [0] = "No Return Code",
    [1] = "Malformed Echo Request received",
    [2] = "One or more of the TLVs is not supported",
    [3] = "Replying BFR is the only BFER in the BIER header BitString",
    [4] = "Replying BFR is one of the BFERs in the BIER header BitString",
    [5] = "Packet-Forward-Success",
    [6] = "Invalid Multipath Info Request",
    [8] = "No matching entry in the forwarding table",
    [9] = "Set-Identifier Mismatch",
    [10] = "DDMAP Mismatch",
}
local TLV_NAMES = {
    [1] = "Original SI-BitString",
    [2] = "Target SI-BitString",
    [3] = "Incoming SI-BitString",
    [4] = "Downstream Detailed Mapping",
    [5] = "Responder BFER",
    [6] = "Responder BFR",
    [7] = "Ingress Interface",
    [8] = "Erroneous TLV",
}
local FORMATS = {[2] = "NTP", [3] = "PTP"}
local O = {
    version = ProtoField.uint32("bier_oam.version", "Ver", base.DEC, nil, 0xF0000000),
    type = ProtoField.uint32("bier_oam.type", "Message Type", base.DEC, OAM_TYPES, 0x0FC00000),
    proto = ProtoField.uint32("bier_oam.proto", "Proto", base.DEC, nil, 0x003F0000),
    reserved = ProtoField.uint32("bier_oam.reserved", "Reserved", base.HEX, nil, 0x0000FFFF),
    length = ProtoField.uint32("bier_oam.length", "BIER OAM Message Length", base.DEC),
    qtf = ProtoField.uint32("bier_oam.qtf", "QTF", base.DEC, FORMATS, 0xF0000000),
    rtf = ProtoField.uint32("bier_oam.rtf", "RTF", base.DEC, FORMATS, 0x0F000000),
    reply_mode = ProtoField.uint32("bier_oam.reply_mode", "Reply Mode", base.DEC, REPLY_MODES, 0x00FF0000),
    return_code = ProtoField.uint32("bier_oam.return_code", "Return Code", base.DEC, RETURN_CODES, 0x0000FF00),
    sender_handle = ProtoField.uint32("bier_oam.sender_handle", "Sender's Handle", base.HEX),
    sequence = ProtoField.uint32("bier_oam.sequence", "Sequence Number", base.DEC),
    sent = ProtoField.bytes("bier_oam.timestamp_sent", "Timestamp Sent"),
    received = ProtoField.bytes("bier_oam.timestamp_received", "Timestamp Received"),
    tlv = ProtoField.bytes("bier_oam.tlv", "TLV"),
    tlv_type = ProtoField.uint16("bier_oam.tlv.type", "Type", base.DEC, TLV_NAMES),
    tlv_length = ProtoField.uint16("bier_oam.tlv.length", "Length", base.DEC),
}
oam.fields = O
local OX = {
    truncated = ProtoExpert.new("bier_oam.truncated", "The OAM message ends too early",
        expert.group.MALFORMED, expert.severity.ERROR),
    length = ProtoExpert.new("bier_oam.length_wrong", "The length does not fit what was sent",
        expert.group.MALFORMED, expert.severity.ERROR),
}
oam.experts = OX

local mpls_item = Field.new("mpls")
local bift_id_item = Field.new("bier.bift_id")

-- Preferences ---------------------------------------------------------------------------------------

bier.prefs.mpls_labels = Pref.string("MPLS labels", "",
    "Labels that are BIFT-ids: RANGE[:BSL[:SI]], separated by commas, such as 1000-1015:256:0,3000:64,5000")
bier.prefs.bift_ids = Pref.string("Domain-wide BIFT-ids", "",
    "What BIFT-ids without MPLS stand for: RANGE:BSL[:SI], separated by commas, such as 5:256:0")

local function is_bsl(number)
    for _, bits in ipairs(BSL_BITS) do
        if bits == number then return true end
    end
    return false
end

-- Returns the entries of a preference, or nil and what is wrong with it.
local function ranges(text)
    local entries = {}
    for part in text:gmatch("[^,]+") do
        local token = part:gsub("%s", "")
        local range, rest = token:match("^([%d%-]+)(.*)$")
        local low, high = (range or ""):match("^(%d+)%-(%d+)$")
        if not low then
            low = (range or ""):match("^%d+$")
            high = low
        end
        local bsl, si = (rest or ""):match("^:(%d+):(%d+)$")
        if not bsl then bsl = (rest or ""):match("^:(%d+)$") end
        low, high, bsl, si = tonumber(low), tonumber(high), tonumber(bsl), tonumber(si)
        if not low or high < low or high > 0xFFFFF or (rest ~= "" and not bsl) then
            return nil, token .. " is not RANGE[:BSL[:SI]]"
        elseif bsl and not is_bsl(bsl) then
            return nil, token .. ": BSL is 64, 128, 256, 512, 1024, 2048 or 4096"
        elseif si and si + high - low > 255 then
            return nil, token .. ": SI goes up to 255"
        end
        table.insert(entries, {low = low, high = high, bsl = bsl, si = si})
    end
    return entries
end

local labels, bift_ids = {}, {}
local registered = {}

local function find(entries, number)
    for _, entry in ipairs(entries) do
        if entry.low <= number and number <= entry.high then
            return {bsl = entry.bsl, si = entry.si and entry.si + number - entry.low}
        end
    end
end

local function read_preference(name)
    local entries, wrong = ranges(bier.prefs[name])
    if wrong then
        report_failure("bier." .. name .. ": " .. wrong .. "; the preference is not used")
    end
    return entries or {}
end

function bier.prefs_changed()
    local table_of_labels = DissectorTable.get("mpls.label")
    for _, range in ipairs(registered) do
        table_of_labels:remove(range, in_mpls)
    end
    registered = {}
    labels, bift_ids = read_preference("mpls_labels"), read_preference("bift_ids")
    for _, entry in ipairs(labels) do
        local range = entry.low .. "-" .. entry.high
        table_of_labels:add(range, in_mpls)
        table.insert(registered, range)
    end
end

-- The header ----------------------------------------------------------------------------------------

-- Returns "1-3,7": runs of numbers that rise.
local function runs(numbers)
    local parts, first = {}, nil
    for i, number in ipairs(numbers) do
        first = first or number
        if numbers[i + 1] ~= number + 1 then
            table.insert(parts, first == number and tostring(number) or first .. "-" .. number)
            first = nil
        end
    end
    return table.concat(parts, ",")
end

-- Returns the bit positions set, lowest first: bit position 1 is the last bit of the string.
local function positions(range)
    local found, octets = {}, range:bytes()
    local last = octets:len() - 1
    for i = last, 0, -1 do
        local octet = octets:get_index(i)
        for bit = 0, 7 do
            if octet % 2 == 1 then table.insert(found, {position = (last - i) * 8 + bit + 1, index = i}) end
            octet = math.floor(octet / 2)
        end
    end
    return found
end

-- Says whether `octets` from the header's start are there, and marks the packet where they are not.
-- `before`: octets of the header that are not in `tvb`, because MPLS took them.
local function complete(tvb, before, octets, tree)
    if before + tvb:reported_len() < octets then
        tree:add_proto_expert_info(X.truncated)
        return false
    elseif before + tvb:len() < octets then
        tree:add_proto_expert_info(X.capture_cut)
        return false
    end
    return true
end

local function add_first_word(tree, word, under_mpls)
    tree:add(F.bift_id, word)
    tree:add(F.tc, word)
    local s = tree:add(F.s, word)
    local ttl = tree:add(F.ttl, word)
    if word:bitfield(23, 1) == 0 then
        s:add_proto_expert_info(under_mpls and X.not_bottom_of_stack or X.s_ignored)
    end
    if word:bitfield(24, 8) == 0 then ttl:add_proto_expert_info(X.ttl_expired) end
end

-- Adds the second word; returns the length of the BitString in bits, or nil where nobody knows it.
local function add_second_word(tree, word, under_mpls, known)
    local nibble = tree:add(F.nibble, word)
    local version = tree:add(F.version, word)
    local bsl = tree:add(F.bsl, word)
    tree:add(F.entropy, word)
    local value = word:bitfield(0, 4)
    if under_mpls and value ~= 5 then
        nibble:add_proto_expert_info(X.wrong_nibble)
    elseif not under_mpls and value ~= 0 then
        nibble:add_proto_expert_info(X.nibble_ignored)
    end
    if word:bitfield(4, 4) ~= 0 then version:add_proto_expert_info(X.unknown_version) end
    local said = BSL_BITS[word:bitfield(8, 4)]
    if not said then bsl:add_proto_expert_info(X.bsl_unassigned) end
    if said and known and known.bsl and said ~= known.bsl then bsl:add_proto_expert_info(X.bsl_mismatch) end
    local bits = known and known.bsl or said
    if bits then tree:add(F.bsl_bits, word, bits):set_generated() end
    return bits
end

local function add_third_word(tree, word)
    tree:add(F.oam, word)
    local rsv = tree:add(F.rsv, word)
    tree:add(F.dscp, word)
    local proto = tree:add(F.proto, word)
    tree:add(F.bfir_id, word)
    if word:bitfield(2, 2) ~= 0 then rsv:add_proto_expert_info(X.rsv_not_zero) end
    local number = word:bitfield(10, 6)
    if number == 0 or not PROTO_NAMES[number] or number == 63 then
        proto:add_proto_expert_info(X.unknown_proto)
    end
    return number
end

-- Adds the BitString; returns what the Info column says of it.
local function add_bits(tree, range, bits, si)
    local string = tree:add(F.bitstring, range)
    local found, numbers = positions(range), {}
    for _, bit in ipairs(found) do table.insert(numbers, si and si * bits + bit.position or bit.position) end
    local text = runs(numbers)
    string:append_text((si and " (BFR-ids " or " (bits ") .. (text == "" and "none" or text) .. ")")
    tree:add(F.bits, range, #found):set_generated()
    if si then tree:add(F.si, range, si):set_generated() end
    if #found == 0 then string:add_proto_expert_info(X.empty_bit_string) end
    for _, bit in ipairs(found) do
        local octet = range:range(bit.index, 1)
        string:add(F.bit, octet, bit.position):set_generated()
        if si then string:add(F.bfer_id, octet, si * bits + bit.position):set_generated() end
    end
    return (si and "BFR-ids {" or "bits {") .. text .. "}"
end

local function dissector_of(proto)
    if PAYLOADS[proto] then return Dissector.get(PAYLOADS[proto]) end
    local place = REGISTERED[proto]
    local found = place and DissectorTable.get(place[1]):get_dissector(place[2])
    return found or Dissector.get("data")
end

-- Hands on what follows the header.
local function payload(tvb, pinfo, root, proto)
    if tvb:len() == 0 then return end
    if proto == 5 then
        oam.dissector(tvb, pinfo, root)
    else
        -- A payload that is malformed has said so in the tree; it also raises an error, which is not ours.
        local dissector = dissector_of(proto)
        pcall(dissector.call, dissector, tvb, pinfo, root)
    end
end

-- Dissects a header whose first word is `first` (nil where MPLS kept it from us: there is no tree then)
-- and whose other words lie in `tvb` from `offset`.
local function header(tvb, offset, pinfo, root, first, under_mpls, bift_id, hand_on)
    local before = under_mpls and 4 - offset or 0
    local known = find(under_mpls and labels or bift_ids, bift_id)
    local tree = root:add(bier, tvb(0, math.min(tvb:len(), FIXED - before)))
    tree:append_text(", BIFT-id " .. bift_id .. (under_mpls and " (MPLS label)" or ""))
    pinfo.cols.protocol = "BIER"
    pinfo.cols.info = "BIER " .. bift_id
    if first then
        add_first_word(tree, first, under_mpls)
        pinfo.cols.info:append(" TTL " .. first:bitfield(24, 8))
    end
    if not complete(tvb, before, 8, tree) then return end
    local bits = add_second_word(tree, tvb(offset, 4), under_mpls, known)
    if not complete(tvb, before, FIXED, tree) then return end
    local proto = add_third_word(tree, tvb(offset + 4, 4))
    if not bits or not complete(tvb, before, FIXED + bits / 8, tree) then return end
    local size = offset + 8 + bits / 8
    tree:set_len(size)
    local text = add_bits(tree, tvb(offset + 8, bits / 8), bits, known and known.si)
    pinfo.cols.info:append(" " .. text .. " ")
    if hand_on then
        pinfo.cols.info:fence()
        if tvb:len() > size then payload(tvb(size):tvb(), pinfo, root, proto) end
    end
end

function bier.dissector(tvb, pinfo, root)
    if tvb:len() < 4 then
        local tree = root:add(bier, tvb())
        pinfo.cols.protocol = "BIER"
        complete(tvb, 0, 4, tree)
        return tvb:len()
    end
    header(tvb, 4, pinfo, root, tvb(0, 4), false, tvb(0, 4):bitfield(0, 20), true)
    return tvb:len()
end

-- MPLS hands on what follows its last label.  The label itself is its last item so far; without a tree
-- (a list of packets that nobody filters) there are no items, and nobody looks at fields either.
function in_mpls.dissector(tvb, pinfo, root)
    local items = {mpls_item()}
    local item = items[#items]
    local first = item and item.range
    header(tvb, 0, pinfo, root, first, true, first and first:bitfield(0, 20) or pinfo.match, true)
    return tvb:len()
end

-- A BIER label with S 0, or with nothing behind it, never comes to `in_mpls`: MPLS takes the header for
-- more labels.
function leftover.dissector(_, pinfo, root)
    if #labels == 0 or bift_id_item() then return end
    for _, item in ipairs({mpls_item()}) do
        local label = item.range:bitfield(0, 20)
        if find(labels, label) then
            local source = item.source
            local start = item.offset
            if start + 4 <= source:len() then
                header(source(start):tvb(), 4, pinfo, root, item.range, true, label, false)
            end
            return
        end
    end
end
register_postdissector(leftover)

-- OAM (draft-ietf-bier-ping sections 3.1, 3.2) ---------------------------------------------------------

local function add_tlvs(tree, tvb, offset, stop)
    while stop - offset >= 4 do
        local size = 4 + tvb(offset + 2, 2):uint()
        if size > stop - offset then
            tree:add_proto_expert_info(OX.truncated)
            return
        end
        local tlv = tree:add(O.tlv, tvb(offset, size))
        tlv:add(O.tlv_type, tvb(offset, 2))
        tlv:add(O.tlv_length, tvb(offset + 2, 2))
        offset = offset + size
    end
end

local function add_echo(tree, tvb, stop)
    local word = tvb(8, 4)
    for _, field in ipairs({O.qtf, O.rtf, O.reply_mode, O.return_code}) do tree:add(field, word) end
    tree:add(O.sender_handle, tvb(12, 4))
    tree:add(O.sequence, tvb(16, 4))
    tree:add(O.sent, tvb(20, 8))
    tree:add(O.received, tvb(28, 8))
    add_tlvs(tree, tvb, 36, stop)
    return ", sender's handle " .. string.format("0x%08x", tvb(12, 4):uint()) .. ", sequence " .. tvb(16, 4):uint()
end

function oam.dissector(tvb, pinfo, root)
    local tree = root:add(oam, tvb())
    pinfo.cols.protocol = "BIER OAM"
    if tvb:len() < 8 then
        tree:add_proto_expert_info(OX.truncated)
        return tvb:len()
    end
    local word = tvb(0, 4)
    for _, field in ipairs({O.version, O.type, O.proto, O.reserved}) do tree:add(field, word) end
    local length, kind = tvb(4, 4):uint(), word:bitfield(4, 6)
    local size = tree:add(O.length, tvb(4, 4))
    if length < 8 or length > tvb:reported_len() then size:add_proto_expert_info(OX.length) end
    local stop = math.min(math.max(length, 8), tvb:len())
    local text = "OAM " .. (OAM_TYPES[kind] or "message type " .. kind)
    if OAM_TYPES[kind] then
        if stop < 36 then
            tree:add_proto_expert_info(OX.truncated)
        else
            text = text .. add_echo(tree, tvb, stop)
        end
    end
    pinfo.cols.info:append(text)
    local inner = word:bitfield(10, 6)
    if inner ~= 0 and inner ~= 5 and tvb:len() > stop then payload(tvb(stop):tvb(), pinfo, root, inner) end
    return tvb:len()
end

-- Registration ----------------------------------------------------------------------------------------

DissectorTable.get("ethertype"):add(0xAB37, bier)
DissectorTable.get("gre.proto"):add(0xAB37, bier)
DissectorTable.get("mpls.label"):add_for_decode_as(in_mpls)
DissectorTable.get("udp.port"):add_for_decode_as(oam) -- replies by UDP: the draft names no port
