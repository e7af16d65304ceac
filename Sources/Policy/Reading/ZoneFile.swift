// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Reads time zones out of the system's database (RFC 8536).
struct ZoneFile {
    static let folder = "/usr/share/zoneinfo"
    private static let mostBytes = 1 << 20

    /// The first and the last year of which the changes of clocks are kept.
    private static let firstYear = 2024
    private static let lastYear = 2055

    /// nil if there is no such zone.
    static func zone(_ name: String) -> TimeZoneTable? {
        if name == "UTC" { return .utc }
        let isName = name.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || [UInt8(ascii: "/"), UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "-")].contains(byte)
        }
        guard isName, !name.hasPrefix("/"), !name.isEmpty,
            let data = FileManager.default.contents(atPath: "\(folder)/\(name)"), data.count <= mostBytes
        else { return nil }
        return table(name, Array(data))
    }

    /// - Parameter bytes: Of a file of the second version or later; nil if it is not one.
    static func table(_ name: String, _ bytes: [UInt8]) -> TimeZoneTable? {
        guard var file = ZoneBytes(bytes), file.skipFirst(), let offsets = file.offsets() else { return nil }
        let start = Timestamp.secondsBefore(year: firstYear)
        let end = Timestamp.secondsBefore(year: lastYear + 1)
        var changes = offsets.changes
        if let rule = file.footer.flatMap(ZoneRule.init) {
            let last = changes.last?.second ?? .min
            for year in firstYear...lastYear { changes += rule.changes(in: year).filter { $0.second > last } }
            if changes.isEmpty { changes = [(second: .min, offset: rule.standard)] }
        }
        let before = changes.last { $0.second <= start }?.offset ?? offsets.first
        var kept = [TimeZoneTable.Change(minute: 0, offset: Int32(before))]
        for change in changes where change.second > start && change.second < end {
            guard kept.count < TimeZoneTable.most else { break }
            if Int32(change.offset) == kept[kept.count - 1].offset { continue }
            kept.append(.init(minute: UInt32(change.second / 60), offset: Int32(change.offset)))
        }
        return TimeZoneTable(name: name, changes: kept)
    }
}

/// A file of the database, from the block that is to be read on.
private struct ZoneBytes {
    private struct Counts {
        var times = 0
        var types = 0
        /// Bytes of all that is not needed.
        var rest = 0
    }

    private let bytes: [UInt8]
    private var at = 0

    private static let magic = Array("TZif".utf8)
    private static let headerSize = 44

    init?(_ bytes: [UInt8]) {
        guard bytes.count >= ZoneBytes.headerSize, Array(bytes[..<4]) == ZoneBytes.magic,
            bytes[4] >= UInt8(ascii: "2")
        else { return nil }
        self.bytes = bytes
    }

    private func number(_ offset: Int, _ size: Int) -> Int {
        let value = bytes[offset..<offset + size].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return size == 4 ? Int(Int32(truncatingIfNeeded: value)) : Int(Int64(bitPattern: value))
    }

    private func counts(_ timeSize: Int) -> Counts? {
        guard at + ZoneBytes.headerSize <= bytes.count, Array(bytes[at..<at + 4]) == ZoneBytes.magic else { return nil }
        let all = (0..<6).map { number(at + 20 + 4 * $0, 4) }
        guard all.allSatisfy({ (0...1 << 16).contains($0) }) else { return nil }
        return Counts(times: all[3], types: all[4], rest: all[5] + all[2] * (timeSize + 4) + all[1] + all[0])
    }

    /// Goes past the block for programs of the last century.
    mutating func skipFirst() -> Bool {
        guard let counts = counts(4) else { return false }
        at += ZoneBytes.headerSize + counts.times * 5 + counts.types * 6 + counts.rest
        return true
    }

    /// The changes of the clocks, in seconds since 1970, and what they showed before. Goes past the block.
    mutating func offsets() -> (first: Int, changes: [(second: Int, offset: Int)])? {
        guard let counts = counts(8), counts.types > 0 else { return nil }
        let times = at + ZoneBytes.headerSize
        let kinds = times + counts.times * 8
        let types = kinds + counts.times
        let end = types + counts.types * 6 + counts.rest
        guard end <= bytes.count else { return nil }
        let offsets = (0..<counts.types).map { number(types + $0 * 6, 4) }
        let changes = (0..<counts.times).map { index in
            (second: number(times + index * 8, 8), offset: offsets[min(Int(bytes[kinds + index]), offsets.count - 1)])
        }
        at = end
        return (offsets[0], changes)
    }

    /// The rule for the time after the last change, between two line breaks.
    var footer: String? {
        guard at < bytes.count, bytes[at] == UInt8(ascii: "\n") else { return nil }
        return String(decoding: bytes[(at + 1)...].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}

/// A rule such as `CET-1CEST,M3.5.0,M10.5.0/3`.
private struct ZoneRule {
    private enum Day {
        /// The n-th weekday of a month, the fifth being the last; Sunday 0.
        case weekday(month: Int, week: Int, day: Int)
        /// The day of the year from 1, without leap days.
        case julian(Int)
        /// The day of the year from 0.
        case ofYear(Int)
    }

    let standard: Int
    private var summer: (offset: Int, start: (Day, Int), end: (Day, Int))?

    init?(_ text: String) {
        var rest = text[...]
        guard ZoneRule.skipName(&rest), let west = ZoneRule.time(&rest) else { return nil }
        standard = -west
        guard !rest.isEmpty else { return }
        guard ZoneRule.skipName(&rest) else { return nil }
        let offset = rest.first == "," ? standard + 3600 : ZoneRule.time(&rest).map { -$0 }
        guard let offset, let start = ZoneRule.edge(&rest), let end = ZoneRule.edge(&rest) else { return nil }
        summer = (offset, start, end)
    }

    private static func skipName(_ text: inout Substring) -> Bool {
        if text.first == "<" {
            guard let end = text.firstIndex(of: ">") else { return false }
            text = text[text.index(after: end)...]
            return true
        }
        let name = text.prefix { $0.isLetter }
        text = text[name.endIndex...]
        return !name.isEmpty
    }

    /// `[+-]HH[:MM[:SS]]` in seconds.
    private static func time(_ text: inout Substring) -> Int? {
        let isNegative = text.first == "-"
        if text.first == "-" || text.first == "+" { text = text.dropFirst() }
        let word = text.prefix { $0.isNumber || $0 == ":" }
        text = text[word.endIndex...]
        let parts = word.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) }
        guard (1...3).contains(parts.count), !parts.contains(nil) else { return nil }
        let seconds = zip(parts, [3600, 60, 1]).reduce(0) { $0 + ($1.0 ?? 0) * $1.1 }
        return isNegative ? -seconds : seconds
    }

    /// `,M3.5.0/2`
    private static func edge(_ text: inout Substring) -> (Day, Int)? {
        guard text.first == "," else { return nil }
        text = text.dropFirst()
        let word = text.prefix { $0 != "/" && $0 != "," }
        text = text[word.endIndex...]
        let numbers = word.drop { $0.isLetter }.split(separator: ".", omittingEmptySubsequences: false).map { Int($0) }
        guard !numbers.contains(nil) else { return nil }
        let values = numbers.compactMap { $0 }
        let day: Day
        switch (word.first, values.count) {
        case ("M", 3): day = .weekday(month: values[0], week: values[1], day: values[2])
        case ("J", 1): day = .julian(values[0])
        case (_, 1): day = .ofYear(values[0])
        default: return nil
        }
        if case .weekday(let month, let week, let weekday) = day {
            guard (1...12).contains(month), (1...5).contains(week), (0...6).contains(weekday) else { return nil }
        }
        guard text.first == "/" else { return (day, 7200) }
        text = text.dropFirst()
        return time(&text).map { (day, $0) }
    }

    /// The changes of a year, in seconds since 1970, in order.
    func changes(in year: Int) -> [(second: Int, offset: Int)] {
        guard let summer else { return [] }
        let start = ZoneRule.second(summer.start, in: year) - standard
        let end = ZoneRule.second(summer.end, in: year) - summer.offset
        return [(second: start, offset: summer.offset), (second: end, offset: standard)].sorted {
            $0.second < $1.second
        }
    }

    /// By the clock on the wall.
    private static func second(_ edge: (Day, Int), in year: Int) -> Int {
        let january = Timestamp.days(before: year, 1, 1)
        switch edge.0 {
        case .ofYear(let day): return (january + day) * 86400 + edge.1
        case .julian(let day):
            let isLeap = Timestamp.days(year, 2) == 29
            return (january + day - (isLeap && day >= 60 ? 0 : 1)) * 86400 + edge.1
        case .weekday(let month, let week, let weekday):
            let first = Timestamp.days(before: year, month, 1)
            // The first of January 1970 was a Thursday.
            let ahead = (weekday - (first + 4) % 7 + 7) % 7
            var day = ahead + (week - 1) * 7
            if day >= Timestamp.days(year, month) { day -= 7 }
            return (first + day) * 86400 + edge.1
        }
    }
}
