// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy
import Wire

/// Why bytes are not an image that this version reads.
public struct ImageError: Error, Sendable, Hashable {
    public var message: String

    public init(message: String) { self.message = message }
}

/// Reads an image as the kernel does: the same tables, the same look-ups. Reads beyond the end give zero or nil, as the
/// kernel's masked loads give something harmless.
public struct ImageView: Sendable {
    let bytes: ImageBytes
    private let fixed: bh_image_header

    /// Reads a copy of an image.
    public init(_ bytes: [UInt8]) throws(ImageError) { try self.init(ImageBytes(copying: bytes)) }

    /// Reads an image in place, for example the kernel's own.
    ///
    /// The mapping must stay valid for as long as `owner` lives.
    @unsafe public init(mapping: UnsafeRawBufferPointer, owner: AnyObject) throws(ImageError) {
        try self.init(unsafe ImageBytes(unsafeMapping: mapping, owner: owner))
    }

    private init(_ bytes: ImageBytes) throws(ImageError) {
        guard let header = bytes.load(bh_image_header.self, at: 0), header.magic == BH_IMAGE_MAGIC else {
            throw ImageError(message: "the bytes are not a policy image")
        }
        guard header.format == UInt32(BH_IMAGE_FORMAT) else {
            throw ImageError(
                message: "the image has format \(header.format), but this version reads format \(BH_IMAGE_FORMAT)")
        }
        guard header.size <= UInt64(bytes.count) else {
            throw ImageError(message: "the image should have \(header.size) bytes, but only \(bytes.count) are there")
        }
        try ImageView.checkTables(header)
        self.bytes = bytes
        fixed = header
    }

    /// The header, with the host's part as it is now.
    public var header: bh_image_header { bytes.load(bh_image_header.self, at: 0) ?? fixed }

    /// The header as it was when the view was made. Its compiler's part never changes.
    package var tables: bh_image_header { fixed }

    /// Whether some rule depends on which addresses the host has.
    public var asksHost: Bool { fixed.host_states > 1 }

    public var sha256: [UInt8] {
        bytes.bytes(0..<MemoryLayout<bh_image_header>.size).dropFirst(ImageView.hashOffset).prefix(32).map { $0 }
    }

    static let hashOffset = MemoryLayout<bh_image_header>.offset(of: \.sha256) ?? 0

    /// The value at an offset from the image's start.
    public func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int) -> Value? {
        bytes.load(type, at: offset)
    }

    /// An element of a table.
    package func element<Value: BitwiseCopyable>(_ type: Value.Type, of table: UInt32, _ index: Int) -> Value? {
        bytes.load(type, at: Int(table) + index * MemoryLayout<Value>.stride)
    }

    /// The text at an offset in `strings`.
    public func string(_ offset: UInt32) -> String {
        let start = Int(fixed.strings)
        return bytes.text(at: start + Int(offset), before: start + Int(fixed.strings_size))
    }
}

extension ImageView {
    /// A rule as the image records it.
    public struct RuleRecord: Sendable, Hashable {
        public var name: String
        /// Column 0: the image keeps lines only.
        public var location: SourceLocation
        public var action: Action
        public var log: Bool
        public var isStateless: Bool
        public var isLimited: Bool
        /// The rule does not match while as many of its flows are open.
        public var connections: RuleConnections?
        /// Whether it matches what exceeds its limit, and not what is within it.
        public var isOver = false
        /// The packet's own fields that the rule asks for, as the policy calls them: `hopLimit`, `fromMac`.
        public var fields: [String] = []
        /// Whether it matches at some times of the week alone.
        public var asksTimes = false
        /// Whether it matters who is in a dynamic group.
        public var asksMembers: Bool
        /// The rule does not match before this time.
        public var starts: Timestamp?
        /// The rule does not match from this time on.
        public var expires: Timestamp?
        /// The host's part: the slot of the rule's counter.
        public var counter: UInt32
        /// `number` is the rank of the rule in the policy, `term` the number of the term within it, see `bh_rule`.
        public var number: Int
        public var term: Int
        /// The rule's `comment`, `tag` and `meta`.
        public var note: RuleNote?
        /// The name of the rule's layer; nil if the policy names none.
        public var layer: String?
    }

    /// A dynamic group as the image records it.
    public struct GroupRecord: Sendable, Hashable {
        public var name: String
        /// Column 0: the image keeps lines only.
        public var location: SourceLocation
        /// The most members at a time.
        public var maximum: Int
        /// How long a member stays if no time is given with it, in nanoseconds; nil: for ever.
        public var timeout: UInt64?
        /// The host's part: the slot of the group's members.
        public var slot: UInt32
    }

    /// A port record: an entry as host or as workload, as the image records it.
    public struct PortRecord: Sendable, Hashable {
        /// The entry's name.
        public var name: String
        public var location: SourceLocation
        public var protects: Protects
        public var defaultIn: Action
        public var defaultOut: Action
        /// The locations of the defaults; column 0.
        public var inLocation: SourceLocation
        public var outLocation: SourceLocation
        public var essentials: Bool
        public var isUnknownToDrop: Bool
        /// Whether something passes this port without a flow.
        public var passesUntracked: Bool
        /// Whether all traffic other than TCP passes without a flow, because it is accepted both ways.
        public var isSymmetric: Bool
        public var tcp: PortEntry.TCPWindows
        /// The guards in force.
        public var guards: Set<Guard>
    }

    /// The number of ranks, which are terms of rules, see `bh_rule`.
    public var rankCount: Int { Int(fixed.rule_count) }
    public var ruleCount: Int {
        rankCount == 0 ? 0 : Int(element(bh_rule.self, of: fixed.rules, rankCount - 1)?.number ?? 0) + 1
    }
    public var groupCount: Int { Int(fixed.group_count) }
    public var portCount: Int { Int(fixed.port_count) }
    public var fileCount: Int { Int(fixed.file_count) }

    /// The policy's rules, in its order.
    public var rules: [RuleRecord] { (0..<rankCount).compactMap(rule).filter { $0.term == 0 } }

    /// The dynamic groups, in the policy's order.
    public var groups: [GroupRecord] {
        (0..<groupCount).compactMap { index in
            guard let record = element(bh_group.self, of: fixed.groups, index) else { return nil }
            return GroupRecord(
                name: string(record.name), location: location(file: record.file, line: record.line),
                maximum: Int(record.maximum), timeout: record.timeout == 0 ? nil : record.timeout, slot: record.slot)
        }
    }

    /// The rule at a rank; nil beyond the last.
    public func rule(_ rank: Int) -> RuleRecord? {
        guard (0..<rankCount).contains(rank), let record = element(bh_rule.self, of: fixed.rules, rank) else {
            return nil
        }
        let condition = condition(of: record)
        func asks(_ flag: bh_condition_flag) -> Bool { condition.flags & flag.rawValue != 0 }
        return RuleRecord(
            name: string(record.name), location: location(file: record.file, line: record.line),
            action: Action(UInt32(record.verdict)) ?? .drop, log: record.flags & UInt8(BH_RULE_LOG.rawValue) != 0,
            isStateless: record.flags & UInt8(BH_RULE_STATELESS.rawValue) != 0,
            isLimited: asks(BH_CONDITION_LIMITED), connections: connections(of: condition),
            isOver: asks(BH_CONDITION_OVER), fields: asks(BH_CONDITION_FIELDS) ? fields(of: condition) : [],
            asksTimes: asks(BH_CONDITION_TIMES),
            asksMembers: asks(BH_CONDITION_MEMBERS),
            starts: asks(BH_CONDITION_STARTS) ? Timestamp(nanoseconds: condition.starts) : nil,
            expires: asks(BH_CONDITION_EXPIRES) ? Timestamp(nanoseconds: condition.expires) : nil,
            counter: record.counter, number: Int(record.number), term: Int(record.term), note: note(of: record),
            layer: layer(of: rank))
    }

    private func fields(of condition: bh_condition) -> [String] {
        let names: [(bits: UInt32, name: String)] = [
            (BH_FIELD_FROM_MAC.rawValue, "fromMac"), (BH_FIELD_TO_MAC.rawValue, "toMac"),
            (BH_FIELD_TCP_FLAGS.rawValue, "tcpFlags"), (BH_FIELD_HOP_LIMIT.rawValue, "hopLimit"),
            (BH_FIELD_LENGTH.rawValue, "length"), (BH_FIELD_DSCP.rawValue, "dscp"), (BH_FIELD_PCP.rawValue, "pcp"),
            (BH_FIELD_FRAGMENT.rawValue | BH_FIELD_WHOLE.rawValue, "fragment"),
        ]
        return names.filter { UInt32(condition.fields) & $0.bits != 0 }.map(\.name)
    }

    private func connections(of condition: bh_condition) -> RuleConnections? {
        guard condition.connections > 0,
            let record = element(bh_connections.self, of: fixed.connections, Int(condition.connections) - 1)
        else { return nil }
        let isAll = record.v4_mask == 0
        var connections = RuleConnections(
            maximum: Int(record.maximum), per: isAll ? .rule : record.destination != 0 ? .destination : .source)
        if isAll { return connections }
        connections.v4Prefix = record.v4_mask.nonzeroBitCount
        connections.v6Prefix = record.high_mask.nonzeroBitCount + record.low_mask.nonzeroBitCount
        return connections
    }

    /// The name of a rank's layer; nil if the policy names none.
    private func layer(of rank: Int) -> String? {
        let layers = (0..<Int(fixed.layer_count)).lazy.compactMap { element(bh_layer.self, of: fixed.layers, $0) }
        return layers.last { Int($0.first) <= rank }.map { string($0.name) }
    }

    func note(of rule: bh_rule) -> RuleNote? {
        guard rule.notes != BH_NONE else { return nil }
        var note = RuleNote()
        for index in Int(rule.notes)..<Int(fixed.note_count) {
            guard let record = element(bh_note.self, of: fixed.notes, index) else { break }
            switch record.key {
            case BH_NOTE_COMMENT: note.comment = string(record.value)
            case BH_NOTE_TAG: note.tag = string(record.value)
            default: note.meta.append(.init(key: string(record.key), value: string(record.value)))
            }
            if record.is_last != 0 { break }
        }
        return note
    }

    /// The raw records of all ranks, in order.
    private var records: some Sequence<bh_rule> {
        (0..<rankCount).lazy.compactMap { element(bh_rule.self, of: fixed.rules, $0) }
    }

    /// The rank of each of the policy's rules: of a rule of several terms, of the first.
    package var firstRanks: [UInt32] {
        records.enumerated().filter { $0.element.term == 0 }.map { UInt32($0.offset) }
    }

    /// The names of the policy's rules, in its order, each with the slot of its counter (the host's part).
    public var ruleCounters: [(name: String, slot: UInt32)] {
        records.filter { $0.term == 0 }.map { (string($0.name), $0.counter) }
    }

    /// The layers of the policy's rules, in its order; none if the policy names none.
    public var ruleLayers: [String] {
        if fixed.layer_count == 0 { return [] }
        return records.enumerated().filter { $0.element.term == 0 }.map { layer(of: $0.offset) ?? "" }
    }

    /// The rules with a limit per rule, each with the number of its condition.
    public var limitedRules: [(name: String, condition: Int)] {
        if conditionCount == 0 { return [] }
        let limited = BH_CONDITION_LIMITED.rawValue
        let byEnd = BH_CONDITION_BY_SOURCE.rawValue | BH_CONDITION_BY_DESTINATION.rawValue
        return records.filter { condition(of: $0).flags & (limited | byEnd) == limited }
            .map { (string($0.name), Int($0.condition)) }
    }

    /// The conditions with a limit per source or per destination.
    public var limitsByEnd: [bh_condition] {
        let byEnd = BH_CONDITION_BY_SOURCE.rawValue | BH_CONDITION_BY_DESTINATION.rawValue
        return (0..<conditionCount).compactMap { condition($0) }.filter { $0.flags & byEnd != 0 }
    }

    /// A rule's condition; an empty one if it has none.
    package func condition(of rule: bh_rule) -> bh_condition {
        guard UInt32(rule.flags) & BH_RULE_CONDITIONAL.rawValue != 0 else { return bh_condition() }
        return condition(Int(rule.condition)) ?? bh_condition()
    }

    public var conditionCount: Int { Int(fixed.condition_count) }

    /// A condition's record; nil beyond the last.
    public func condition(_ number: Int) -> bh_condition? {
        guard (0..<conditionCount).contains(number) else { return nil }
        return element(bh_condition.self, of: fixed.conditions, number)
    }

    /// A port record; nil beyond the last.
    public func port(_ number: Int) -> PortRecord? {
        guard (0..<portCount).contains(number), let record = element(bh_port.self, of: fixed.ports, number) else {
            return nil
        }
        return PortRecord(
            name: string(record.name), location: location(file: record.file, line: record.line),
            protects: record.protects == UInt8(BH_HOST.rawValue) ? .host : .workload,
            defaultIn: Action(UInt32(record.defaults.0)) ?? .drop,
            defaultOut: Action(UInt32(record.defaults.1)) ?? .drop,
            inLocation: location(file: record.default_files.0, line: record.default_lines.0),
            outLocation: location(file: record.default_files.1, line: record.default_lines.1),
            essentials: record.flags & BH_PORT_ESSENTIALS.rawValue != 0,
            isUnknownToDrop: record.flags & BH_PORT_NOT_ADMITTED.rawValue != 0,
            passesUntracked: record.flags & BH_PORT_UNTRACKED.rawValue != 0,
            isSymmetric: record.flags & BH_PORT_SYMMETRIC.rawValue != 0,
            tcp: record.flags & BH_PORT_TCP_STRICT.rawValue != 0 ? .strict : .liberal, guards: Set(bits: record.guards))
    }

    /// Whether a port record lets frames with a VLAN tag through.
    public func admitsTags(_ number: Int) -> Bool {
        guard (0..<portCount).contains(number), let record = element(bh_port.self, of: fixed.ports, number) else {
            return false
        }
        return record.vlan_mode != UInt8(BH_VLAN_NONE.rawValue)
    }

    /// The host's part of a port record: the number that its flows are kept under; 0 if each device has its own. nil
    /// beyond the last record.
    public func flowScope(_ number: Int) -> UInt16? {
        guard (0..<portCount).contains(number) else { return nil }
        return element(bh_port.self, of: fixed.ports, number)?.flow_scope
    }

    /// See ``Ruleset/rulesText``.
    public var rulesText: Range<Int>? {
        fixed.rules_text_end > fixed.rules_text ? Int(fixed.rules_text)..<Int(fixed.rules_text_end) : nil
    }

    /// The rules that can never match.
    public var covered: [CoveredRule] {
        elements(bh_covered.self, of: fixed.covered, Int(fixed.covered_count)).map {
            CoveredRule(rule: Int($0.rule), cover: $0.cover == BH_NONE ? nil : Int($0.cover))
        }
    }

    /// The names and lines of the policy's rules, in its order.
    public var ruleLines: [(name: String, line: Int)] {
        records.filter { $0.term == 0 }.map { (string($0.name), Int($0.line)) }
    }

    /// The policy's files, its own first.
    public var files: [SourceFile] { (0..<fileCount).compactMap { file($0) } }

    /// A file of the policy with its text; nil beyond the last.
    public func file(_ number: Int) -> SourceFile? {
        fileBytes(number).map { SourceFile(name: $0.name, text: String(decoding: $0.text, as: UTF8.self)) }
    }

    /// The name and text of a file of the policy.
    public func fileBytes(_ number: Int) -> (name: String, text: [UInt8])? {
        guard (0..<fileCount).contains(number), let record = element(bh_file.self, of: fixed.files, number) else {
            return nil
        }
        return (string(record.name), bytes.bytes(Int(record.text)..<Int(record.text) + Int(record.size)))
    }

    /// A location. The file's name is empty if the image has no such file.
    private func location(file: UInt16, line: UInt32) -> SourceLocation {
        var name = ""
        if Int(file) < fileCount, let record = element(bh_file.self, of: fixed.files, Int(file)) {
            name = string(record.name)
        }
        return SourceLocation(file: name, line: Int(line), column: 0)
    }
}
