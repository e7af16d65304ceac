// SPDX-License-Identifier: Apache-2.0
import Network
import Policy

extension ServiceAxis {
    /// What some classes are called in the policy language; `any` for all of them.
    func words(_ set: ClassSet) -> [String] {
        let plain = set.intersection(withoutHeaders)
        if plain == withoutHeaders { return ["any"] }
        if plain.isEmpty {
            guard let first = set.runs.first else { return [] }
            let headers = meaning(first.lower).headers.map { "proto/\($0)" }.joined(separator: ", ")
            return lines(set).map { "\($0) after \(headers)" }
        }
        let others = withoutHeaders.subtracting(plain)
        let (named, excepted) = (lines(plain), lines(others))
        return excepted.count * 2 < named.count ? ["any except " + excepted.joined(separator: ", ")] : named
    }

    private func lines(_ set: ClassSet) -> [String] {
        var byProtocol: [UInt8: [Piece]] = [:]
        for number in set.classes {
            for piece in meaning(number).pieces { byProtocol[piece.number, default: []].append(piece) }
        }
        var plain: [UInt16] = []
        var result: [String] = []
        for (number, pieces) in byProtocol.sorted(by: { $0.key < $1.key }) {
            switch (number, family) {
            case (_, nil): result += pieces.map { Service.ethertype($0.first.lowerBound).description }
            case (6, _), (17, _), (132, _): result += ServiceAxis.ports(number, pieces)
            case (1, .v4): result += ServiceAxis.messages("icmp", pieces)
            case (58, .v6): result += ServiceAxis.messages("icmpv6", pieces)
            default: plain.append(UInt16(number))
            }
        }
        return result + ServiceAxis.ranges(plain.map { $0...$0 }).map { "proto/\(ServiceAxis.text($0))" }
    }

    /// Ports that go with the same source ports stand together.
    private static func ports(_ number: UInt8, _ pieces: [Piece]) -> [String] {
        let name = [6: "tcp", 17: "udp"][number] ?? "sctp"
        var seconds: [ClosedRange<UInt16>: [ClosedRange<UInt16>]] = [:]
        for piece in pieces { seconds[piece.first, default: []].append(piece.second) }
        var firsts: [[ClosedRange<UInt16>]: [ClosedRange<UInt16>]] = [:]
        for (first, list) in seconds { firsts[ranges(list), default: []].append(first) }
        return firsts.map { sources, list in
            let ports = ranges(list).map(text).joined(separator: ",")
            return (ports: ports, source: sources == [any] ? "" : " from \(sources.map(text).joined(separator: ","))")
        }.sorted { ($0.source, $0.ports) < ($1.source, $1.ports) }.map { "\(name)/\($0.ports)\($0.source)" }
    }

    private static func messages(_ name: String, _ pieces: [Piece]) -> [String] {
        ranges(pieces.map(\.first)).flatMap { range -> [String] in
            if range == any { return ["\(name)/*"] }
            let (low, high) = (range.lowerBound, range.upperBound)
            if low & 255 == 0, high & 255 == 255 { return ["\(name)/\(text(low >> 8...high >> 8))"] }
            if low >> 8 == high >> 8 { return ["\(name)/\(low >> 8)/\(text(low & 255...high & 255))"] }
            return ["\(name)/\(low >> 8)/\(low & 255)-\(high >> 8)/\(high & 255)"]
        }
    }

    private static func text(_ range: ClosedRange<UInt16>) -> String {
        if range == any { return "*" }
        return range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
    }

    /// The same numbers as ranges that neither overlap nor touch.
    private static func ranges(_ list: [ClosedRange<UInt16>]) -> [ClosedRange<UInt16>] {
        var result: [ClosedRange<UInt16>] = []
        for range in list.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, Int(range.lowerBound) <= Int(last.upperBound) + 1 {
                result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}
