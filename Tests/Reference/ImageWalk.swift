// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Compiler
import Network
import Policy
import Wire

extension ImageView {
    /// Judges a packet at the port of a record, step by step as the kernel program does.
    ///
    /// - Parameters:
    ///   - claim: Of the packet, see ``Packet/claim(in:)``.
    ///   - isMember: Whether an address is in a dynamic group, by index.
    ///   - isOwn: Whether an address is one of the host's own.
    ///   - origin: A value of `enum bh_via`.
    ///   - holds: Whether what a rule asks for besides packet and groups, by its number, holds; asked in ascending
    ///     order.
    public func judge(
        packet: Packet, claim: Claim? = nil, portRecord: Int, direction: Direction,
        isMember: (Int, IPAddress) -> Bool = { _, _ in false }, isOwn: (IPAddress) -> Bool = { _ in false },
        origin: Int = 0, holds: (Int) -> Bool = { _ in true }
    ) -> Judgement {
        let port = element(bh_port.self, of: tables.ports, portRecord) ?? bh_port()
        let isHost = port.protects == UInt8(BH_HOST.rawValue)
        if let refusal = packet.refusal { return Judgement(.drop, refusal) }
        if port.flags & BH_PORT_NOT_ADMITTED.rawValue != 0 { return Judgement(.drop, .notAdmitted) }
        if !admits(packet, port) { return Judgement(.drop, .vlan) }
        if let refusal = guarded(port).refusal(of: packet, claim: claim, direction) { return Judgement(.drop, refusal) }
        if packet.fragment == .later { return Judgement(.drop, .fragment) }
        if port.flags & BH_PORT_ESSENTIALS.rawValue != 0 {
            if isHost, packet.isControl { return Judgement(.accept, .control) }
            let isSent = !isHost && direction == .out
            if packet.isEssential(isSent: isSent, isOfPort: { !hasAddresses(port) || isBound($0, port) }) {
                return Judgement(.accept, .essential)
            }
        }
        if packet.isARP { return Judgement(.drop, .nonIP) }
        var floor: UInt32 = 0
        let joint = joint(packet, port, direction, isOwn, origin)
        while let rank = firstMatch(packet, joint: joint, from: floor) {
            let rule = element(bh_rule.self, of: tables.rules, Int(rank)) ?? bh_rule()
            let next = next(rule, rank, packet, isMember, holds)
            guard next == rank else {
                floor = next
                continue
            }
            return Judgement(Action(UInt32(rule.verdict)) ?? .drop, .rule, rule: Int(rule.number))
        }
        if packet.family == nil { return Judgement(.drop, .nonIP) }
        let verdict = direction == .in ? port.defaults.0 : port.defaults.1
        return Judgement(Action(UInt32(verdict)) ?? .drop, .default)
    }

    /// The rule's own rank where it decides, else the rank to go on with.
    private func next(
        _ rule: bh_rule, _ rank: UInt32, _ packet: Packet, _ isMember: (Int, IPAddress) -> Bool,
        _ holds: (Int) -> Bool
    ) -> UInt32 {
        let condition = condition(of: rule)
        func asks(_ flags: bh_condition_flag...) -> Bool { flags.contains { condition.flags & $0.rawValue != 0 } }
        if asks(BH_CONDITION_MEMBERS), !membersHold(Int(rule.condition), packet, isMember) { return rank + 1 }
        let asksOthers =
            asks(
                BH_CONDITION_STARTS, BH_CONDITION_EXPIRES, BH_CONDITION_TIMES, BH_CONDITION_LIMITED)
            || condition.connections != 0
        if asks(BH_CONDITION_FIELDS), !fits(packet, condition) { return rank + 1 + UInt32(rule.terms_behind) }
        if asksOthers, !holds(Int(rule.number)) { return rank + 1 + UInt32(rule.terms_behind) }
        return asks(BH_CONDITION_GOES_ON) ? condition.next : rank
    }

    /// Whether the packet has the fields that a condition asks for; dscp and pcp are not in its parse.
    private func fits(_ packet: Packet, _ condition: bh_condition) -> Bool {
        func asks(_ field: bh_field) -> Bool { UInt32(condition.fields) & field.rawValue != 0 }
        func lists(_ list: UInt32, _ mac: MACAddress) -> Bool {
            (0..<Int(BH_MACS_MAX)).contains { element(UInt64.self, of: list, $0) == mac.value }
        }
        var match = RuleMatch()
        if asks(BH_FIELD_TCP_FLAGS) { match.tcpFlags = .init(set: condition.tcp_flags, of: condition.tcp_mask) }
        if asks(BH_FIELD_HOP_LIMIT) { match.hopLimit = condition.least_hops...condition.most_hops }
        if asks(BH_FIELD_LENGTH) { match.length = condition.shortest...condition.longest }
        if asks(BH_FIELD_FRAGMENT) { match.fragment = true }
        if asks(BH_FIELD_WHOLE) { match.fragment = false }
        return packet.fits(match) && (!asks(BH_FIELD_FROM_MAC) || lists(condition.from_macs, packet.sourceMAC))
            && (!asks(BH_FIELD_TO_MAC) || lists(condition.to_macs, packet.destinationMAC))
    }

    private func membersHold(_ number: Int, _ packet: Packet, _ isMember: (Int, IPAddress) -> Bool) -> Bool {
        guard let condition = condition(number), packet.family != nil else { return false }
        let list = condition.literals
        return [list.0, list.1, list.2, list.3, list.4, list.5, list.6, list.7].prefix { $0 != 0 }.allSatisfy {
            let literal = UInt32($0)
            let end = literal & BH_LITERAL_DESTINATION.rawValue != 0 ? packet.destination : packet.source
            let isInside = end.map { isMember(Int(literal & BH_LITERAL_GROUP.rawValue), $0) } ?? false
            return isInside != (literal & BH_LITERAL_OUTSIDE.rawValue != 0)
        }
    }

    private func admits(_ packet: Packet, _ port: bh_port) -> Bool {
        switch UInt32(port.vlan_mode) {
        case BH_VLAN_NONE.rawValue: return packet.isAdmitted(by: .none)
        case BH_VLAN_LIST.rawValue:
            let word = element(UInt64.self, of: port.vlans, Int(packet.outerVLAN / 64)) ?? 0
            return !packet.hasInnerTag && word >> UInt64(packet.outerVLAN % 64) & 1 == 1
        default: return true
        }
    }

    private func firstMatch(_ packet: Packet, joint: Int, from floor: UInt32) -> UInt32? {
        let from = addressClass(packet.source)
        let to = addressClass(packet.destination)
        let partitions = from.from_partitions & to.to_partitions
        let fromClasses = [0, from.from_coarse, from.from_fine]
        let toClasses = [0, to.to_coarse, to.to_fine]
        var best = BH_NONE
        for partition in 0..<Int(BH_PARTITIONS) where partitions >> UInt16(partition) & 1 == 1 {
            let cell = cell(partition, from: fromClasses[partition / 3], to: toClasses[partition % 3])
            guard let (list, rank) = cell, rank < best else { continue }
            best = min(best, firstMatch(list, packet, joint: joint, from: floor, below: best))
        }
        best = min(best, firstMatch(from, to, joint: joint, from: floor))
        return best == BH_NONE ? nil : best
    }

    /// The first match of the bitmaps, `BH_NONE` where there is none.
    private func firstMatch(
        _ source: bh_address_class, _ destination: bh_address_class, joint: Int, from floor: UInt32
    ) -> UInt32 {
        guard source.source_bitmap != 0, destination.destination_bitmap != 0 else { return BH_NONE }
        let width = Int(tables.bitmap_width)
        let bitmap = Int(element(UInt32.self, of: tables.joint_bitmaps, joint) ?? 0)
        var best = BH_NONE
        for index in 0..<width {
            let place = Int(source.source_bitmap) + index
            guard let found = element(bh_bitmap_word.self, of: tables.source_words, place) else { break }
            if found.rank >= best { break }
            let word = Int(found.word & ~BH_BITMAP_LAST)
            let start = Int(destination.destination_bitmap) * width
            let bits =
                found.bits & (element(UInt64.self, of: tables.destination_words, start + word) ?? 0)
                & (element(UInt64.self, of: tables.joint_words, bitmap * width + word) ?? 0)
            let ranks = (0..<64).filter { bits >> UInt64($0) & 1 == 1 }.compactMap {
                element(UInt32.self, of: tables.item_ranks, word * 64 + $0)
            }
            best = min(best, ranks.first { $0 >= floor } ?? BH_NONE)
            if found.word & BH_BITMAP_LAST != 0 { break }
        }
        return best
    }

    // MARK: Addresses

    /// Class 0, which is in no set, where the frame has no address.
    private func addressClass(_ address: IPAddress?) -> bh_address_class {
        var value: UInt32 = 0
        if let address {
            // The bits that are not yet looked up, left-aligned.
            var bits = address.value
            if address.family == .v4 {
                bits <<= 96
                value = element(UInt32.self, of: tables.v4_root, Int(bits >> 112)) ?? 0
                bits <<= 16
            } else {
                value = tables.v6_root
            }
            value = classOf(bits, under: value)
        }
        return element(bh_address_class.self, of: tables.classes, Int(value)) ?? bh_address_class()
    }

    /// Walks a trie with a left-aligned number.
    private func classOf(_ number: UInt128, under root: UInt32) -> UInt32 {
        var (value, bits, depth) = (root, number, 0)
        while value & BH_TRIE_NODE != 0, depth < Int(BH_TRIE_DEPTH) {
            value = step(value & ~BH_TRIE_NODE, &bits)
            depth += 1
        }
        return value
    }

    private func guarded(_ port: bh_port) -> GuardedPort {
        GuardedPort(
            protects: port.protects == UInt8(BH_HOST.rawValue) ? .host : .workload, guards: Set(bits: port.guards),
            hasMACs: port.macs != 0, hasAddresses: hasAddresses(port),
            isBoundMAC: { mac in
                port.macs != 0
                    && (0..<Int(BH_MACS_MAX)).contains { element(UInt64.self, of: port.macs, $0) == mac.value }
            },
            isBound: { isBound($0, port) })
    }

    private func hasAddresses(_ port: bh_port) -> Bool { port.flags & BH_PORT_HAS_ADDRESSES.rawValue != 0 }

    private func isBound(_ address: IPAddress, _ port: bh_port) -> Bool {
        let root = address.family == .v4 ? port.v4 : port.v6
        return classOf(address.value << UInt128(128 - address.family.bits), under: root) != 0
    }

    private func step(_ number: UInt32, _ bits: inout UInt128) -> UInt32 {
        let node = element(bh_node.self, of: tables.nodes, Int(number)) ?? bh_node()
        let high = UInt64(truncatingIfNeeded: bits >> 64)
        if (high ^ node.path) & node.path_mask != 0 { return node.otherwise }
        bits <<= UInt128(node.path_bits)
        let slot = Int(bits >> 120)
        bits <<= 8
        let changes = [node.changes.0, node.changes.1, node.changes.2, node.changes.3][slot >> 6]
        let before = [node.before.0, node.before.1, node.before.2, node.before.3][slot >> 6]
        let upToSlot = changes & ~0 >> UInt64(63 - slot & 63)
        let index = Int(node.base) + Int(before) + upToSlot.nonzeroBitCount - 1
        return element(UInt32.self, of: tables.values, index) ?? 0
    }

    // MARK: Services and places

    private func joint(
        _ packet: Packet, _ port: bh_port, _ direction: Direction, _ isOwn: (IPAddress) -> Bool, _ origin: Int
    ) -> Int {
        let service = service(packet)
        let scope = direction == .in ? port.scopes.0 : port.scopes.1
        let vlan = element(UInt16.self, of: tables.vlan_classes, Int(packet.outerVLAN)) ?? 0
        let place = Int(scope) * Int(tables.vlan_count) + Int(vlan)
        let states = Int(tables.place_states)
        let ends = tables.host_states > 1 ? hostState(packet, scope: Int(scope), isOwn) : 0
        let state = ends * Int(tables.via_count) + viaClass(origin, scope: Int(scope))
        let context = element(UInt32.self, of: tables.contexts, place * states + state) ?? 0
        let headers =
            element(UInt8.self, of: UInt32(HeaderClasses.offset), WalkedHeaders.index(packet.headers)) ?? 0
        let row = Int(headers) * Int(tables.context_count) + Int(context)
        let index = row * Int(tables.service_count) + Int(service)
        return Int(element(UInt32.self, of: tables.joints, index) ?? 0)
    }

    /// The class of what comes from an origin, where the rules of a scope ask.
    private func viaClass(_ origin: Int, scope: Int) -> Int {
        let asked = UInt32(element(UInt8.self, of: tables.host_questions, scope) ?? 0)
        guard asked & BH_HOST_VIA.rawValue != 0 else { return 0 }
        return Int(element(UInt16.self, of: tables.via_classes, origin) ?? 0)
    }

    /// Which ends are the host's own, as far as the rules of a scope ask.
    private func hostState(_ packet: Packet, scope: Int, _ isOwn: (IPAddress) -> Bool) -> Int {
        let asked = UInt32(element(UInt8.self, of: tables.host_questions, scope) ?? 0)
        if asked & (BH_HOST_SOURCE.rawValue | BH_HOST_DESTINATION.rawValue) == 0 { return 0 }
        guard let source = packet.source, let destination = packet.destination else { return Int(BH_HOST_NO_ADDRESSES) }
        func bit(_ question: bh_host_question, _ address: IPAddress) -> UInt32 {
            asked & question.rawValue != 0 && isOwn(address) ? question.rawValue : 0
        }
        return Int(bit(BH_HOST_SOURCE, source) | bit(BH_HOST_DESTINATION, destination))
    }

    private func service(_ packet: Packet) -> UInt32 {
        let record = element(bh_protocol.self, of: tables.protocols, packet.protocolIndex) ?? bh_protocol()
        if record.first_directory == BH_NONE { return record.service }
        var key = packet.destinationPort
        if packet.family == nil {
            key = packet.etherType
        } else if packet.isICMP {
            key = UInt16(packet.type) << 8 | UInt16(packet.code)
        }
        let first = keyClass(record.first_directory, key)
        let second = record.second_directory == BH_NONE ? 0 : keyClass(record.second_directory, packet.sourcePort)
        return element(UInt32.self, of: record.services, first * Int(record.stride) + second) ?? 0
    }

    private func keyClass(_ directory: UInt32, _ key: UInt16) -> Int {
        let block = element(UInt32.self, of: directory, Int(key >> 8)) ?? 0
        return Int(element(UInt16.self, of: block, Int(key & 255)) ?? 0)
    }

    // MARK: Cells and lists

    private func cell(_ partition: Int, from: UInt32, to: UInt32) -> (list: UInt32, rank: UInt32)? {
        let table = ImageView.all(tables.partitions)[partition]
        let hash = bh_cell_hash(from, to)
        let first = bh_bucket_number(UInt32(truncatingIfNeeded: hash), table.count)
        let second = bh_bucket_number(UInt32(truncatingIfNeeded: hash >> 32), table.count)
        let (found, isFull) = search(table, first, from, to)
        if found != nil || !isFull { return found }
        return search(table, second, from, to).found
    }

    private func search(
        _ table: bh_partition, _ bucket: UInt32, _ from: UInt32, _ to: UInt32
    ) -> (found: (list: UInt32, rank: UInt32)?, isFull: Bool) {
        let bucket = element(bh_bucket.self, of: table.buckets, Int(bucket)) ?? bh_bucket()
        let cells = [bucket.cells.0, bucket.cells.1, bucket.cells.2, bucket.cells.3]
        let found = cells.first { $0.list != 0 && $0.from == from && $0.to == to }
        return (found.map { ($0.list, $0.rank & ~BH_BUCKET_FULL) }, cells[0].rank & BH_BUCKET_FULL != 0)
    }

    /// The first match of a list from a rank on, `BH_NONE` where there is none, or none below another.
    private func firstMatch(
        _ list: UInt32, _ packet: Packet, joint: Int, from floor: UInt32, below limit: UInt32
    ) -> UInt32 {
        for place in 0..<Int(BH_LIST_SHORT) {
            let rule = element(bh_list_entry.self, of: tables.lists, Int(list) + place) ?? bh_list_entry()
            if rule.rank >= limit { break }
            if rule.match & BH_MATCH_RUNS.rawValue != 0 {
                return firstMatch(pages: Int(rule.index), joint: joint, from: floor)
            }
            if rule.rank >= floor, matches(rule, packet, joint: joint) { return rule.rank }
            if rule.match & BH_MATCH_LAST.rawValue != 0 { break }
        }
        return BH_NONE
    }

    private func firstMatch(pages: Int, joint: Int, from floor: UInt32) -> UInt32 {
        let (page, place) = (joint / 64).quotientAndRemainder(dividingBy: Int(BH_RUN_PAGE))
        let first = Int(element(UInt32.self, of: tables.run_pages, pages + page) ?? 0)
        let run = element(bh_run.self, of: tables.runs, first + place) ?? bh_run()
        let upToJoint = run.changes & ~0 >> UInt64(63 - joint & 63)
        let index = Int(run.base) + upToJoint.nonzeroBitCount - 1
        let value = element(UInt32.self, of: tables.run_values, index) ?? BH_NONE
        return value < BH_CHAIN || value == BH_NONE ? value : chained(value & ~BH_CHAIN, from: floor)
    }

    private func matches(_ rule: bh_list_entry, _ packet: Packet, joint: Int) -> Bool {
        guard rule.match & BH_MATCH_PORTS.rawValue != 0 else {
            let word = Int(rule.index) * Int(tables.match_words) + joint / 64
            return (element(UInt64.self, of: tables.matches, word) ?? 0) >> UInt64(joint & 63) & 1 == 1
        }
        return packet.family != nil
            && (rule.index == UInt32(BH_ANY_PROTOCOL) || rule.index == UInt32(packet.ipProtocol))
            && packet.destinationPort &- rule.destination <= rule.destination_span
            && packet.sourcePort &- rule.source <= rule.source_span
    }

    private func chained(_ chain: UInt32, from floor: UInt32) -> UInt32 {
        for place in 0...Int(BH_TRIES_MAX) {
            let rank = element(UInt32.self, of: tables.chains, Int(chain) + place) ?? BH_NONE
            if rank >= floor { return rank }
        }
        return BH_NONE
    }
}

extension bh_list_entry {
    /// What its match says.
    fileprivate var index: UInt32 { match & BH_MATCH_INDEX.rawValue }
}

extension Packet {
    /// Index in the image's `protocols`: see `enum bh_protocol_index`.
    fileprivate var protocolIndex: Int {
        switch (family, ipProtocol) {
        case (nil, _): Int(BH_PROTOCOL_ETHERTYPE.rawValue)
        case (.v6, 1): Int(BH_PROTOCOL_ICMP_IN_IPV6.rawValue)
        case (.v4, 58): Int(BH_PROTOCOL_ICMPV6_IN_IPV4.rawValue)
        default: Int(ipProtocol)
        }
    }
}
