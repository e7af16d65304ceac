// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

/// The conditions of a rule.
extension NftRule {
    mutating func add(_ body: JSONValue) {
        let words = NftWords.statement(JSONValue(content: .object([("match", body)]), line: 0))
        guard let left = body["left"], let right = body["right"] else { return unsaid(words) }
        let op = body["op"]?.string ?? "=="
        if let mask = NftRule.flagsMask(left), let set = NftRule.flagNames(right), ["==", "!="].contains(op) {
            return add(TCPFlags.meaning(mask: mask, set: set, isNegated: op == "!="), words)
        }
        if let number = NftRule.nextHeader(left, op, right) {
            var box = whole
            box.protocols = number
            match = match.and(
                Match(over: [box].compactMap { $0.intersection(Box(.all(.v6))) }, under: [], unsaid: [words]))
            return
        }
        guard let selector = NftSelector(left) else {
            // The rule may be about any packet of its family.
            return unsaid(words)
        }
        switch selector {
        case .states: addStates(op, right, words)
        case .flags: addFlags(op, right, words)
        case .hopLimit, .length, .codePoint, .sourceMAC, .destinationMAC: addField(selector, op, right, words)
        default: addBoxes(selector, op, right, words)
        }
    }

    /// `ip6 nexthdr tcp`: packets of TCP, but not those with extension headers; nil if it is something else.
    private static func nextHeader(_ left: JSONValue, _ op: String, _ right: JSONValue) -> NumberSet? {
        guard let payload = left["payload"], payload["protocol"]?.string == "ip6",
            payload["field"]?.string == "nexthdr", op == "==",
            let numbers = NftValues.numbers(right, most: 255, { ProtocolName.number($0).map(UInt16.init) }),
            !numbers.intersects(NumberSet(numbers: [0, 43, 44, 51, 60]))
        else { return nil }
        return numbers
    }

    // MARK: What boxes say

    private mutating func addBoxes(_ selector: NftSelector, _ op: String, _ right: JSONValue, _ words: String) {
        let within = selector.within(whole)
        let isNegated = op == "!="
        var condition: Match
        if let range = NftRule.range(op, right) {
            condition =
                selector.boxes(range, within: whole, context.devices).map { Match($0) } ?? .init(some: within, words)
        } else if op == "==" || op == "in" || isNegated {
            condition = members(selector, right, within, words)
        } else {
            condition = .init(some: within, words)
        }
        if selector.isLoose, !match.over.boxes.allSatisfy({ $0.protocols.isSubset(of: Box.withPorts) }) {
            // Without a protocol it may take anything.
            let sure = isNegated ? within.flatMap { condition.not(within: $0).under.boxes } : condition.sure.boxes
            match = match.and(Match(over: [whole], under: sure, unsaid: [words]))
            return
        }
        guard isNegated else {
            match = match.and(condition)
            return
        }
        // The opposite is within the packets that have the field.
        for box in within.prefix(1) { match = match.and(condition.not(within: box)) }
        if within.isEmpty { match = Match([]) }
    }

    private func members(_ selector: NftSelector, _ right: JSONValue, _ within: [Box], _ words: String) -> Match {
        guard let set = elements(right) else {
            // A name that no set has, a map, or one value.
            if right.string?.hasPrefix("@") == true { return .init(some: within, words) }
            let values = right.array ?? [right]
            let boxes = values.map { selector.boxes($0, within: whole, context.devices) }
            return boxes.contains { $0 == nil } ? .init(some: within, words) : Match(boxes.flatMap { $0 ?? [] })
        }
        if let reason = set.unsaid { return .init(some: within, "\(words): \(reason)") }
        var boxes: [Box] = []
        for element in set.elements {
            let value = element.single.flatMap { $0.key == "elem" ? $0.value["val"] : nil } ?? element
            guard let more = selector.boxes(value, within: whole, context.devices) else {
                return .init(some: within, words)
            }
            boxes += more
        }
        return Match(united: boxes)
    }

    /// A comparison as a range of numbers, such as `< 1024`; nil if it is none.
    private static func range(_ op: String, _ right: JSONValue) -> JSONValue? {
        guard ["<", ">", "<=", ">="].contains(op), let number = right.int, (0...65535).contains(number) else {
            return nil
        }
        func value(_ low: Int, _ high: Int) -> JSONValue? {
            guard low <= high else { return nil }
            let ends = [low, high].map { JSONValue(content: .number("\($0)"), line: right.line) }
            return JSONValue(
                content: .object([("range", JSONValue(content: .array(ends), line: right.line))]), line: right.line)
        }
        return switch op {
        case "<": value(0, number - 1)
        case "<=": value(0, number)
        case ">": value(number + 1, 65535)
        default: value(number, 65535)
        }
    }

    // MARK: What flows and fields say

    private mutating func addStates(_ op: String, _ right: JSONValue, _ words: String) {
        var asked: States? = NftRule.states(right)
        if let set = elements(right), set.unsaid == nil {
            let all = set.elements.map { NftRule.states($0) }
            asked = all.contains(nil) ? nil : all.reduce([]) { $0.union($1 ?? []) }
        }
        guard let asked, ["==", "in", "!=", "!"].contains(op) else { return unsaid(words) }
        states.formIntersection(["!=", "!"].contains(op) ? States.all.subtracting(asked) : asked)
    }

    /// `tcp flags & (fin | syn)`: the flags of the mask.
    private static func flagsMask(_ left: JSONValue) -> Set<String>? {
        guard let (key, body) = left.single, key == "&", let parts = body.array, parts.count == 2,
            let payload = parts[0].single, payload.key == "payload", payload.value["protocol"]?.string == "tcp",
            payload.value["field"]?.string == "flags"
        else { return nil }
        return flagNames(parts[1])
    }

    private static func flagNames(_ value: JSONValue) -> Set<String>? {
        if let (key, body) = value.single, key == "|" {
            let parts = body.items.map(flagNames)
            return parts.contains(nil) ? nil : parts.reduce([]) { $0.union($1 ?? []) }
        }
        if value.int == 0 { return [] }
        let known: [String: String] = [
            "fin": "FIN", "syn": "SYN", "rst": "RST", "psh": "PSH", "ack": "ACK", "urg": "URG", "ecn": "ECE",
            "ece": "ECE",
            "cwr": "CWR",
        ]
        var names: Set<String> = []
        for item in value.items {
            if let (key, _) = item.single, key == "|" {
                guard let more = flagNames(item) else { return nil }
                names.formUnion(more)
            } else {
                guard let name = item.string.flatMap({ known[$0] }) else { return nil }
                names.insert(name)
            }
        }
        return names
    }

    private mutating func addFlags(_ op: String, _ right: JSONValue, _ words: String) {
        guard let names = NftRule.flagNames(right), !names.isEmpty || op == "==" || op == "!=" else {
            match = match.and(Match(NftSelector.flags.within(whole)))
            return unsaid(words)
        }
        let all: Set = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"]
        let meaning: TCPFlags.Meaning
        switch op {
        case "==", "!=": meaning = TCPFlags.meaning(mask: all, set: names, isNegated: op == "!=")
        // One of them is set, or none.
        case "in": meaning = TCPFlags.meaning(mask: names, set: [], isNegated: true)
        default: meaning = TCPFlags.meaning(mask: names, set: [], isNegated: false)
        }
        add(meaning, words)
    }

    private mutating func add(_ meaning: TCPFlags.Meaning, _ words: String) {
        match = match.and(Match(NftSelector.flags.within(whole)))
        // Two conditions on flags are not one.
        if flags == nil { flags = meaning } else if flags != meaning { unsaid(words) }
    }

    private mutating func addField(_ selector: NftSelector, _ op: String, _ right: JSONValue, _ words: String) {
        let within = selector.within(whole)
        guard let fields = fields(selector, op, right) else {
            match = match.and(Match(within))
            return unsaid(words)
        }
        match = match.and(Match(within, fields: fields))
    }

    private func fields(_ selector: NftSelector, _ op: String, _ right: JSONValue) -> RuleMatch? {
        let isNegated = op == "!="
        guard isNegated || op == "==" || NftRule.range(op, right) != nil else { return nil }
        var values = [NftRule.range(op, right) ?? right]
        if let set = elements(right) {
            guard set.unsaid == nil else { return nil }
            values = set.elements
        }
        var fields = RuleMatch()
        switch selector {
        case .hopLimit, .length:
            var most: UInt16 = 255
            if case .length = selector { most = .max }
            let isChanged = most == 255 && (context.changesFields || context.isLeaving)
            let numbers = values.map { NftValues.numbers($0, most: .max) { _ in nil } }
            guard !isChanged, !numbers.contains(nil) else { return nil }
            let union = NumberSet(numbers.flatMap { $0?.ranges ?? [] }).intersection(NumberSet(0...most))
            let set = isNegated ? NumberSet(0...most).subtracting(union) : union
            guard set.ranges.count == 1, let range = set.ranges.first else { return nil }
            if most == 255 {
                fields.hopLimit = UInt8(range.lowerBound)...UInt8(range.upperBound)
            } else {
                fields.length = UInt32(range.lowerBound)...UInt32(range.upperBound)
            }
        case .codePoint:
            let numbers = values.map { value in
                NftValues.numbers(value, most: 63) { CodePoint.named($0).map(UInt16.init) }
            }
            guard !context.changesFields, !numbers.contains(nil) else { return nil }
            let all = NumberSet(0...63)
            let union = NumberSet(numbers.flatMap { $0?.ranges ?? [] })
            let set = isNegated ? all.subtracting(union) : union
            fields.dscp = Set(set.ranges.flatMap { $0 }.map { UInt8($0) })
            if set.isEmpty { return nil }
        case .sourceMAC, .destinationMAC:
            let macs = values.map { $0.string.flatMap { MACAddress($0) } }
            guard !isNegated, !macs.contains(nil), (1...RuleMatch.mostMACs).contains(macs.count) else { return nil }
            if case .sourceMAC = selector {
                fields.sourceMACs = macs.compactMap(\.self)
            } else {
                fields.destinationMACs = macs.compactMap(\.self)
            }
        default: return nil
        }
        return fields
    }
}

extension Match {
    /// Some of the packets in boxes, and it cannot be said which.
    fileprivate init(some boxes: [Box], _ unsaid: String) { self.init(over: boxes, under: [], unsaid: [unsaid]) }

    /// Boxes that mostly differ in one set, as few as they can be.
    fileprivate init(united boxes: [Box]) {
        var groups: [Box: (boxes: [Box], path: WritableKeyPath<Box, AddressSet>)] = [:]
        var rest: [Box] = []
        for box in boxes {
            // Sets of addresses are large, and united all at once.
            guard let path = [\Box.source, \Box.destination].first(where: { !box[keyPath: $0].isWhole }) else {
                rest.append(box)
                continue
            }
            var key = box
            key[keyPath: path] = .empty
            groups[key, default: ([], path)].boxes.append(box)
        }
        for group in groups.values {
            var box = group.boxes[0]
            box[keyPath: group.path] = AddressSet(unionOf: group.boxes.map { $0[keyPath: group.path] })
            rest.append(box)
        }
        self.init(BoxList(boxes: rest).merged.boxes)
    }
}

extension AddressSet {
    fileprivate var isWhole: Bool { AddressFamily.allCases.contains { AddressSet.all($0).isSubset(of: self) } }
}
